"""The first checkout after a rest: one ping at most, and no new thread."""

import gc
import time
import tracemalloc

import pytest

from polls.pool import ConnectionPool, PoolTimeout
from tests.support.pool import select
from tests.support.ports import free_port
from tests.support.programs import run_program
from tests.support.servers import in_thread


def rested(make_pool, **options):
    """A pool with eight idle connections that are due for a ping."""
    pool = make_pool(8, 8, check_idle=0.05, **options)
    pool.open(wait=True)
    for conn in [pool.getconn() for _ in range(8)]:
        pool.putconn(conn)
    time.sleep(0.1)
    return pool


def queries(server, pool):
    """When each backend's last query began."""
    statement = "SELECT pid, query_start FROM pg_stat_activity WHERE application_name = %s"
    return dict(server.run(statement, pool.name))


def test_a_checkout_after_a_rest_pings_one_connection(make_pool, server):
    pool = rested(make_pool)
    before = queries(server, pool)
    conn = pool.getconn()
    time.sleep(0.05)  # for pings that come late
    after = queries(server, pool)
    pool.putconn(conn)
    assert before.keys() == after.keys()
    pinged = [pid for pid in before if before[pid] != after[pid]]
    assert pinged in ([], [conn.info.backend_pid])


def test_a_checkout_after_a_rest_costs_one_round_trip(make_pool, server, proxy):
    pool = rested(make_pool, dsn=server.dsn(port=proxy.port))
    before = proxy.round_trips
    pool.putconn(pool.getconn())
    time.sleep(0.05)
    assert proxy.round_trips - before <= 1


THREADS = """
    import _thread, sys, threading, time
    started = 0
    def counted(function):
        def start(*arguments, **options):
            global started
            started += 1
            return function(*arguments, **options)
        return start

    for name in ("start_new_thread", "start_joinable_thread"):
        if hasattr(_thread, name):
            setattr(_thread, name, counted(getattr(_thread, name)))
        if hasattr(threading, "_" + name):
            setattr(threading, "_" + name, getattr(_thread, name))

    from polls.pool import ConnectionPool
"""


def test_a_checkout_after_a_rest_starts_no_thread(server):
    program = f"""{THREADS}
    pool = ConnectionPool(8, 8, sys.argv[1], check_idle=0.05)
    pool.open(wait=True)
    for _ in range(3):
        time.sleep(0.1)
        before = started
        pool.putconn(pool.getconn())
        time.sleep(0.05)
        print(started - before)
    pool.close(0)
    """
    assert run_program(program, server.dsn()).split() == ["0", "0", "0"]


def test_a_check_of_twenty_connections_takes_four_threads_at_most(server):
    program = f"""{THREADS}
    pool = ConnectionPool(20, 20, sys.argv[1])
    pool.open(wait=True)
    for _ in range(3):
        before = started
        pool.check()
        print(started - before)
    assert pool.get_stats()["pool_available"] == 20
    pool.close(0)
    """
    assert max(map(int, run_program(program, server.dsn()).split())) <= 4


def test_a_check_that_is_switched_off_pings_nothing(make_pool, server):
    pool = make_pool(2, 2, check_idle=0.0)
    pool.open(wait=True)
    before = queries(server, pool)
    pool.putconn(pool.getconn())
    assert queries(server, pool) == before


def test_check_idle_always_pings_on_every_checkout(make_pool, server):
    pool = make_pool(1, 1, check_idle="always")
    pool.open(wait=True)
    pool.putconn(pool.getconn())
    for _ in range(3):
        before = queries(server, pool)
        conn = pool.getconn()
        after = queries(server, pool)
        assert before != after
        assert before.keys() == after.keys()
        assert conn.get_transaction_status() == 0
        pool.putconn(conn)
    assert pool.get_stats()["connections_num"] == 1


def test_check_idle_always_finds_what_no_poll_sees(server, proxy):
    pool = ConnectionPool(1, 1, server.dsn(port=proxy.port), check_idle="always", timeout=0.5)
    pool.putconn(pool.getconn())
    proxy.swallowing.set()
    with pytest.raises(PoolTimeout):
        in_thread(pool.getconn).get()
    proxy.swallowing.clear()
    proxy.cut()
    conn = in_thread(pool.getconn, timeout=15).get()
    assert select(conn) == 1
    pool.putconn(conn)
    pool.close(0)


def test_waiting_in_an_outage_keeps_nothing(server):
    pool = ConnectionPool(1, 1, server.dsn(port=free_port()))

    def wait(times):
        for _ in range(times):
            with pytest.raises(PoolTimeout):
                pool.wait(0.0001)

    wait(200)
    tracemalloc.start()
    try:
        wait(100)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        wait(2000)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 60_000
    pool.close(0)
