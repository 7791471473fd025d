"""Statistics, histograms and status of the pool, its waiters, its repr and its log."""

import inspect
import logging
import threading

import pytest

from polls.pool import PoolTimeout
from polls.pool.borrower import Borrower
from tests.support.pool import select
from tests.support.servers import in_thread, wait_until


def test_statistics_have_all_keys_from_the_start(make_pool):
    from polls.pool import PoolStats

    pool = make_pool(1, 2)
    assert set(pool.get_stats()) == set(PoolStats.__annotations__)
    assert all(isinstance(value, int | float) for value in pool.get_stats().values())


def test_statistics_are_exact(make_pool):
    pool = make_pool(1, 2)
    for _ in range(3):
        with pool.connection():
            pass
    both = [pool.getconn(), pool.getconn()]
    with pytest.raises(PoolTimeout):
        in_thread(pool.getconn, timeout=0.05).get()
    stats = pool.get_stats()
    assert stats["requests_num"] == 6
    assert stats["requests_errors"] == 1
    assert stats["connections_num"] == stats["pool_size"] == 2
    assert stats["pool_available"] == stats["requests_waiting"] == 0
    assert 0 < stats["usage_ms"] < 5000
    assert stats["requests_wait_ms"] >= 50
    for conn in both:
        pool.putconn(conn)
    assert pool.get_stats()["pool_available"] == 2


def test_popped_statistics_start_again(make_pool):
    pool = make_pool()
    with pool.connection():
        pass
    assert pool.pop_stats()["requests_num"] == 1
    stats = pool.get_stats()
    assert (stats["requests_num"], stats["usage_ms"], stats["connections_num"], stats["pool_size"]) == (0, 0, 0, 1)


def test_how_long_the_first_has_waited_is_known(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    waiting = in_thread(pool.getconn)
    wait_until(lambda: pool.get_stats()["oldest_wait_ms"] > 10)
    pool.putconn(conn)
    pool.putconn(waiting.get())
    assert pool.get_stats()["oldest_wait_ms"] == 0


def test_status_has_a_row_for_each_connection(make_pool):
    pool = make_pool(0, 2)
    conn, idle = pool.getconn(), pool.getconn()
    pool.putconn(idle)
    mine, other = pool.status()
    assert mine["backend_pid"] == conn.info.backend_pid
    assert mine["state"] == "in use"
    assert mine["thread"] == threading.current_thread().name
    assert mine["taken"].startswith(__file__)
    assert mine["held_ms"] > 0 < mine["age_ms"]
    assert mine["uses"] == 1
    assert (other["state"], other["held_ms"], other["thread"], other["taken"]) == ("idle", None, None, None)
    pool.putconn(conn)


def test_the_place_is_that_of_the_with_statement(make_pool):
    pool = make_pool()
    with pool.connection():
        line = inspect.currentframe().f_lineno - 1
        assert pool.status()[0]["taken"] == f"{__file__}:{line}"


def test_a_thread_that_ended_is_still_told(make_pool):
    pool = make_pool()
    conn = in_thread(pool.getconn).get()
    assert "ended thread" in pool.status()[0]["thread"]
    pool.putconn(conn)


def test_a_borrower_without_a_place_has_none():
    assert Borrower(None, None, 0, 0).place() == "nowhere"


def test_repr_shows_the_state(make_pool):
    pool = make_pool(1, 3)
    assert "open: 0 idle of 0, max 3, 0 waiting" in repr(pool)
    conn = pool.getconn()
    assert "open: 0 idle of 1, max 3, 0 waiting" in repr(pool)
    pool.putconn(conn)
    pool.close()
    assert "closed: 0 idle of 0" in repr(pool)


def test_nothing_is_logged_per_checkout(make_pool, caplog):
    caplog.set_level(logging.DEBUG, "polls.pool")
    pool = make_pool()
    for _ in range(10):
        with pool.connection() as conn:
            select(conn)
    assert caplog.records == []


def test_histograms_count_every_wait_use_and_connect(make_pool):
    pool = make_pool(1, 1)
    for _ in range(3):
        with pool.connection() as conn:
            select(conn)
    before = pool.get_histograms()
    assert (sum(before["wait"]), sum(before["use"]), sum(before["connect"])) == (3, 3, 1)
    assert before["wait"][0] == 2  # all but the first were served at once
    with pool.connection():
        waiting = in_thread(pool.getconn)
        wait_until(pool.get_waiters)
    pool.putconn(waiting.get())
    after = pool.get_histograms()
    assert (sum(after["wait"]), sum(after["use"]), sum(after["connect"])) == (5, 5, 1)
    pool.drain()
    wait_until(lambda: pool.get_stats()["connections_num"] == 2)
    assert sum(wait_until(lambda: pool.get_histograms())["use"]) == 5  # closed connections stay counted


def test_waiters_are_told_with_thread_and_place(make_pool):
    pool = make_pool(1, 1)
    with pool.connection():
        assert pool.get_waiters() == []
        waiting = in_thread(pool.getconn)
        [row] = wait_until(pool.get_waiters)
        assert row["taken"].split(":")[0].endswith("servers.py")
        assert row["thread"] == waiting.thread.name
        assert row["waited_ms"] > 0
    pool.putconn(waiting.get())
    assert pool.get_waiters() == []


def test_statistics_are_told_although_the_thread_that_was_to_finish_them_does_not_go_on(make_pool):
    pool = make_pool(1, 1)
    with pool.connection():
        pass
    with pool._state.lock:
        pool._state.moving += 1  # as while a slot hands its numbers over
        assert pool.get_stats()["requests_num"] == 1
        pool._state.moving += 1


def test_the_limit_of_a_leak_is_told(make_pool):
    assert make_pool(leak_after=7).leak_after == 7
