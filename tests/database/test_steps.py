"""Steps: while few have voted in an anonymous poll, counts change by five votes at least, also in a race."""

import threading
from contextlib import closing

import pytest
from django.core.management import call_command

from polls import audit, queries
from polls.database import connect
from tests.support.servers import wait_until

WAITING = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def poll(make_poll):
    return make_poll(audience="account", changeable=True)


def steps(sql):
    return sql("SELECT voters, votes FROM polls_step ORDER BY voters")


def cast(vote, poll, first, last, choice=0):
    for number in range(first, last):
        vote(poll, f"v{number}", poll.options[choice : choice + 1])


def test_step_is_taken_after_five_more_votes_and_no_sooner(conn, poll, vote, sql):
    for number in range(1, 13):
        cast(vote, poll, number, number + 1)
        queries.take_steps(conn, [poll.id])
    assert steps(sql) == [(5, {str(poll.options[0]): 5}), (10, {str(poll.options[0]): 10})]


def test_step_that_is_late_holds_all_votes_and_the_next_is_five_later(conn, poll, vote, sql):
    cast(vote, poll, 0, 8)
    queries.take_steps(conn, [poll.id])
    cast(vote, poll, 8, 12)
    queries.take_steps(conn, [poll.id])
    assert [voters for voters, _ in steps(sql)] == [8]


def test_reading_says_that_a_step_is_due_and_writes_nothing(conn, poll, vote, sql):
    cast(vote, poll, 0, 5)
    before = queries.get_results(conn, poll.slug)
    assert (before.in_steps, before.step_due, before.voter_count) == (True, True, 0)
    queries.take_steps(conn, [poll.id])
    after = queries.get_results(conn, poll.slug)
    assert (after.in_steps, after.step_due, after.voter_count) == (True, False, 5)


def test_nothing_is_said_of_steps_to_who_may_not_see_counts(conn, make_poll, vote):
    poll = make_poll(audience="account", results="owner")
    cast(vote, poll, 0, 5)
    seen = queries.get_results(conn, poll.slug)
    assert (seen.visible, seen.in_steps, seen.step_due) == (False, False, False)


def test_changes_and_withdrawals_bring_no_step(conn, poll, vote, sql):
    cast(vote, poll, 0, 5)
    queries.take_steps(conn, [poll.id])
    taken = steps(sql)
    for _ in range(6):
        sql("DELETE FROM polls_vote WHERE voter = 'v0'")
        vote(poll, "v0", poll.options[1:2])
        sql("UPDATE polls_vote SET choices = %s WHERE voter = 'v1'", poll.options[2:])
        queries.take_steps(conn, [poll.id])
    assert steps(sql) == taken


def test_steps_of_many_readers_at_once_are_five_votes_apart(poll, vote, sql, connections_to_test_database):
    def read(conn):
        for _ in range(60):
            queries.take_steps(conn, [poll.id])

    readers = [threading.Thread(target=read, args=(connections_to_test_database(),)) for _ in range(4)]
    for reader in readers:
        reader.start()
    cast(vote, poll, 0, 40)
    for reader in readers:
        reader.join(timeout=60)
    taken = [voters for voters, _ in steps(sql)]
    assert taken
    assert all(later - earlier >= 5 for earlier, later in zip([0, *taken], taken, strict=False))
    assert all(votes == {str(poll.options[0]): voters} for voters, votes in steps(sql))


def test_vote_under_way_is_waited_for(conn, poll, vote, sql, connections_to_test_database):
    cast(vote, poll, 0, 4)
    voting, reading = connections_to_test_database(), connections_to_test_database()
    voting.autocommit = False
    with voting.cursor() as cursor:
        cursor.execute(
            "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, 'slow', %s)", [poll.id, poll.options[:1]]
        )
    reader = threading.Thread(target=queries.take_steps, args=(reading, [poll.id]))
    reader.start()
    wait_until(lambda: sql(WAITING))
    voting.commit()
    reader.join(timeout=20)
    assert [voters for voters, _ in steps(sql)] == [5]


