"""Draws among the voters of an option: what the database refuses, races, and the trail."""

import psycopg2
import pytest
from django.core.management import call_command

from polls import draws, queries
from polls.receipts import seal_of
from tests.support.draws import call_in_thread, wait_until_somebody_waits


@pytest.mark.parametrize("window", [{"closes_in": None}, {"closes_in": "1 hour"}, {"archived_at": "2026-01-01"}])
def test_nothing_is_frozen_nor_drawn_before_closing(conn, make_poll, vote, sql, refused, window):
    poll = make_poll(**window | {"archived_at": None})
    vote(poll, "ann", poll.options[:1])
    sql("UPDATE polls_poll SET archived_at = %s", window.get("archived_at"))
    with refused("polls_draw_after_closing"):
        sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[0])
    with pytest.raises(queries.PollNotClosed):
        queries.freeze_entries(conn, poll.id, poll.options[0], actor="test")
    with pytest.raises(queries.PollNotClosed):
        queries.draw_winner(conn, poll.id, poll.options[0], number=1, actor="test")
    assert sql("SELECT id FROM polls_entries") == sql("SELECT id FROM polls_draw") == []


def test_nobody_is_not_drawn(conn, closed_poll):
    poll, other = closed_poll(), closed_poll()
    for option in (poll.options[2], other.options[0], 2**62):
        with pytest.raises(queries.NoEntries):
            queries.freeze_entries(conn, poll.id, option, actor="test")
        with pytest.raises(queries.EntriesNotFrozen):
            queries.draw_winner(conn, poll.id, option, number=1, actor="test")


@pytest.mark.parametrize("reason", ["", " \t"])
def test_second_draw_needs_a_reason(closed_poll, drawn, sql, reason):
    poll = closed_poll()
    first = drawn(poll)
    with pytest.raises(queries.NoReason):
        drawn(poll, 2, reason=reason)
    second = drawn(poll, 2, reason="The winner has moved away")
    assert [first.reason, second.reason] == ["", "The winner has moved away"]
    assert first.secret != second.secret
    assert sql("SELECT count(*) FROM polls_draw") == [(2,)]


@pytest.mark.parametrize("number", [0, 2, 99])
def test_draws_are_numbered_without_gaps(closed_poll, conn, number):
    poll = closed_poll()
    queries.freeze_entries(conn, poll.id, poll.options[0], actor="test")
    with pytest.raises(queries.DrawOvertaken):
        queries.draw_winner(conn, poll.id, poll.options[0], number=number, reason="why", actor="test")


def test_end_of_the_chain_of_secrets_is_never_revealed(closed_poll, drawn, owner_sql):
    poll = closed_poll()
    drawn(poll)
    # 98 more draws, written around the triggers.
    owner_sql("BEGIN")
    owner_sql("SET LOCAL session_replication_role = replica")
    owner_sql(
        "INSERT INTO polls_draw (poll_id, number, option_id, reason, secret, winner, alternates, drawn_at, drawn_by) "
        "SELECT poll_id, n, option_id, 'again', secret, winner, alternates, drawn_at, drawn_by "
        "FROM polls_draw, generate_series(2, 99) AS n"
    )
    owner_sql("COMMIT")
    with pytest.raises(queries.TooManyDraws):
        drawn(poll, 100, reason="again")


@pytest.mark.parametrize(("number", "reason", "rule"), [(100, "again", "most"), (2, "  ", "again_with_reason")])
def test_constraints_hold_even_without_the_triggers(closed_poll, drawn, owner_sql, refused, number, reason, rule):
    drawn(closed_poll())
    owner_sql("SET session_replication_role = replica")
    with refused(f"polls_draw_{rule}"):
        owner_sql(
            "INSERT INTO polls_draw "
            "(poll_id, number, option_id, reason, secret, winner, alternates, drawn_at, drawn_by) "
            "SELECT poll_id, %s, option_id, %s, secret, winner, alternates, drawn_at, drawn_by FROM polls_draw",
            *(number, reason),
        )
    owner_sql("SET session_replication_role = DEFAULT")


@pytest.mark.parametrize(("source", "value"), [("The lottery", ""), ("The lottery", "  "), ("", "4 8 15")])
def test_public_value_is_there_exactly_where_one_was_announced(closed_poll, drawn, source, value):
    poll = closed_poll(draw_source=source)
    with pytest.raises(queries.WrongPublicValue):
        drawn(poll, public_value=value)


def test_entries_are_frozen_before_a_draw(conn, closed_poll):
    poll = closed_poll()
    with pytest.raises(queries.EntriesNotFrozen):
        queries.draw_winner(conn, poll.id, poll.options[0], number=1, actor="test")


def test_what_the_writer_says_of_the_outcome_is_not_believed(closed_poll, drawn, owner_sql):
    poll = closed_poll()
    owner_sql(
        "INSERT INTO polls_entries (poll_id, option_id, codes, hash, frozen_at, frozen_by) "
        "VALUES (%s, %s, 'x', 'x', '2020-01-01', 'nobody')",
        *(poll.id, poll.options[0]),
    )
    owner_sql(
        "INSERT INTO polls_draw (poll_id, number, option_id, secret, winner, alternates, drawn_at, drawn_by) "
        "VALUES (%s, 1, %s, 'x', 'me', '{me}', '2020-01-01', 'nobody')",
        *(poll.id, poll.options[0]),
    )
    call_command("verify_poll", poll.slug)
    assert owner_sql("SELECT drawn_by = 'database user ' || session_user, drawn_at > '2021-01-01' FROM polls_draw") == [
        (True, True)
    ]
    assert owner_sql(
        "SELECT frozen_by = 'database user ' || session_user, frozen_at > '2021-01-01' FROM polls_entries"
    ) == [(True, True)]


