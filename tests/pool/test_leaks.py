"""Leaks: connections that borrowers hold for long or drop, and pools that are dropped."""

import gc
import sys
import time
import weakref

import pytest
from psycopg2.pool import PoolError

from polls.pool import ConnectionPool, PoolTimeout
from tests.support.pool import select, use_all
from tests.support.servers import in_thread, wait_until


def test_a_connection_held_for_long_is_reported_once_with_its_place(make_pool, caplog):
    pool = make_pool(1, 1, leak_after=0.1)
    conn = pool.getconn()
    wait_until(lambda: pool.get_stats()["leaks"] == 1)
    wait_until(lambda: "is held by thread" in caplog.text)
    time.sleep(0.3)
    assert caplog.text.count("is held by thread") == 1
    assert f"{__file__}:" in caplog.text
    pool.putconn(conn)


def test_a_dropped_connection_comes_back_within_a_second_with_a_warning(make_pool, server, caplog):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    started = time.monotonic()
    del conn
    with pool.connection(timeout=5) as conn:
        assert select(conn) == 1
    assert time.monotonic() - started < 1
    assert "was dropped, not returned" in caplog.text
    assert f"{__file__}:" in caplog.text
    assert pool.get_stats()["leaks"] == 1
    assert len(server.backends(pool.name)) == 1


def test_a_connection_dropped_in_a_cycle_comes_back_when_it_is_collected(make_pool):
    class Holder:
        pass

    pool = make_pool(1, 1)
    holder = Holder()
    holder.itself, holder.conn = holder, pool.getconn()
    del holder
    gc.collect()
    with pool.connection(timeout=5):
        pass


def test_a_forgotten_pool_ends_its_thread_and_its_connections(server):
    pool = ConnectionPool(1, 1, server.dsn(), application_name="forgotten", name="forgotten", max_idle=0.1)
    with pool.connection():
        pass
    while pool._keeper.ident <= 0:  # no function: it would keep the pool
        time.sleep(0.005)
    reference, ident = weakref.ref(pool), pool._keeper.ident
    assert ident in sys._current_frames()
    del pool
    gc.collect()
    wait_until(lambda: reference() is None)
    wait_until(lambda: server.backends("forgotten") == [])
    wait_until(lambda: ident not in sys._current_frames())


def test_a_key_or_a_dropped_handle_under_maxconn_one_is_no_deadlock(make_pool):
    pool = make_pool(1, 1, timeout=0.2)
    conn = pool.getconn("key")
    assert pool.getconn("key") is conn
    with pytest.raises(PoolError):
        pool.getconn("other")
    caller = in_thread(pool.getconn)
    with pytest.raises(PoolTimeout):
        caller.get()
    pool.putconn(conn)
    use_all(pool)


def test_a_connection_that_is_gone_leaves_no_number_that_another_could_be_taken_for(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    assert pool._state.lent
    del conn
    assert not pool._state.lent


def test_a_dropped_connection_whose_destructor_was_interrupted_comes_back(make_pool):
    pool = make_pool(1, 1)
    conn, state = pool.getconn(), pool._state
    [slot] = state.slots
    with state.lock:  # so that the keeper does not look meanwhile
        del conn
        state.lent[slot.number] = slot  # as if the exception had come before it was taken out
        state.maintain()
        assert not state.lent
    use_all(pool)
