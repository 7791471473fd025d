"""The data layer: its statements, its rows and its errors."""

import importlib
import io
import pkgutil
import re

import psycopg2
import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from polls import queries
from polls.models import Poll, Vote
from tests.support.voters import claims_of, keys_of


def statements():
    """Every SQL constant of every module of the data layer, by name."""
    for module in pkgutil.iter_modules(queries.__path__, "polls.queries."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if name.isupper() and isinstance(value, str) and value[0].isspace():  # fragments begin on their first line
                yield pytest.param(value, id=name)


@pytest.mark.parametrize("statement", list(statements()))
def test_statement_can_be_prepared_on_the_migrated_schema(conn, statement):
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    assert ";" not in re.sub("--.*", "", statement)
    if statement.lstrip().startswith("COPY"):
        # A COPY cannot be prepared: run without a line, it is checked as well.
        with conn.cursor() as cursor:
            cursor.copy_expert(statement, io.StringIO(""))
        return
    numbered = statement
    for number, name in enumerate(names, 1):
        numbered = numbered.replace(f"%({name})s", f"${number}")
    with conn.cursor() as cursor:
        cursor.execute(f"PREPARE checked AS {numbered.replace('%%', '%')}")


def cast(conn, slug, voter, choices):
    queries.cast_vote(conn, slug, choices, browser=keys_of(voter))


def test_polls_are_listed_newest_first_and_only_when_open_and_listed(conn, make_poll):
    old = make_poll(opens_in="-2 hours", title="An old one")
    new = make_poll(opens_in="-1 minute", title="A new one")
    make_poll(opens_in="1 hour")
    make_poll(opens_in=None)
    make_poll(opens_in="-2 hours", closes_in="-1 hour")
    make_poll(listed=False)
    make_poll(archived_at="2026-01-01")
    assert [poll.slug for poll in queries.list_polls(conn)] == [new.slug, old.slug]
    assert [poll.slug for poll in queries.list_polls(conn, limit=1, offset=1)] == [old.slug]


@pytest.mark.parametrize(
    ("search", "found"),
    [("TRIP", 1), ("trip", 1), ("%", 0), ("_", 0), ("'; DROP TABLE polls_poll", 0), ("100 %", 0), ("ÜBER", 1)],
)
def test_search_takes_every_character_literally(conn, make_poll, search, found):
    make_poll(title="Trip über land")
    assert len(queries.list_polls(conn, search=search)) == found


def test_poll_comes_with_its_options_in_order(conn, make_poll, sql):
    poll = make_poll()
    sql("UPDATE polls_option SET position = 0 WHERE id = %s", poll.options[2])
    ballot = queries.get_poll(conn, poll.slug)
    assert [option.id for option in ballot.options] == [poll.options[2], *poll.options[:2]]
    assert (ballot.poll.state, ballot.choices) == ("open", None)


def test_poll_without_options_is_there(conn, make_poll):
    poll = make_poll(options=0)
    assert queries.get_poll(conn, poll.slug).options == []
    assert queries.get_results(conn, poll.slug).options == []


def test_unknown_poll_is_not_found(conn):
    for ask in (queries.get_poll, queries.get_results):
        with pytest.raises(queries.PollNotFound):
            ask(conn, "nowhere")
    with pytest.raises(queries.PollNotFound):
        cast(conn, "nowhere", "ann", [1])


def test_vote_is_shown_to_its_voter(conn, make_poll):
    poll = make_poll(max_choices=2)
    cast(conn, poll.slug, "ann", [poll.options[2], poll.options[0]])
    assert queries.get_poll(conn, poll.slug, **claims_of("ann")).choices == [poll.options[2], poll.options[0]]
    assert queries.get_poll(conn, poll.slug, **claims_of("bob")).choices is None
    assert queries.get_results(conn, poll.slug, **claims_of("ann")).choices == [poll.options[2], poll.options[0]]


def test_shares_are_in_percent_of_voters(conn, make_poll):
    poll = make_poll(max_choices=2)
    cast(conn, poll.slug, "ann", poll.options[:2])
    cast(conn, poll.slug, "bob", poll.options[:1])
    results = queries.get_results(conn, poll.slug)
    assert results.voter_count == 2
    assert [(option.votes, option.share) for option in results.options] == [(2, 100.0), (1, 50.0), (0, 0.0)]


@pytest.mark.parametrize(
    ("refusal", "choices"),
    [
        (queries.UnknownOption, lambda poll, other: other.options[:1]),
        (queries.OptionRepeated, lambda poll, other: [poll.options[0], poll.options[0]]),
        (queries.WrongChoiceCount, lambda poll, other: []),
        (queries.WrongChoiceCount, lambda poll, other: poll.options),
    ],
    ids=["foreign", "twice", "none", "too many"],
)
def test_refusal_says_why_and_writes_nothing(conn, make_poll, sql, refusal, choices):
    poll, other = make_poll(max_choices=2), make_poll()
    with pytest.raises(refusal):
        cast(conn, poll.slug, "ann", choices(poll, other))
    assert sql("SELECT count(*) FROM polls_vote") == [(0,)]


def test_closed_poll_refuses(conn, make_poll):
    poll = make_poll(opens_in="-2 hours", closes_in="-1 hour")
    with pytest.raises(queries.PollNotOpen):
        cast(conn, poll.slug, "ann", poll.options[:1])


def test_second_vote_stands_back(conn, make_poll):
    poll = make_poll()
    cast(conn, poll.slug, "ann", poll.options[:1])
    with pytest.raises(queries.AlreadyVoted):
        cast(conn, poll.slug, "ann", poll.options[1:2])
    assert queries.get_poll(conn, poll.slug, **claims_of("ann")).choices == poll.options[:1]


@pytest.mark.parametrize(
    ("results", "state", "voted", "by_owner", "visible"),
    [
        ("always", "open", False, False, True),
        ("voted", "open", False, False, False),
        ("voted", "open", True, False, True),
        ("voted", "closed", False, False, False),
        ("closed", "open", True, False, False),
        ("closed", "closed", False, False, True),
        ("owner", "closed", True, False, False),
        ("owner", "open", False, True, True),
        ("closed", "open", False, True, True),
    ],
)
def test_gate_of_the_results(conn, make_poll, sql, django_user_model, results, state, voted, by_owner, visible):
    user = django_user_model.objects.create_user("owner")
    poll = make_poll(results=results, owner_id=user.pk)
    cast(conn, poll.slug, "ann", poll.options[:1])
    if state == "closed":
        sql("UPDATE polls_poll SET closes_at = now()")
    answer = queries.get_results(
        conn, poll.slug, **claims_of("ann" if voted else "bob"), viewer_id=user.pk if by_owner else None
    )
    assert answer.visible is visible
    assert (answer.voter_count, answer.options[0].votes) == ((1, 1) if visible else (0, 0))


def test_nobody_is_not_the_owner_of_a_poll_without_owner(conn, make_poll):
    poll = make_poll(results="owner")
    assert not queries.get_results(conn, poll.slug, viewer_id=None).visible


def test_statement_after_a_refusal_works_on_the_same_connection(conn, make_poll):
    poll = make_poll()
    with pytest.raises(queries.UnknownOption):
        cast(conn, poll.slug, "ann", [1])
    cast(conn, poll.slug, "ann", poll.options[:1])


def test_errors_of_the_orm_are_translated_too(make_poll, vote):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    with pytest.raises(queries.PollFrozen), queries.translated_errors():
        Poll.objects.filter(pk=poll.id).update(named=True)
    with pytest.raises(queries.AlreadyVoted), queries.translated_errors():
        Vote.objects.create(poll_id=poll.id, voter="ann", choices=poll.options[:1])


def test_other_errors_pass_through_untranslated(conn, sql):
    with pytest.raises(psycopg2.errors.UndefinedTable), queries.translated_errors():
        sql("SELECT FROM nowhere")
    with pytest.raises(ZeroDivisionError), queries.translated_errors():
        _ = 1 / 0
    with (
        pytest.raises(IntegrityError),
        queries.translated_errors(),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("INSERT INTO polls_poll (slug, title, audience) VALUES ('x', 'x', 'nobody')")
