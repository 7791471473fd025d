"""The threads of the pool, keeper and workers: their end, their successors, and the work that they do."""

import ctypes
import gc
import sys
import threading
import time

import psycopg2
import pytest

from polls.pool import ConnectionPool, task
from polls.pool.keeper import Keeper
from polls.pool.worker import Worker
from tests.support.pool import Bolt, select, use_all
from tests.support.servers import in_thread, wait_until


def test_a_keeper_that_is_ended_comes_back_without_anybodys_help(make_pool, caplog):
    pool = make_pool(1, 2)
    with pool.connection():
        pass
    wait_until(lambda: pool._keeper.ident > 0)
    first = pool._keeper.ident
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(first), ctypes.py_object(SystemExit))
    pool._state.wake.put(None)
    wait_until(lambda: pool._keeper.ident > 0 and (pool._keeper.ident != first or "starts again" in caplog.text))
    conn = pool.getconn()
    del conn
    wait_until(lambda: pool.get_stats()["leaks"] == 1)
    use_all(pool)


def test_a_keeper_struck_before_its_first_line_keeps_nobody_waiting(make_pool, monkeypatch):
    monkeypatch.setattr(Keeper, "run", lambda keeper: None)
    pool = make_pool(1, 1)
    conn = pool.getconn(timeout=5)
    assert pool._keeper.ident == -1
    monkeypatch.undo()
    del conn
    with pool.connection(timeout=5):
        wait_until(lambda: pool._keeper.ident > 0 or pool._keeper.started_s + 1 < time.monotonic())


def test_of_two_keepers_started_at_once_one_goes(make_pool):
    pool = make_pool(1, 1)
    with pool.connection():
        pass
    wait_until(lambda: pool._keeper.ident > 0)
    first = pool._keeper.ident
    pool._keeper.ident = 0
    pool._keeper.ensure()
    wait_until(lambda: first not in sys._current_frames() and pool._keeper.ident > 0)
    use_all(pool)


def test_a_keeper_whose_work_fails_says_so_and_goes_on(make_pool, monkeypatch, caplog):
    def maintain(keeper, stalled_ns):
        monkeypatch.undo()
        raise ValueError("no maintenance")

    pool = make_pool(1, 1)
    with pool.connection():
        pass
    monkeypatch.setattr(Keeper, "maintain", maintain)
    pool._state.wake.put(None)
    wait_until(lambda: "no maintenance" in caplog.text)
    conn = pool.getconn()
    del conn
    use_all(pool)


def test_a_caller_who_waits_does_the_work_of_a_keeper_that_is_dead(make_pool, monkeypatch):
    monkeypatch.setattr(Keeper, "ensure", lambda keeper, closely=False: None)
    pool = make_pool(1, 1)
    conn = pool.getconn()
    del conn
    with pool.connection(timeout=2) as conn:
        assert select(conn) == 1
    assert pool._keeper.ident == 0


def test_a_suspected_connection_that_is_dead_tells_nothing_new(make_pool, server):
    pool = make_pool(2, 2)
    pool.open(wait=True)
    (_, first), (_, second) = pool._state.idle
    first.due_ns = 0
    due = second.due_ns
    server.kill(first.pid)
    pool._state.wake.put(None)
    wait_until(lambda: pool.get_stats()["connections_lost"] == 1)
    assert second.due_ns == due


def test_a_connection_that_does_not_close_is_given_up(make_pool, monkeypatch, server):
    allowed = threading.Event()

    class Stuck(psycopg2.extensions.connection):
        def close(self):
            allowed.wait(10)
            super().close()

    monkeypatch.setitem(task.LIMITS, "closing", 0.1)
    pool = make_pool(1, 1, connection_factory=Stuck)
    conn = pool.getconn()
    pool.putconn(conn, close=True)
    with pool.connection() as other:
        assert other is not conn
        wait_until(lambda: len(server.backends(pool.name)) == 1)
    allowed.set()
    wait_until(lambda: conn.closed)
    use_all(pool)


