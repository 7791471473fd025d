"""Draws among everybody who voted: the outcome, what the database refuses, and races."""

import hashlib
import hmac
from collections import Counter
from random import Random

import pytest
from django.core.management import call_command

from polls import draws, queries
from tests.support.draws import (
    DRAW,
    FREEZE,
    call_in_thread,
    codes_of,
    wait_until_somebody_waits,
)


@pytest.mark.parametrize("voters", [1, 2, 11, 12, 40])
def test_database_and_python_draw_the_same_among_all(conn, closed_poll_for_all, drawn_among_all, voters):
    poll = closed_poll_for_all(voters, draw_source="Lottery")
    draw = drawn_among_all(poll, public_value="4 – 8 / 15 “ß”")
    root = queries.get_secret(conn, poll.slug).root
    entries = draws.entries_of(root, None, [f"voter-{number}" for number in range(voters)])
    assert (draw.option_id, draw.option) == (None, None)
    assert draw.entries == len(entries) == voters
    assert draw.entries_hash == hashlib.sha256(draws.entries_file(entries)).hexdigest()
    assert (draw.secret, draw.commitment) == (draws.secret_of(root, 1), draws.commitment_to(root))
    assert (draw.winner, draw.alternates) == draws.draw(draw.secret, draw.entries_hash, draw.public_value, 1, entries)


def test_code_among_all_is_made_of_the_word_all_and_an_options_of_its_id(conn, closed_poll_for_all, sql):
    """The codes are those of docs/draws.md; codes of an option are as they were before this kind of draw."""
    poll = closed_poll_for_all()
    root = queries.get_secret(conn, poll.slug).root
    for option_id, message in ((None, "all/ann"), (17, "17/ann")):
        code = hmac.digest(root, message.encode(), "sha256").hex()
        assert draws.entry_code(root, option_id, "ann") == code
        assert sql("SELECT polls_entry_code(%s, %s, 'ann')", poll.id, option_id) == [(code,)]


def test_each_voter_is_in_it_once_however_many_choices_they_made(conn, closed_poll_for_all):
    poll = closed_poll_for_all()
    root = queries.get_secret(conn, poll.slug).root
    for option_id in (None, *poll.options):
        queries.freeze_entries(conn, poll.id, option_id, actor="test")
    among_all, *among_options = [codes_of(conn, poll, option_id) for option_id in (None, *poll.options)]
    assert among_all == sorted(draws.entry_code(root, None, f"voter-{number}") for number in range(6))
    assert [len(codes) for codes in among_options] == [2, 4, 6]
    # Two lists do not tell who is in both.
    assert set(among_all).isdisjoint(code for codes in among_options for code in codes)


def test_everybody_has_the_same_chance_over_all_secrets():
    """6,000 draws among 6 voters, each with another secret: chi-square with 5 degrees of freedom, 99.9 %."""
    random = Random(7)
    voters = [f"voter-{number}" for number in range(6)]
    winners = Counter()
    for _ in range(6000):
        root = random.randbytes(32)
        entries = {draws.entry_code(root, None, voter): voter for voter in voters}
        entries_hash = hashlib.sha256(draws.entries_file(sorted(entries))).hexdigest()
        winners[entries[draws.draw(draws.secret_of(root, 1), entries_hash, "", 1, entries).winner]] += 1
    assert sum((winners[voter] - 1000) ** 2 / 1000 for voter in voters) < 20.5


