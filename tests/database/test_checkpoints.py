"""Checkpoints: what their hashes are made of, when they are taken, and that votes do not wait for them."""

import logging
import os
import subprocess
import sys
import threading
import time

import psycopg2
import pytest

from polls import audit, checkpoints, queries
from polls.checkpoints import CheckpointTaker
from polls.database import connect
from tests.support.checkpoints import leaf_of, lines_between, link_of, sha256
from tests.support.paths import BASE_DIR
from tests.support.servers import wait_until
from tests.support.site import database_url

ROWS = (
    "SELECT number, upto, closing, content_hash, option_ids, hash, entries, "
    "to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') "
    "FROM polls_checkpoint WHERE poll_id = %s ORDER BY number"
)


def differences(slug):
    conn = connect("verify")
    try:
        return audit.verify(conn, slug, lambda number: None).differences
    finally:
        conn.close()


def test_checkpoint_is_the_hash_of_the_one_before_and_of_question_and_votes(make_poll, vote, sql, take, close, often):
    poll = make_poll(changeable=True)
    for voter in "abc":
        vote(poll, voter, poll.options[:1])
    assert take(poll)
    sql("UPDATE polls_vote SET choices = %s WHERE voter = 'a'", poll.options[1:2])
    sql("DELETE FROM polls_vote WHERE voter = 'b'")
    assert take(poll)
    close(poll)
    assert take(poll)
    link, after = sha256(poll.slug.encode()), 0
    rows = sql(ROWS, poll.id)
    assert [(row[2], row[6]) for row in rows] == [(False, 3), (False, 3), (True, 0)]
    for number, upto, closing, content, options, digest, entries, at in rows:
        assert options == poll.options
        lines = lines_between(sql, poll, after, upto)
        assert len(lines) == entries
        link, after = link_of(link, number, at, closing, content, options, lines), upto
        assert digest == link.hex()
    assert differences(poll.slug) == []


def test_leaf_is_computed_from_seal_and_choices(make_poll, vote, sql):
    poll = make_poll(max_choices=3)
    vote(poll, "ann", [poll.options[2], poll.options[0]])
    [(seal, choices, leaf)] = sql("SELECT seal, choices, added FROM polls_vote JOIN polls_journal USING (poll_id)")
    assert bytes(leaf) == leaf_of(bytes(seal), choices)


def test_vote_from_before_there_were_receipts_has_a_leaf(make_poll, vote, behind, sql, take, close):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    behind("UPDATE polls_vote SET seal = NULL")
    behind("UPDATE polls_journal SET added = (SELECT polls_leaf(poll_id, voter, seal, choices) FROM polls_vote)")
    [(secret,)] = sql("SELECT secret FROM polls_secret")
    [(leaf,)] = sql("SELECT added FROM polls_journal")
    assert bytes(leaf) == leaf_of(sha256(bytes(secret) + b"ann"), poll.options[:1])
    close(poll)
    assert take(poll)
    assert differences(poll.slug) == []


def test_nothing_new_is_no_checkpoint(make_poll, vote, take, close, often):
    poll = make_poll()
    assert take(poll) is None
    vote(poll, "ann", poll.options[:1])
    assert take(poll)
    assert take(poll) is None
    close(poll)
    assert take(poll)
    assert take(poll) is None


def test_poll_without_votes_has_no_checkpoint(make_poll, take):
    assert take(make_poll(opens_in="-2 hours", closes_in="-1 hour")) is None


def test_open_poll_has_one_checkpoint_in_a_minute_and_a_closed_one_its_last_at_once(make_poll, vote, take, close, sql):
    while time.time() % 60 > 50:
        time.sleep(1)
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    assert take(poll)
    vote(poll, "bob", poll.options[:1])
    assert take(poll) is None
    close(poll)
    assert take(poll)
    assert sql("SELECT number, closing, entries FROM polls_checkpoint ORDER BY number") == [(1, False, 1), (2, True, 1)]


def test_minute_is_that_of_the_clock(sql):
    late, early = "date_trunc('minute', clock_timestamp()) - interval '1 second'", "clock_timestamp()"
    assert sql(f"SELECT polls_checkpoint_due({late}), polls_checkpoint_due({early})") == [(True, False)]


