"""Waiting for a connection: the queue, deadlines, bursts, and connecting outside the lock."""

import functools
import threading
import time

import psycopg2
import pytest
from psycopg2.pool import PoolError

from polls.pool import ConnectFailed, PoolTimeout, TooManyRequests
from polls.pool.borrower import Borrower
from polls.pool.waiter import Waiter
from tests.support.servers import in_thread, wait_until


def waiting(pool, count):
    """Wait until `count` callers wait."""
    wait_until(lambda: pool.get_stats()["requests_waiting"] == count)


def test_callers_are_served_in_the_order_they_came(make_pool):
    pool = make_pool(1, 1)
    order = []

    def borrow(number):
        conn = pool.getconn()
        order.append(number)
        pool.putconn(conn)

    conn = pool.getconn()
    callers = []
    for number in range(8):
        callers.append(in_thread(borrow, number))
        waiting(pool, number + 1)
    pool.putconn(conn)
    for caller in callers:
        caller.get()
    assert order == list(range(8))


def test_a_newcomer_does_not_pass_the_queue(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    first = in_thread(pool.getconn)
    waiting(pool, 1)
    pool.putconn(conn)
    with pytest.raises(PoolTimeout):
        in_thread(pool.getconn, timeout=0).get()
    assert first.get() is conn
    pool.putconn(conn)


def test_a_timeout_says_why(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    caller = in_thread(pool.getconn, timeout=0.1)
    with pytest.raises(PoolTimeout) as raised:
        caller.get()
    message = str(raised.value)
    assert 0.1 <= caller.seconds < 1
    assert "size 1 of 1, 1 in use, 1 waiting" in message
    assert f"held longest by thread {threading.current_thread().name}, for 0." in message
    assert f" s, taken at {__file__}:" in message
    pool.putconn(conn)
    assert pool.get_stats()["requests_waiting"] == 0


def test_without_time_a_caller_gets_what_is_idle_or_fails_at_once(make_pool):
    pool = make_pool(1, 1)
    pool.open(wait=True)
    conn = pool.getconn(timeout=0)
    caller = in_thread(pool.getconn, timeout=0)
    with pytest.raises(PoolTimeout):
        caller.get()
    assert caller.seconds < 1
    pool.putconn(conn)
    with pytest.raises(ValueError, match="timeout"):
        in_thread(pool.getconn, "key", -1).get()


def test_too_many_requests_are_shed_at_once(make_pool):
    pool = make_pool(1, 1, max_waiting=2)
    conn = pool.getconn()
    callers = [in_thread(pool.getconn) for _ in range(2)]
    waiting(pool, 2)
    with pytest.raises(TooManyRequests, match="2 callers"):
        in_thread(pool.getconn).get()
    pool.putconn(conn)
    done = 0
    for caller in callers:
        caller.thread.join(0.1)
    while done < 2:
        for caller in callers:
            if caller.value is not None:
                conn, caller.value = caller.value, None
                pool.putconn(conn)
                done += 1


def test_a_connection_handed_over_as_its_waiter_gives_up_is_neither_lost_nor_doubled(make_pool):
    pool = make_pool(1, 1)
    timeouts = 0
    for _ in range(60):
        conn = pool.getconn()
        ready = threading.Barrier(2)

        def wait(ready=ready):
            ready.wait()
            return pool.getconn(timeout=0.005)

        caller = in_thread(wait)
        ready.wait()
        time.sleep(0.0049)
        pool.putconn(conn)
        caller.thread.join()
        if caller.error is not None:
            timeouts += 1
        else:
            pool.putconn(caller.value)
        stats = pool.get_stats()
        assert (stats["pool_size"], stats["pool_available"], stats["requests_waiting"]) == (1, 1, 0)
    assert stats["requests_errors"] == timeouts


def test_a_nested_checkout_that_would_wait_for_itself_names_both_places(make_pool):
    pool = make_pool(1, 2)
    conns = [pool.getconn(), pool.getconn()]
    started = time.monotonic()
    with pytest.raises(PoolError) as raised:
        pool.getconn()
    assert time.monotonic() - started < 2
    assert str(raised.value).count(__file__) == 2
    assert not isinstance(raised.value, PoolTimeout)
    for conn in conns:
        pool.putconn(conn)


def test_a_nested_checkout_that_others_can_serve_waits(make_pool):
    pool = make_pool(1, 2)
    mine = pool.getconn()
    other = in_thread(pool.getconn).get()
    threading.Timer(0.05, pool.putconn, (other,)).start()
    assert pool.getconn() is other
    for conn in (mine, other):
        pool.putconn(conn)


def slow_connect(seconds, *args, **kwargs):
    time.sleep(seconds)
    return psycopg2.connect(*args, **kwargs)


def test_a_burst_connects_in_parallel(make_pool):
    pool = make_pool(1, 8, connect=functools.partial(slow_connect, 0.4))
    pool.open(wait=True)
    started = time.monotonic()
    callers = [in_thread(pool.getconn) for _ in range(8)]
    conns = {caller.get() for caller in callers}
    assert len(conns) == 8
    assert time.monotonic() - started < 1.6  # one after the other, they would take 2.8
    for conn in conns:
        pool.putconn(conn)


def test_a_burst_makes_no_more_connections_than_maxconn(make_pool, server):
    pool = make_pool(0, 3, connect=functools.partial(slow_connect, 0.05))
    most = 0

    def borrow():
        nonlocal most
        with pool.connection() as conn, conn.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (pool.name,))
            most = max(most, cursor.fetchone()[0])

    for caller in [in_thread(borrow) for _ in range(20)]:
        caller.get()
    assert most == 3


def test_a_returned_connection_serves_a_caller_whose_own_is_still_being_made(make_pool):
    first, begun, allowed = threading.Event(), threading.Event(), threading.Event()

    def connect(*args, **kwargs):
        if first.is_set():
            begun.set()
            assert allowed.wait(10)
        first.set()
        return psycopg2.connect(*args, **kwargs)

    pool = make_pool(0, 2, connect=connect)
    conn = pool.getconn()
    caller = in_thread(pool.getconn)
    assert begun.wait(10)
    pool.putconn(conn)
    assert caller.get(2) is conn
    allowed.set()
    pool.putconn(conn)
    wait_until(lambda: pool.get_stats()["pool_available"] == 2)


def test_the_deadline_covers_connecting_to_a_black_hole(make_pool, server, proxy):
    proxy.swallowing.set()
    pool = make_pool(0, 1, server.dsn(port=proxy.port, connect_timeout=2))
    caller = in_thread(pool.getconn, timeout=0.3)
    with pytest.raises(PoolTimeout, match="size 1 of 1, 0 in use"):
        caller.get()
    assert 0.3 <= caller.seconds < 1.8
    proxy.swallowing.clear()
    pool.putconn(pool.getconn(timeout=5))


def test_the_deadline_covers_a_slow_configure(make_pool):
    pool = make_pool(0, 1, configure=lambda conn: time.sleep(1.5))
    caller = in_thread(pool.getconn, timeout=0.1)
    with pytest.raises(PoolTimeout):
        caller.get()
    assert caller.seconds < 1
    pool.putconn(pool.getconn())


def test_a_configure_that_fails_is_told_and_leaves_nothing_open(make_pool, server):
    def configure(conn):
        raise ValueError("not configured")

    pool = make_pool(0, 1, configure=configure, timeout=0.5)
    with pytest.raises(ConnectFailed, match="not configured") as raised:
        pool.getconn()
    assert isinstance(raised.value.__cause__, ValueError)
    wait_until(lambda: server.backends(pool.name) == [])


def test_a_configure_that_leaves_a_transaction_open_is_refused(make_pool):
    pool = make_pool(0, 1, configure=lambda conn: conn.cursor().execute("SELECT 1"), timeout=0.5)
    with pytest.raises(ConnectFailed, match="left a transaction open"):
        pool.getconn()


def test_sixteen_threads_on_four_connections_all_get_their_share(make_pool):
    pool = make_pool(1, 4)
    counts = [0] * 16
    start, stop = threading.Barrier(16), threading.Event()

    def work(number):
        start.wait()
        while not stop.is_set():
            with pool.connection(autocommit=True) as conn, conn.cursor() as cursor:
                cursor.execute("SELECT 1")
            counts[number] += 1

    workers = [in_thread(work, number) for number in range(16)]
    time.sleep(1)
    stop.set()
    for worker in workers:
        worker.get()
    jain = sum(counts) ** 2 / (16 * sum(count**2 for count in counts))
    assert jain > 0.9
    stats = pool.get_stats()
    assert (stats["pool_size"], stats["pool_available"], stats["requests_num"]) == (4, 4, sum(counts))


def test_without_threads_to_be_had_the_caller_connects_itself(make_pool, monkeypatch):
    def start_new_thread(*arguments):
        raise RuntimeError("can't start new thread")

    pool = make_pool(0, 1)
    monkeypatch.setattr("polls.pool.worker.start_new_thread", start_new_thread)
    with pool.connection() as conn:
        assert conn.closed == 0


def test_whoever_had_a_connection_that_turned_out_dead_keeps_its_turn(make_pool, server):
    first, allowed = threading.Event(), threading.Event()

    def connect(*args, **kwargs):
        assert not first.is_set() or allowed.wait(10)
        first.set()
        return psycopg2.connect(*args, **kwargs)

    order = []

    def borrow(number):
        conn = pool.getconn()
        order.append(number)
        pool.putconn(conn)

    def poll(timeout):
        for number in (1, 2):
            callers.append(in_thread(borrow, number))
            waiting(pool, number)
        slot.poll = look
        return [(0, 0)]

    callers = []
    pool = make_pool(1, 1, connect=connect)
    with pool.connection():
        pass
    [(_, slot)] = pool._state.idle
    look, slot.poll = slot.poll, poll
    server.kill(slot.pid)
    with pool._state.lock:  # so that the keeper does not find it first
        callers.append(in_thread(borrow, 0))
        wait_until(lambda: not pool._state.idle)
    waiting(pool, 3)
    allowed.set()
    for caller in callers:
        caller.get()
    assert order == [0, 1, 2]


def test_what_is_idle_goes_to_whoever_waits_and_not_to_a_newcomer(make_pool):
    pool = make_pool(1, 1)
    with pool.connection() as conn:
        pass
    waiter = Waiter(Borrower(None, None, 0, time.monotonic_ns()))
    pool._state.queue.append(waiter)  # as between the return of a connection and its hand-off
    with pytest.raises(PoolTimeout):
        pool.getconn(timeout=0)
    assert waiter.conn is conn
    pool._state.withdraw(waiter)
    assert pool.getconn() is conn
    pool.putconn(conn)


def test_what_was_returned_a_moment_ago_is_not_held(make_pool):
    pool = make_pool(1, 1)

    def work():
        for _ in range(500):
            pool.putconn(pool.getconn())

    for worker in [in_thread(work) for _ in range(3)]:
        worker.get()