@pytest.mark.usefixtures("private_server")
def test_a_slot_is_given_up_while_the_server_is_down(make_pool, server):
    pool = make_pool(1, 1, timeout=0.2)
    conn = pool.getconn()
    server.stop()
    try:
        pool.putconn(conn, close=True)
        wait_until(lambda: pool.get_stats()["connections_errors"] > 0)
        assert pool.connecting_fails
    finally:
        server.start()
    use_all(pool)


def test_a_keeper_of_a_pool_that_is_forgotten_has_no_successor():
    pool = ConnectionPool(1, 1)
    keeper, state = pool._keeper, pool._state
    keeper.ensure()
    wait_until(lambda: keeper.ident > 0)
    ident = keeper.ident
    state.minconn = 0
    del pool
    gc.collect()
    wait_until(lambda: ident not in sys._current_frames())
    assert keeper.ident == 0


def test_a_connection_on_its_way_back_is_not_cut(make_pool):
    pool = make_pool(1, 1, max_use=0.02)
    conn = pool.getconn()
    slot = pool._state.lent.pop(id(conn))  # as putconn begins
    time.sleep(0.03)
    pool._state.maintain()
    assert select(conn) == 1
    conn.rollback()
    pool._state.lent[id(conn)] = slot
    pool.putconn(conn)


def test_a_first_connection_to_a_server_that_was_down_brings_it_up(make_pool):
    pool = make_pool(1, 1)
    pool._state.down = True
    with pool.connection():
        assert not pool.connecting_fails


def test_a_worker_that_is_struck_while_it_rests_has_a_successor(make_pool, caplog):
    pool = make_pool(1, 1)
    with pool.connection():
        pass
    [struck] = wait_until(lambda: [member for member in pool._workers.members if not member.is_busy])
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(struck.ident), ctypes.py_object(Bolt))
    pool.drain()
    with pool.connection() as conn:
        assert select(conn) == 1
    assert "a worker of pool" in caplog.text
    assert struck not in pool._workers.members


def take_over(worker, workers):
    """Begin as a worker, and end without saying so."""
    worker.ident = threading.get_ident()


@pytest.mark.parametrize("end", [lambda worker, workers: None, take_over], ids=["before-it-began", "after-it-began"])
def test_workers_that_end_without_saying_so_are_replaced(make_pool, monkeypatch, end):
    pool = make_pool(1, 1)
    with monkeypatch.context() as patch:
        patch.setattr("polls.pool.worker.STARTING", 0.1)
        patch.setattr(Worker, "run", end)
        caller = in_thread(pool.getconn, timeout=10)
        wait_until(lambda: pool._workers.members)
        patch.undo()
        patch.setattr("polls.pool.worker.STARTING", 0.1)
        pool.putconn(caller.get())
    use_all(pool)


class ClosedAtSecondTry(psycopg2.extensions.connection):
    """A connection that fails to close once, after `before`, which has the connection."""

    before = staticmethod(lambda conn: None)
    tries = 0

    def close(self):
        self.tries += 1
        if self.tries == 1:
            self.before(self)
            raise ValueError("not closed")
        super().close()


def test_a_connection_that_fails_to_close_is_closed_again(make_pool, server, monkeypatch, caplog):
    monkeypatch.setattr("polls.pool.state.current_stacks", lambda: None)  # the keeper does not see that it failed
    pool = make_pool(1, 1, connection_factory=ClosedAtSecondTry)
    conn = pool.getconn()
    pool.putconn(conn, close=True)
    wait_until(lambda: conn.closed, 2)
    use_all(pool)
    assert "gives a connection up that was closing" in caplog.text
    assert len(server.backends(pool.name)) == 1


def test_a_connection_that_fails_to_close_after_its_time_is_given_up_once(make_pool, monkeypatch):
    def be_given_up(conn):
        wait_until(lambda: slot not in pool._state.slots)

    monkeypatch.setitem(task.LIMITS, "closing", 0.1)
    pool = make_pool(1, 1, connection_factory=ClosedAtSecondTry)
    conn = pool.getconn()
    conn.before = be_given_up
    [slot] = pool._state.slots
    pool.putconn(conn, close=True)
    with pool.connection() as other:
        assert other is not conn
    wait_until(lambda: not any(member.is_busy for member in pool._workers.members))
    assert conn.tries == 1
    assert pool.get_stats()["pool_size"] == 1
    conn.close()