def test_steps_are_written_by_counting_only(poll, vote, sql, owner_sql, refused):
    cast(vote, poll, 0, 5)
    owner_sql("INSERT INTO polls_step (poll_id, voters, votes) VALUES (%s, 99, '{}')", poll.id)
    assert steps(sql) == [(5, {str(poll.options[0]): 5})]
    for statement in ("UPDATE polls_step SET voters = 4", "DELETE FROM polls_step"):
        with refused("polls_step_append_only"):
            owner_sql(statement)


def test_poll_that_begins_anew_begins_without_steps(conn, poll, vote, sql):
    cast(vote, poll, 0, 5)
    queries.take_steps(conn, [poll.id])
    sql("DELETE FROM polls_vote")
    sql("INSERT INTO polls_option (poll_id, text, position) VALUES (%s, 'New', 9)", poll.id)
    assert steps(sql) == []
    assert queries.get_results(conn, poll.slug).voter_count == 0
    cast(vote, poll, 0, 5, choice=1)
    queries.take_steps(conn, [poll.id])
    assert steps(sql) == [(5, {str(poll.options[0]): 0, str(poll.options[1]): 5})]


def test_poll_that_is_deleted_takes_its_steps_along(conn, poll, vote, sql):
    cast(vote, poll, 0, 5)
    queries.take_steps(conn, [poll.id])
    sql("DELETE FROM polls_vote")
    queries.delete_poll(conn, poll.slug, queries.Actor(0, True, "staff"))
    assert steps(sql) == []


@pytest.mark.parametrize("columns", [{"audience": "account"}, {"audience": "invite", "results": "closed"}])
def test_audit_of_a_poll_in_steps_finds_no_difference(make_poll, vote, columns, django_user_model):
    poll = make_poll(owner_id=django_user_model.objects.create_user("owner").pk, **columns)
    cast(vote, poll, 0, 7)
    with closing(connect("verify")) as conn:
        assert audit.verify(conn, poll.slug, lambda number: None).differences == []


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("audience", ["link", "account", "invite"])
def test_what_is_shown_of_a_secret_ballot_is_fixed_by_its_first_vote(make_poll, vote, sql, refused, audience, named):
    poll = make_poll(audience=audience, named=named, results="closed")
    sql("UPDATE polls_poll SET results = 'always'")
    sql("UPDATE polls_poll SET results = 'closed'")
    vote(poll, "ann", poll.options[:1])
    sql("UPDATE polls_poll SET results = 'owner'")
    if (audience, named) == ("invite", False):
        with refused("polls_poll_secret"):
            sql("UPDATE polls_poll SET results = 'voted'")
        sql("UPDATE polls_poll SET closes_at = now()")
    sql("UPDATE polls_poll SET results = 'voted'")


def test_first_vote_under_way_fixes_what_is_shown(make_poll, sql, connections_to_test_database):
    poll = make_poll(audience="invite", results="closed")
    voting, editing = connections_to_test_database(), connections_to_test_database()
    voting.autocommit = False
    with voting.cursor() as cursor:
        cursor.execute(
            "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, 'ann', %s)", [poll.id, poll.options[:1]]
        )
    raised = []

    def edit():
        try:
            queries.edit_visibility(
                editing, poll.slug, queries.Actor(0, True, "staff", True), results="always", listed=True
            )
        except queries.ResultsFixed as error:
            raised.append(error)

    editor = threading.Thread(target=edit)
    editor.start()
    wait_until(lambda: sql(WAITING))
    voting.commit()
    editor.join(timeout=20)
    assert raised
    assert sql("SELECT results FROM polls_poll") == [("closed",)]


def test_migration_is_reversed_and_polls_go_on(conn, poll, vote, sql, owner_sql):
    cast(vote, poll, 0, 6)
    queries.take_steps(conn, [poll.id])
    votes = sql("SELECT * FROM polls_vote ORDER BY id")
    try:
        call_command("migrate", "polls", "0009", verbosity=0)
        # As the owner: before the last migration, a role that owns nothing can write no votes and no events.
        owner_sql("UPDATE polls_poll SET results = 'closed'")
        owner_sql("INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, 'late', %s)", poll.id, poll.options[:1])
    finally:
        call_command("migrate", "polls", verbosity=0)
    assert sql("SELECT * FROM polls_vote ORDER BY id LIMIT 6") == votes
    queries.take_steps(conn, [poll.id])
    assert steps(sql) == [(7, {str(poll.options[0]): 7})]