@pytest.mark.parametrize("table", ["polls_draw", "polls_entries"])
def test_draw_stays_as_it_is(closed_poll, drawn, owner_sql, refused, table):
    drawn(closed_poll())
    for change in (f"UPDATE {table} SET option_id = option_id", f"DELETE FROM {table}"):
        with refused(f"{table}_append_only"):
            owner_sql(change)


@pytest.mark.parametrize("closes_at", ["now() + interval '1 hour'", "NULL"])
def test_poll_with_frozen_entries_stays_closed(conn, closed_poll, sql, closes_at):
    poll = closed_poll()
    queries.freeze_entries(conn, poll.id, poll.options[0], actor="test")
    with pytest.raises(queries.PollFrozen), queries.translated_errors():
        sql(f"UPDATE polls_poll SET closes_at = {closes_at}")


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_snapshot_that_cannot_see_the_last_votes_is_refused(closed_poll, sql, refused, level):
    poll = closed_poll()
    sql(f"BEGIN ISOLATION LEVEL {level}")
    with refused("polls_draw_read_committed"):
        sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[0])
    sql("ROLLBACK")


def test_of_two_draws_at_once_one_is_made(closed_poll, sql, connections_to_test_database):
    poll = closed_poll()
    first, second = connections_to_test_database(), connections_to_test_database()
    queries.freeze_entries(first, poll.id, poll.options[0], actor="test")
    first.autocommit = False
    queries.draw_winner(first, poll.id, poll.options[0], number=1, actor="first")
    thread, outcome = call_in_thread(
        lambda: queries.draw_winner(second, poll.id, poll.options[0], number=1, actor="second")
    )
    wait_until_somebody_waits(sql, thread)
    first.commit()
    thread.join()
    assert isinstance(outcome[0], queries.DrawOvertaken)
    assert sql("SELECT drawn_by FROM polls_draw") == [("first",)]


def test_of_two_freezings_at_once_one_is_made(closed_poll, sql, connections_to_test_database):
    poll = closed_poll()
    first, second = connections_to_test_database(), connections_to_test_database()
    first.autocommit = False
    queries.freeze_entries(first, poll.id, poll.options[0], actor="first")
    thread, outcome = call_in_thread(lambda: queries.freeze_entries(second, poll.id, poll.options[0], actor="second"))
    wait_until_somebody_waits(sql, thread)
    first.commit()
    thread.join()
    assert outcome == [None]
    assert sql("SELECT frozen_by FROM polls_entries") == [("first",)]
    assert sql("SELECT count(*) FROM polls_event WHERE action = 'entries added'") == [(1,)]


def test_vote_under_way_at_closing_is_in_the_draw(conn, make_poll, vote, sql, connections_to_test_database):
    poll = make_poll(closes_in="300 ms")
    vote(poll, "ann", poll.options[:1])
    late, freezer = connections_to_test_database(), connections_to_test_database()
    late.autocommit = False
    with late.cursor() as cursor:
        cursor.execute(
            "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, 'bob', %s)", [poll.id, poll.options[:1]]
        )
    sql("SELECT pg_sleep_until(closes_at) FROM polls_poll")
    thread, outcome = call_in_thread(lambda: queries.freeze_entries(freezer, poll.id, poll.options[0], actor="test"))
    wait_until_somebody_waits(sql, thread)
    late.commit()
    thread.join()
    assert outcome == [None]
    [frozen] = queries.list_entries(conn, poll.id)
    assert frozen.entries == 2


def test_draws_are_in_the_trail_with_who_drew(closed_poll, drawn, sql):
    drawn(closed_poll())
    assert sql(
        "SELECT action, actor FROM polls_event WHERE action LIKE 'draw%%' OR action LIKE 'entries%%' ORDER BY id"
    ) == [("entries added", "test"), ("draw added", "test")]


def test_entry_codes_of_a_voter_come_in_the_order_of_the_choices(conn, make_poll, vote):
    poll = make_poll(max_choices=2)
    vote(poll, "ann", [poll.options[2], poll.options[0]], seal=seal_of("ann"))
    root = queries.get_secret(conn, poll.slug).root
    assert queries.get_entry_codes(conn, poll.id, ["nobody", "ann"], [seal_of("ann")]) == [
        draws.entry_code(root, poll.options[2], "ann"),
        draws.entry_code(root, poll.options[0], "ann"),
    ]
    assert queries.get_entry_codes(conn, poll.id, [], []) == []
    assert queries.get_entry_codes(conn, poll.id, ["ann"], [seal_of("bob")]) == []


def test_secret_of_another_length_is_refused(make_poll, owner_sql):
    make_poll()
    owner_sql("SET session_replication_role = replica")
    with pytest.raises(psycopg2.errors.CheckViolation):
        owner_sql("UPDATE polls_secret SET secret = 'x', commitment = encode(polls_hash_again('x', 100), 'hex')")
    owner_sql("SET session_replication_role = DEFAULT")