def test_reopened_poll_goes_on_with_its_chain(make_poll, vote, take, close, sql, often):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    close(poll)
    assert take(poll)
    sql("UPDATE polls_poll SET closes_at = NULL")
    assert take(poll) is None
    vote(poll, "bob", poll.options[:1])
    assert take(poll)
    close(poll)
    assert take(poll)
    assert sql("SELECT closing FROM polls_checkpoint ORDER BY number") == [(True,), (False,), (True,)]
    assert differences(poll.slug) == []


def test_checkpoints_of_two_polls_have_nothing_to_do_with_each_other(make_poll, vote, take, sql):
    poll, other = make_poll(), make_poll()
    vote(poll, "ann", poll.options[:1])
    vote(other, "ann", other.options[:1])
    vote(poll, "bob", poll.options[:1])
    assert take(other)
    assert take(poll)
    assert sql("SELECT poll_id, number, entries FROM polls_checkpoint ORDER BY entries") == [
        (other.id, 1, 1),
        (poll.id, 1, 2),
    ]
    assert differences(poll.slug) == differences(other.slug) == []


def test_where_choices_become_public_a_vote_is_never_alone_in_a_batch(make_poll, vote, take, close, sql, often):
    """Otherwise anyone who saw Ann vote at noon would find her choice in the batch of noon."""
    poll = make_poll(recountable=True, changeable=True)
    for number in range(39):
        vote(poll, f"voter-{number}", poll.options[:1])
        assert take(poll) is None
    for number in range(40):  # a voter is no company of their own
        sql("UPDATE polls_vote SET choices = %s WHERE voter = 'voter-0'", [poll.options[number % 2]])
    assert take(poll) is None
    vote(poll, "voter-39", poll.options[:1])
    assert take(poll)
    for number in range(40, 59):
        vote(poll, f"voter-{number}", poll.options[:1])
        assert take(poll) is None
    close(poll)
    assert take(poll)
    [(first, *_), (last, *_)] = sql("SELECT entries FROM polls_checkpoint ORDER BY number")
    assert first >= 20
    assert last >= 20
    assert differences(poll.slug) == []


def test_checkpoint_needs_a_fresh_look_at_the_votes(conn, make_poll, vote):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    conn.autocommit = False
    conn.set_session(isolation_level="REPEATABLE READ")
    with pytest.raises(psycopg2.IntegrityError, check=lambda e: "read_committed" in e.diag.constraint_name):
        queries.take_checkpoint(conn, poll.slug)
    conn.rollback()


def test_votes_do_not_wait_while_a_checkpoint_is_computed(connections_to_test_database, make_poll, vote, sql):
    """As long as its transaction is open, no one knows whether it has been computed."""
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    taking = connections_to_test_database()
    taking.autocommit = False
    assert queries.take_checkpoint(taking, poll.slug).number == 1
    sql("SET lock_timeout = '5s'")
    vote(poll, "bob", poll.options[:1])
    taking.commit()
    assert sql("SELECT entries FROM polls_checkpoint") == [(1,)]
    assert differences(poll.slug) == []


def test_checkpoint_does_not_wait_long_for_a_vote_under_way(connections_to_test_database, make_poll, sql, take):
    """While it waits, other votes would wait behind it."""
    poll = make_poll()
    voting = connections_to_test_database()
    voting.autocommit = False
    write = "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, 'ann', %s)"
    voting.cursor().execute(write, [poll.id, poll.options[:1]])
    begun = time.monotonic()
    assert take(poll) is None
    assert 0.1 < time.monotonic() - begun < 5
    voting.commit()
    assert take(poll)


def test_two_checkpoints_at_once_are_one(connections_to_test_database, make_poll, vote, close, sql):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    close(poll)
    first = connections_to_test_database()
    first.autocommit = False
    assert queries.take_checkpoint(first, poll.slug)
    outcome = []
    second = connections_to_test_database()
    thread = threading.Thread(target=lambda: outcome.append(queries.take_checkpoint(second, poll.slug)))
    thread.start()
    wait_until(lambda: sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(1,)])
    first.commit()
    thread.join(10)
    assert outcome == [None]