def test_draws_of_both_kinds_stand_side_by_side(conn, closed_poll_for_all, drawn_among_all, capsys):
    poll = closed_poll_for_all()
    first = drawn_among_all(poll, option_id=poll.options[0])
    second = drawn_among_all(poll, 2, reason="For all")
    third = drawn_among_all(poll, 3, reason="Once more", option_id=poll.options[0])
    assert [draw.entries for draw in (first, second, third)] == [2, 6, 2]
    assert first.entries_hash == third.entries_hash != second.entries_hash
    root = queries.get_secret(conn, poll.slug).root
    entries = draws.entries_of(root, poll.options[0], ["voter-0", "voter-3"])
    for draw in (first, third):
        outcome = draws.draw(draws.secret_of(root, draw.number), draw.entries_hash, "", draw.number, entries)
        assert (draw.winner, draw.alternates) == outcome
    call_command("verify_poll", poll.slug)
    assert "6 votes and 3 draws agree" in capsys.readouterr().out


def test_nothing_is_frozen_nor_drawn_among_all_before_closing(conn, make_poll, vote, sql, refused):
    poll = make_poll(closes_in="1 hour")
    vote(poll, "ann", poll.options[:1])
    for statement in (FREEZE, DRAW):
        with refused("polls_draw_after_closing"):
            sql(statement, poll.id)
    with pytest.raises(queries.PollNotClosed):
        queries.freeze_entries(conn, poll.id, None, actor="test")
    with pytest.raises(queries.PollNotClosed):
        queries.draw_winner(conn, poll.id, None, number=1, actor="test")
    assert sql("SELECT id FROM polls_entries") == sql("SELECT id FROM polls_draw") == []


def test_nobody_who_voted_is_not_drawn(conn, closed_poll_for_all):
    poll = closed_poll_for_all(0)
    with pytest.raises(queries.NoEntries, match="Nobody has voted"):
        queries.freeze_entries(conn, poll.id, None, actor="test")


def test_entries_of_one_kind_are_not_drawn_from_for_the_other(conn, closed_poll_for_all):
    poll, other = closed_poll_for_all(), closed_poll_for_all()
    queries.freeze_entries(conn, poll.id, poll.options[0], actor="test")
    queries.freeze_entries(conn, other.id, None, actor="test")
    with pytest.raises(queries.EntriesNotFrozen, match="of everybody who voted"):
        queries.draw_winner(conn, poll.id, None, number=1, actor="test")
    with pytest.raises(queries.EntriesNotFrozen, match="of this option"):
        queries.draw_winner(conn, other.id, other.options[0], number=1, actor="test")


def test_bare_sql_freezes_and_draws_and_is_not_believed_of_the_outcome(closed_poll_for_all, owner_sql, capsys):
    poll = closed_poll_for_all()
    owner_sql(
        "INSERT INTO polls_entries (poll_id, codes, hash, frozen_at, frozen_by) "
        "VALUES (%s, 'x', 'x', '2020-01-01', 'nobody')",
        poll.id,
    )
    owner_sql(
        "INSERT INTO polls_draw (poll_id, number, secret, winner, alternates, drawn_at, drawn_by) "
        "VALUES (%s, 1, 'x', 'me', '{me}', '2020-01-01', 'nobody')",
        poll.id,
    )
    call_command("verify_poll", poll.slug)
    assert "6 votes and 1 draws agree" in capsys.readouterr().out
    assert owner_sql("SELECT drawn_by = 'database user ' || session_user, drawn_at > '2021-01-01' FROM polls_draw") == [
        (True, True)
    ]
    assert owner_sql(
        "SELECT frozen_by = 'database user ' || session_user, frozen_at > '2021-01-01' FROM polls_entries"
    ) == [(True, True)]


@pytest.mark.parametrize("table", ["polls_draw", "polls_entries"])
def test_draw_among_all_does_not_become_one_of_an_option(
    closed_poll_for_all, drawn_among_all, owner_sql, refused, table
):
    poll = closed_poll_for_all()
    drawn_among_all(poll)
    for change in (f"UPDATE {table} SET option_id = {poll.options[0]}", f"DELETE FROM {table}"):
        with refused(f"{table}_append_only"):
            owner_sql(change)


