"""The pool's contract: checkouts, keys, options, and the context managers."""

import threading

import psycopg2
import pytest
from psycopg2 import extensions
from psycopg2.pool import AbstractConnectionPool, PoolError

from polls.pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests
from tests.support.pool import select
from tests.support.servers import wait_until


def test_it_is_one_of_psycopg2s_pools(make_pool):
    pool = make_pool(1, 3)
    assert isinstance(pool, AbstractConnectionPool)
    assert (pool.minconn, pool.maxconn, pool.closed) == (1, 3, False)
    pool.closeall()
    assert pool.closed
    with pytest.raises(PoolError):
        pool.closeall()


@pytest.mark.parametrize("error", [PoolClosed, PoolTimeout, TooManyRequests])
def test_errors_are_caught_as_pool_errors_and_as_operational_errors(error):
    assert issubclass(error, PoolError)
    assert issubclass(error, psycopg2.OperationalError)


def test_making_a_pool_connects_to_nothing_and_starts_no_thread(make_pool, server):
    before = threading.active_count()
    pool = make_pool(2, 4)
    assert threading.active_count() == before
    assert server.backends(pool.name) == []
    with pool.connection() as conn:
        assert select(conn) == 1


def test_a_connection_comes_back_as_it_is(make_pool):
    pool = make_pool()
    conn = pool.getconn()
    pool.putconn(conn)
    assert pool.getconn() is conn
    pool.putconn(conn)


def test_what_is_returned_is_kept_up_to_maxconn(make_pool):
    pool = make_pool(1, 4)
    conns = [pool.getconn() for _ in range(4)]
    for conn in conns:
        pool.putconn(conn)
    assert pool.get_stats()["pool_available"] == 4
    assert pool.get_stats()["connections_num"] == 4


def test_the_connection_used_last_is_used_next(make_pool):
    pool = make_pool(0, 3)
    first, second = pool.getconn(), pool.getconn()
    pool.putconn(second)
    pool.putconn(first)
    assert pool.getconn() is first


def test_a_key_gives_the_same_connection_until_it_is_returned(make_pool):
    pool = make_pool()
    conn = pool.getconn("key")
    assert pool.getconn("key") is conn
    other = pool.getconn("other")
    assert other is not conn
    assert pool.status()[0]["state"] == "in use"
    pool.putconn(conn, "key")
    assert pool.getconn() is conn
    with pytest.raises(PoolError):
        pool.putconn(conn, "key") or pool.putconn(conn)
    pool.putconn(other)


def test_a_connection_can_be_closed_on_return(make_pool, server):
    pool = make_pool(0, 1)
    conn = pool.getconn()
    pool.putconn(conn, close=True)
    wait_until(lambda: server.backends(pool.name) == [])
    assert pool.get_stats()["returns_bad"] == 0


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"minconn": -1}, ValueError, "minconn"),
        ({"minconn": 1.5}, TypeError, "minconn"),
        ({"maxconn": 0}, ValueError, "maxconn"),
        ({"maxconn": True}, TypeError, "maxconn"),
        ({"minconn": 3, "maxconn": 2}, ValueError, "minconn"),
        ({"name": 5}, TypeError, "name"),
        ({"connect": "dsn"}, TypeError, "connect"),
        ({"timeout": -1}, ValueError, "timeout"),
        ({"timeout": None}, TypeError, "timeout"),
        ({"timeout": float("nan")}, ValueError, "timeout"),
        ({"max_waiting": 0.5}, TypeError, "max_waiting"),
        ({"max_idle": "10"}, TypeError, "max_idle"),
        ({"max_lifetime": float("inf")}, ValueError, "max_lifetime"),
        ({"check_idle": True}, TypeError, "check_idle"),
        ({"configure": 1}, TypeError, "configure"),
        ({"reset": "everything"}, ValueError, "reset"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(options, error, named):
    with pytest.raises(error, match=named):
        ConnectionPool(**{"minconn": 1, "maxconn": 2, **options})


def test_what_is_no_option_goes_to_connect():
    given = []

    def connect(*args, **kwargs):
        given.append((args, kwargs))
        raise psycopg2.OperationalError("no")

    pool = ConnectionPool(0, 1, "host=x", connect=connect, timeout=0.1, sslmode="require")
    with pytest.raises(PoolTimeout, match="no"):
        pool.getconn()
    pool.close(0)
    assert given[0] == (("host=x",), {"sslmode": "require"})


def test_the_block_commits_at_its_end_and_rolls_back_after_an_exception(make_pool):
    pool = make_pool()
    with pool.connection(autocommit=True) as conn:
        select(conn, "CREATE TABLE block (id int)")
    with pool.connection() as conn:
        select(conn, "INSERT INTO block VALUES (1)")
    with pytest.raises(ZeroDivisionError), pool.connection() as conn:
        assert 1 / select(conn, "INSERT INTO block VALUES (2) RETURNING 0")
    with pool.connection() as conn:
        assert select(conn, "SELECT array_agg(id) FROM block") == [1]
        select(conn, "DROP TABLE block")
    assert pool.get_stats()["pool_available"] == 1


def test_an_exception_of_a_block_without_a_transaction_sends_nothing(make_pool):
    pool = make_pool()
    with pytest.raises(ZeroDivisionError), pool.connection(autocommit=True) as conn:
        assert 1 / (select(conn) - 1)
    assert pool.getconn() is conn
    pool.putconn(conn)


def test_a_commit_that_fails_is_raised_and_the_connection_returned(make_pool):
    pool = make_pool()
    with pool.connection(autocommit=True) as conn:
        select(conn, "CREATE TABLE late (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(psycopg2.IntegrityError), pool.connection() as conn:
        select(conn, "INSERT INTO late VALUES (1), (1)")
    with pool.connection() as conn:
        select(conn, "DROP TABLE late")
    assert pool.get_stats()["pool_available"] == 1


def test_the_exception_of_the_block_is_not_masked_by_a_rollback_that_fails(make_pool, server):
    pool = make_pool(1, 1)
    with pytest.raises(ZeroDivisionError), pool.connection() as conn:
        assert select(conn) / len(server.kill(conn.info.backend_pid) or "")
    with pool.connection() as conn:
        assert select(conn) == 1


def test_a_connection_that_cannot_be_set_to_autocommit_is_returned(make_pool):
    class Stubborn(extensions.connection):
        autocommit = property(lambda self: False)

    pool = make_pool(1, 1, connection_factory=Stubborn, max_lifetime=0)
    with pytest.raises(AttributeError), pool.connection(autocommit=True):
        pass
    wait_until(lambda: pool.get_stats()["pool_size"] == pool.get_stats()["pool_available"])


def test_the_pool_is_a_context_manager_too(make_pool):
    with make_pool(1, 1) as pool:
        pool.wait()
        assert pool.get_stats()["pool_available"] == 1
    assert pool.closed
    with pytest.raises(PoolClosed):
        pool.getconn()