def test_no_vote_is_lost_between_two_checkpoints(connections_to_test_database, make_poll, often, close, sql):
    poll = make_poll(changeable=True)
    cut = connections_to_test_database()
    ended = threading.Event()

    def cast(conn, who):
        for number in range(30):
            with conn.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, %s, %s) ON CONFLICT (poll_id, voter) "
                    "DO UPDATE SET choices = excluded.choices",
                    [poll.id, f"{who}-{number % 20}", [poll.options[number % 3]]],
                )

    taken = []

    def take():
        while not ended.is_set():
            taken.append(queries.take_checkpoint(cut, poll.slug))

    voters = [threading.Thread(target=cast, args=(connections_to_test_database(), who)) for who in range(16)]
    taker = threading.Thread(target=take)
    for thread in (taker, *voters):
        thread.start()
    for thread in voters:
        thread.join(60)
    ended.set()
    taker.join(60)
    close(poll)
    assert queries.take_checkpoint(cut, poll.slug)
    assert len(list(filter(None, taken))) > 5
    assert differences(poll.slug) == []
    [(entries, pairs)] = sql(
        "SELECT (SELECT sum(entries) FROM polls_checkpoint), sum(num_nonnulls(added, removed)) FROM polls_journal"
    )
    assert entries == pairs
    assert sql("SELECT count(*) FROM polls_vote") == [(16 * 20,)]


# The thread


@pytest.fixture
def taker(transactional_db):
    return CheckpointTaker()


def test_thread_takes_what_was_noted_and_keeps_what_is_too_early(taker, make_poll, vote, sql):
    poll, unnoted = make_poll(), make_poll()
    vote(poll, "ann", poll.options[:1])
    vote(unnoted, "ann", unnoted.options[:1])
    taker._noted.add(poll.slug)
    taker.take()
    assert sql("SELECT poll_id FROM polls_checkpoint") == [(poll.id,)]
    taker.take()
    vote(poll, "bob", poll.options[:1])
    taker._noted.add(poll.slug)
    taker.take()  # within the same minute, most of the time
    sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
    taker.take()
    assert sql("SELECT count(*) FROM polls_checkpoint WHERE closing") == [(2,)]


def test_what_a_process_left_undone_another_one_does(make_poll, vote, sql, taker):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    taker.take(every=True)
    assert sql("SELECT number, entries FROM polls_checkpoint") == [(1, 1)]


def test_thread_says_once_that_the_database_is_away_and_tries_again(taker, make_poll, vote, sql, caplog, monkeypatch):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    taker._noted.add(poll.slug)

    def away():
        raise psycopg2.OperationalError("server closed the connection\nunexpectedly")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "polls.checkpoints"):
        patch.setattr(checkpoints, "pool", away)
        taker.take()
        taker.take()
    assert [record.getMessage() for record in caplog.records] == [
        "no checkpoints can be taken at present: server closed the connection"
    ]
    taker.take()
    assert sql("SELECT count(*) FROM polls_checkpoint") == [(1,)]


def test_forked_child_has_a_thread_of_its_own_and_the_end_stops_it(transactional_db, make_poll, vote, sql, tmp_path):
    poll, other = make_poll(), make_poll()
    vote(poll, "ann", poll.options[:1])
    vote(other, "ann", other.options[:1])
    code = f"""
import os, sys, time, django
django.setup()
from polls import checkpoints
checkpoints.until_next_minute = lambda: 0.1
take = checkpoints.CheckpointTaker.take
# Without the look at all open polls, in which one process would do the work of both.
checkpoints.CheckpointTaker.take = lambda taker, every: take(taker)
checkpoints.note_vote({poll.slug!r})
child = os.fork()
if not child:
    checkpoints.note_vote({other.slug!r})
    time.sleep(60)
print(child, flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "pollsite.settings",
            "DATABASE_URL": database_url(),
            "POOL_STATE_DIR": str(tmp_path / "state"),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    child = int(process.stdout.readline())
    wait_until(lambda: sql("SELECT count(*) FROM polls_checkpoint") == [(2,)], timeout=30)
    os.kill(child, 9)
    begun = time.monotonic()
    _, complaints = process.communicate(timeout=20)
    assert (process.returncode, complaints) == (0, "")
    assert time.monotonic() - begun < 10
