"""Connections that are borrowed by key: one key, one connection, until it is returned."""

import gc
import threading

import psycopg2
import pytest

from polls.pool import PoolTimeout
from tests.support.pool import select
from tests.support.servers import in_thread, wait_until


def test_a_key_keeps_its_connection_and_the_work_on_it_without_a_reference(make_pool):
    pool = make_pool(0, 2)
    select(pool.getconn("key"), "CREATE TABLE kept_by_key (id int)")
    gc.collect()
    assert select(pool.getconn("key"), "SELECT to_regclass('kept_by_key')::text") == "kept_by_key"
    stats = pool.get_stats()
    assert (stats["pool_size"], stats["leaks"]) == (1, 0)
    pool.putconn(pool.getconn("key"), "key")
    assert pool.get_stats()["pool_available"] == 1


def test_a_key_keeps_its_connection_while_others_are_lent(make_pool):
    pool = make_pool(0, 2)
    pid = pool.getconn("key").info.backend_pid
    for _ in range(3):
        with pool.connection() as conn:
            assert conn.info.backend_pid != pid
        assert pool.getconn("key").info.backend_pid == pid
    pool.putconn(pool.getconn("key"))


def test_two_threads_that_ask_for_a_key_while_it_is_connected_share_one_connection(make_pool):
    may_connect, both_ask = threading.Event(), threading.Barrier(3)

    def connect(*arguments, **options):
        may_connect.wait(10)
        return psycopg2.connect(*arguments, **options)

    def ask():
        both_ask.wait(10)
        return pool.getconn("key", timeout=10)

    pool = make_pool(0, 2, connect=connect)
    callers = [in_thread(ask) for _ in range(2)]
    both_ask.wait(10)
    may_connect.set()
    first, second = (caller.get() for caller in callers)
    assert first is second
    pool.putconn(first)
    assert pool.get_stats()["pool_available"] == pool.get_stats()["pool_size"]


@pytest.mark.parametrize("round_", range(3))
def test_threads_that_ask_for_a_key_at_once_share_one_idle_connection(make_pool, round_):
    pool = make_pool(4, 4)
    pool.open(wait=True)
    for attempt in range(50):
        barrier = threading.Barrier(4)

        def ask(barrier=barrier, key=(round_, attempt)):
            barrier.wait(10)
            return pool.getconn(key, timeout=10)

        callers = [in_thread(ask) for _ in range(4)]
        conns = {caller.get() for caller in callers}
        assert len(conns) == 1, f"{len(conns)} connections for one key, at attempt {attempt}"
        pool.putconn(conns.pop())


def test_a_key_gives_another_connection_after_it_was_returned(make_pool):
    pool = make_pool(0, 2)
    select(pool.getconn("key"), "CREATE TEMPORARY TABLE own (id int)")
    first = pool.getconn("key")
    pool.putconn(first, "key", close=True)
    assert select(pool.getconn("key"), "SELECT to_regclass('pg_temp.own')") is None
    pool.putconn(pool.getconn("key"))


def test_a_caller_waits_no_longer_than_allowed_for_another_that_fetches_the_connection(make_pool):
    allowed = threading.Event()

    def connect(*arguments, **options):
        assert allowed.wait(10)
        return psycopg2.connect(*arguments, **options)

    pool = make_pool(0, 2, connect=connect)
    first = in_thread(pool.getconn, "key")
    wait_until(lambda: pool.get_stats()["requests_waiting"] == 1)
    second = in_thread(pool.getconn, "key", 0.1)
    with pytest.raises(PoolTimeout):
        second.get()
    assert second.seconds < 1
    allowed.set()
    pool.putconn(first.get())


def test_a_key_whose_first_caller_has_ended_is_fetched_by_another(make_pool):
    pool = make_pool(1, 1)
    in_thread(pool._state.look_up, "key").get()  # as if an exception had ended the thread on its way out
    pool.putconn(pool.getconn("key", timeout=4))


@pytest.mark.parametrize("known", [True, False], ids=["threads", "no-threads-of-the-system"])
def test_where_threads_are_not_those_of_the_system_nobody_is_taken_for_ended(make_pool, monkeypatch, known):
    pool = make_pool(1, 1)
    in_thread(pool._state.look_up, "key").get()
    if not known:
        monkeypatch.setattr("polls.pool.task.get_ident", lambda: -1)  # as with gevent
    pool._state.maintain()
    assert ("key" in pool._state.coming) is not known
