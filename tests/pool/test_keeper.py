"""The keeper, the thread that tends the pool: its end, its successor, and the work it does."""

import ctypes
import gc
import threading
import time

import psycopg2

from polls.pool import ConnectionPool, checkout, keeper
from tests.support.pool import Bolt, select, use_all
from tests.support.servers import wait_until


def test_a_keeper_that_is_ended_comes_back_without_anybodys_help(make_pool):
    pool = make_pool(1, 2)
    with pool.connection():
        pass
    first = pool._keeper
    wait_until(lambda: first().thread)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(first().thread), ctypes.py_object(SystemExit))
    pool._wake.put(None)
    wait_until(lambda: pool._keeper is not first)
    conn = pool.getconn()
    del conn
    wait_until(lambda: pool.get_stats()["leaks"] == 1)
    use_all(pool)


def test_a_keeper_struck_before_its_first_line_keeps_nobody_waiting(make_pool, monkeypatch):
    monkeypatch.setattr(keeper, "start_new_thread", lambda run, arguments: None)
    pool = make_pool(1, 1)
    conn = pool.getconn(timeout=5)
    assert pool._keeper() is None
    monkeypatch.undo()
    del conn
    with pool.connection(timeout=5):
        assert pool._keeper() is not None


def test_of_two_keepers_started_at_once_one_goes(make_pool):
    pool = make_pool(1, 1)
    keeper.start_keeper(pool)
    first = pool._keeper
    keeper.start_keeper(pool)
    wait_until(lambda: first() is None)
    assert pool._keeper() is not None
    use_all(pool)


def test_a_keeper_whose_work_fails_says_so_and_goes_on(make_pool, monkeypatch, caplog):
    def tend(pool):
        monkeypatch.undo()
        raise ValueError("no tending")

    pool = make_pool(1, 1)
    with pool.connection():
        pass
    monkeypatch.setattr(keeper, "tend", tend)
    pool._wake.put(None)
    wait_until(lambda: "no tending" in caplog.text)
    conn = pool.getconn()
    del conn
    use_all(pool)


def test_a_caller_who_waits_does_the_work_of_a_keeper_that_is_dead(make_pool, monkeypatch):
    monkeypatch.setattr(checkout, "ensure_keeper", lambda pool: None)
    pool = make_pool(1, 1)
    conn = pool.getconn()
    del conn
    with pool.connection(timeout=2) as conn:
        assert select(conn) == 1
    assert pool._keeper() is None


def test_a_suspected_connection_that_is_dead_tells_nothing_new(make_pool, server):
    pool = make_pool(2, 2)
    pool.open(wait=True)
    (_, first), (_, second) = pool._idle
    first.due_ns = 0
    due = second.due_ns
    server.kill(first.pid)
    pool._wake.put(None)
    wait_until(lambda: pool.get_stats()["connections_lost"] == 1)
    assert second.due_ns == due


def test_a_connection_that_does_not_close_is_given_up(make_pool, monkeypatch, server):
    allowed = threading.Event()

    class Stuck(psycopg2.extensions.connection):
        def close(self):
            allowed.wait(10)
            super().close()

    monkeypatch.setitem(keeper.LIMITS_NS, "closing", 100_000_000)
    pool = make_pool(1, 1, connection_factory=Stuck)
    conn = pool.getconn()
    pool.putconn(conn, close=True)
    with pool.connection() as other:
        assert other is not conn
        wait_until(lambda: len(server.backends(pool._options.name)) == 1)
    allowed.set()
    wait_until(lambda: conn.closed)
    use_all(pool)


def test_a_slot_is_given_up_while_the_server_is_down(make_pool, server):
    pool = make_pool(1, 1, timeout=0.2)
    conn = pool.getconn()
    server.stop()
    try:
        pool._down = True
        pool.putconn(conn, close=True)
        wait_until(lambda: pool.get_stats()["connections_errors"] > 0)
        assert pool._prober in pool._slots
    finally:
        server.start()
    use_all(pool)


def test_a_keeper_struck_after_its_pool_is_forgotten_has_no_successor():
    class Struck:
        def get(self, timeout):
            raise Bolt

    pool = ConnectionPool(1, 1)
    orphan = keeper.Keeper(pool)
    orphan.wake = Struck()
    del pool
    gc.collect()
    orphan.run()


def test_a_connection_on_its_way_back_is_not_cut(make_pool):
    pool = make_pool(1, 1, max_use=0.05)
    conn = pool.getconn()
    slot = pool._out.pop(id(conn))  # as putconn begins
    time.sleep(0.06)
    keeper.tend(pool)
    assert select(conn) == 1
    conn.rollback()
    pool._out[id(conn)] = slot
    pool.putconn(conn)


def test_a_first_connection_to_a_server_that_was_down_is_the_probers(make_pool):
    pool = make_pool(1, 1)
    pool._down = True
    with pool.connection():
        assert not pool._down
