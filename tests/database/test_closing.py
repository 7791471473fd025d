"""Closing a poll under load: no vote is counted after the published count."""

import contextlib
import threading

import psycopg2
import pytest

CLOSES = 10
VOTERS = 8


@pytest.mark.slow
def test_no_vote_is_counted_after_the_published_count(connections_to_test_database, make_poll, sql):
    for _ in range(CLOSES):
        poll = make_poll()
        enough = threading.Semaphore(0)
        refused = threading.Barrier(VOTERS + 1, timeout=30)

        def vote_until_refused(conn, name, poll=poll, enough=enough, refused=refused):
            number = 0
            with conn.cursor() as cursor, contextlib.suppress(psycopg2.errors.CheckViolation):
                while True:
                    cursor.execute(
                        "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, %s, %s)",
                        [poll.id, f"{name}-{number}", [poll.options[number % 3]]],
                    )
                    number += 1
                    enough.release()
            refused.wait()

        threads = [
            threading.Thread(target=vote_until_refused, args=(connections_to_test_database(), f"voter-{n}"))
            for n in range(VOTERS)
        ]
        for thread in threads:
            thread.start()
        for _ in range(20 * VOTERS):
            assert enough.acquire(timeout=30)

        sql("UPDATE polls_poll SET closes_at = clock_timestamp() WHERE id = %s", poll.id)
        [(published,)] = sql("SELECT sum(votes)::int FROM polls_tally WHERE poll_id = %s", poll.id)

        refused.wait()
        for thread in threads:
            thread.join()
        [(counted, late)] = sql(
            "SELECT count(*)::int, count(*) FILTER (WHERE cast_at >= closes_at)::int "
            "FROM polls_vote JOIN polls_poll AS poll ON poll.id = poll_id WHERE poll_id = %s",
            poll.id,
        )
        assert published >= 20 * VOTERS
        assert (counted, late) == (published, 0)