def test_everybody_is_frozen_once_even_without_the_triggers(conn, closed_poll_for_all, owner_sql, refused):
    poll, other = closed_poll_for_all(), closed_poll_for_all()
    for each in (poll, other):
        queries.freeze_entries(conn, each.id, None, actor="test")
    frozen = owner_sql("SELECT id FROM polls_entries")
    queries.freeze_entries(conn, poll.id, None, actor="again")
    with refused("polls_entries_once_among_all"):
        owner_sql(FREEZE, poll.id)
    owner_sql("SET session_replication_role = replica")
    with refused("polls_entries_once_among_all"):
        owner_sql(
            "INSERT INTO polls_entries (poll_id, codes, hash, frozen_at, frozen_by) "
            "SELECT poll_id, codes, hash, frozen_at, frozen_by FROM polls_entries"
        )
    owner_sql("SET session_replication_role = DEFAULT")
    assert owner_sql("SELECT id FROM polls_entries") == frozen


def test_poll_whose_voters_are_frozen_stays_closed(closed_poll_for_all, sql):
    poll = closed_poll_for_all()
    sql(FREEZE, poll.id)
    with pytest.raises(queries.PollFrozen), queries.translated_errors():
        sql("UPDATE polls_poll SET closes_at = NULL")


@pytest.mark.parametrize("way", ["data layer", "bare SQL"])
def test_of_two_freezings_among_all_at_once_one_is_made(closed_poll_for_all, sql, connections_to_test_database, way):
    poll = closed_poll_for_all()
    first, second = connections_to_test_database(), connections_to_test_database()
    first.autocommit = False
    queries.freeze_entries(first, poll.id, None, actor="first")

    def freeze_too():
        if way == "data layer":
            return queries.freeze_entries(second, poll.id, None, actor="second")
        with second.cursor() as cursor:
            return cursor.execute(FREEZE, [poll.id])

    thread, outcome = call_in_thread(freeze_too)
    wait_until_somebody_waits(sql, thread)
    first.commit()
    thread.join()
    said = [getattr(answer, "diag", None) and answer.diag.constraint_name for answer in outcome]
    assert said == [None if way == "data layer" else "polls_entries_once_among_all"]
    assert sql("SELECT frozen_by FROM polls_entries") == [("first",)]
    assert sql("SELECT count(*) FROM polls_event WHERE action = 'entries added'") == [(1,)]


def test_of_two_draws_of_both_kinds_at_once_one_is_made(closed_poll_for_all, sql, connections_to_test_database):
    poll = closed_poll_for_all()
    first, second = connections_to_test_database(), connections_to_test_database()
    for option_id in (None, poll.options[0]):
        queries.freeze_entries(first, poll.id, option_id, actor="test")
    first.autocommit = False
    queries.draw_winner(first, poll.id, None, number=1, actor="first")
    thread, outcome = call_in_thread(
        lambda: queries.draw_winner(second, poll.id, poll.options[0], number=1, actor="second")
    )
    wait_until_somebody_waits(sql, thread)
    first.commit()
    thread.join()
    assert isinstance(outcome[0], queries.DrawOvertaken)
    assert sql("SELECT drawn_by, option_id FROM polls_draw") == [("first", None)]


def test_vote_under_way_at_closing_is_in_the_draw_among_all(conn, make_poll, vote, sql, connections_to_test_database):
    poll = make_poll(closes_in="300 ms")
    vote(poll, "ann", poll.options[:1])
    late, freezer = connections_to_test_database(), connections_to_test_database()
    late.autocommit = False
    with late.cursor() as cursor:
        cursor.execute(
            "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, 'bob', %s)", [poll.id, poll.options[1:2]]
        )
    sql("SELECT pg_sleep_until(closes_at) FROM polls_poll")
    thread, outcome = call_in_thread(lambda: queries.freeze_entries(freezer, poll.id, None, actor="test"))
    wait_until_somebody_waits(sql, thread)
    late.commit()
    thread.join()
    assert outcome == [None]
    assert len(codes_of(conn, poll)) == 2
