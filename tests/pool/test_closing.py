"""Closing the pool while callers wait, queries run, and connections are borrowed."""

import threading
import time
from pathlib import Path

import psycopg2
import pytest

from polls.pool import PoolClosed
from tests.support.pool import select
from tests.support.servers import in_thread, wait_until


def test_a_closed_pool_is_empty_and_refuses(make_pool, server):
    pool = make_pool(2, 4)
    pool.open(wait=True)
    pool.close()
    assert pool.closed
    assert server.backends(pool.name) == []
    for call in (pool.getconn, pool.open, pool.wait, pool.closeall):
        with pytest.raises(PoolClosed):
            call()
    pool.close()


def test_a_pool_never_used_is_closed_at_once(make_pool):
    pool = make_pool(2, 4)
    pool.close()
    with pytest.raises(PoolClosed):
        pool.getconn()


def test_callers_who_wait_are_told_at_once(make_pool, monkeypatch):
    monkeypatch.setattr("polls.pool.pool.SLICE", 20)  # too long for callers to do the work of the keeper
    pool = make_pool(1, 1)
    conn = pool.getconn()
    caller = in_thread(pool.getconn, timeout=30)
    wait_until(lambda: pool.get_stats()["requests_waiting"] == 1)
    closing = in_thread(pool.close, 20)
    with pytest.raises(PoolClosed):
        caller.get(4)
    assert closing.thread.is_alive()
    pool.putconn(conn)
    closing.get(4)


def test_whoever_waits_for_the_pool_to_fill_is_told_too(make_pool):
    allowed = threading.Event()

    def connect(*args, **kwargs):
        assert allowed.wait(10)
        return psycopg2.connect(*args, **kwargs)

    pool = make_pool(1, 1, connect=connect)
    waiting = in_thread(pool.wait)
    wait_until(lambda: pool.get_stats()["pool_size"] == 1)
    pool.close(0)
    with pytest.raises(PoolClosed):
        waiting.get(4)
    allowed.set()
    wait_until(lambda: pool.get_stats()["pool_size"] == 0)


def test_borrowers_may_finish(make_pool, server):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    closing = in_thread(pool.close, 20)
    wait_until(lambda: pool.closed)
    assert select(conn) == 1
    conn.commit()
    pool.putconn(conn)
    closing.get(4)
    assert server.backends(pool.name) == []


def test_queries_that_do_not_end_in_time_are_cancelled(make_pool, server):
    pool = make_pool(1, 1)

    def query():
        with pool.connection() as conn:
            select(conn, "SELECT pg_sleep(30)")

    borrower = in_thread(query)
    wait_until(lambda: server.is_busy(pool.name))
    started = time.monotonic()
    pool.close(0.1)
    assert time.monotonic() - started < 5
    with pytest.raises(psycopg2.errors.QueryCanceled):
        borrower.get(4)
    wait_until(lambda: server.backends(pool.name) == [])  # the canceller's ends a moment later


def test_a_late_return_closes_quietly(make_pool, server, monkeypatch, caplog):
    monkeypatch.setattr("polls.pool.pool.CANCEL_LIMIT", 0.1)
    pool = make_pool(1, 1)
    conn = pool.getconn()
    pool.close(0)
    assert "as they are returned" in caplog.text
    pool.putconn(conn)
    wait_until(lambda: pool.get_stats()["pool_size"] == 0)
    assert server.backends(pool.name) == []


def test_a_return_in_the_moment_of_closing_is_closed_too(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    slot = pool._state.lent.pop(id(conn))
    pool._state.closed = True  # as between the check in putconn and its append
    pool._state.idle.append((conn, slot))
    pool._do(pool._state.serve_queue)
    wait_until(lambda: pool.get_stats()["pool_size"] == 0)


@pytest.mark.usefixtures("private_server")
def test_a_server_that_is_gone_delays_closing_by_little(make_pool, server):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    server.stop()
    try:
        closing = in_thread(pool.close, 0.1)
        closing.get()
        assert closing.seconds < 1
        pool.putconn(conn)
    finally:
        server.start()


@pytest.mark.usefixtures("private_server")
def test_a_query_that_cannot_be_cancelled_is_told(make_pool, server, caplog):
    pool = make_pool(1, 1)
    query = in_thread(lambda: run_in(pool, "SELECT pg_sleep(1)"))
    wait_until(lambda: server.is_busy(pool.name))
    [socket] = Path(psycopg2.extensions.parse_dsn(server.dsn())["host"]).glob(".s.PGSQL.*[0-9]")
    away = socket.rename(socket.with_suffix(".away"))
    try:
        pool.close(0)
    finally:
        away.rename(socket)
    assert "cannot cancel" in caplog.text
    query.get()


def run_in(pool, statement):
    with pool.connection() as conn:
        return select(conn, statement)


def test_closeall_waits_for_nobody(make_pool, server):
    pool = make_pool(2, 2)
    conn = pool.getconn()
    borrower = in_thread(select, conn, "SELECT pg_sleep(30)")
    wait_until(lambda: server.is_busy(pool.name))
    started = time.monotonic()
    pool.closeall()
    assert time.monotonic() - started < 5
    with pytest.raises(psycopg2.Error):
        borrower.get(4)
    pool.putconn(conn)
    wait_until(lambda: server.backends(pool.name) == [])
