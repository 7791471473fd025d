"""`with pool.connection()`: entered twice, and with a connection that the block closes itself."""

import threading

import psycopg2
import pytest
from psycopg2.pool import PoolError

from polls.pool import PoolClosed, PoolTimeout
from tests.support.pool import select
from tests.support.servers import in_thread, wait_until


def test_a_block_that_is_entered_inside_itself_is_refused(make_pool):
    pool = make_pool(0, 2)
    block = pool.connection()
    with block as conn:
        select(conn, "CREATE TABLE entered (id int)")
        with pytest.raises(PoolError) as raised, block:
            pass
        assert not isinstance(raised.value, PoolTimeout)
        assert select(conn, "SELECT to_regclass('entered')::text") == "entered"
        select(conn, "DROP TABLE entered")
        assert pool.get_stats()["pool_size"] == 1
    assert pool.get_stats()["pool_available"] == 1


def test_a_block_that_another_thread_is_in_is_refused(make_pool):
    pool = make_pool(0, 2)
    block, entered, done = pool.connection(), threading.Event(), threading.Event()

    def hold():
        with block as conn:
            pid = conn.info.backend_pid
            entered.set()
            done.wait(10)
            return pid == select(conn, "SELECT pg_backend_pid()")

    holder = in_thread(hold)
    assert entered.wait(10)
    with pytest.raises(PoolError), block:
        pass
    done.set()
    assert holder.get()
    assert pool.get_stats()["pool_available"] == pool.get_stats()["pool_size"] == 1


@pytest.mark.parametrize("turn", range(3))
def test_of_threads_that_enter_a_block_at_once_one_gets_in(make_pool, turn):
    pool = make_pool(4, 4)
    pool.open(wait=True)
    for _ in range(30):
        block, start, inside = pool.connection(), threading.Barrier(4), threading.Barrier(4)

        def enter(block=block, start=start, inside=inside):
            start.wait(10)
            try:
                with block as conn:
                    inside.wait(10)  # for the others to be refused
                    return select(conn)
            except PoolError:
                inside.wait(10)
                return None

        entered = [thread.get() for thread in [in_thread(enter) for _ in range(4)]]
        assert sorted(entered, key=str) == [1, None, None, None]
    assert pool.get_stats()["pool_available"] == 4


@pytest.mark.parametrize("autocommit", [False, True])
def test_a_block_may_be_entered_again_after_it_ended(make_pool, autocommit):
    pool = make_pool(0, 2)
    block = pool.connection(autocommit=autocommit)
    for _ in range(2):
        with block as conn:
            assert select(conn) == 1
            with pytest.raises(PoolError), block:
                pass
    with pytest.raises(ZeroDivisionError), block:
        raise ZeroDivisionError
    with block as conn:
        assert select(conn) == 1


@pytest.mark.parametrize("autocommit", [False, True])
def test_a_connection_that_is_closed_inside_its_block_is_replaced_in_silence(make_pool, server, autocommit):
    pool = make_pool(1, 1)
    with pool.connection(autocommit=autocommit) as conn:
        select(conn)
        conn.close()
    with pool.connection() as other:
        assert other is not conn
        assert select(other) == 1
    wait_until(lambda: len(server.backends(pool.name)) == 1)
    assert pool.get_stats()["pool_size"] == 1


def test_an_error_of_a_block_that_closed_its_connection_is_the_blocks_own(make_pool):
    pool = make_pool(1, 1)

    def fail(conn):
        conn.close()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as raised, pool.connection() as conn:
        fail(conn)
    assert raised.value.__context__ is None
    with pool.connection() as conn:
        assert select(conn) == 1


def test_a_connection_that_the_server_ended_still_fails_to_commit(make_pool, server):
    pool = make_pool(1, 1)
    with pytest.raises(psycopg2.DatabaseError), pool.connection() as conn:  # noqa: PT012 - the commit is what fails
        select(conn, "CREATE TEMPORARY TABLE lost (id int)")
        server.kill(conn.info.backend_pid)
    with pool.connection() as conn:
        assert select(conn) == 1


def test_a_block_that_gets_no_connection_may_be_entered_again(make_pool):
    pool = make_pool(0, 1)
    block = pool.connection()
    pool.close()
    for _ in range(2):
        with pytest.raises(PoolClosed), block:
            pass
