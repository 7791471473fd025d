"""Queries are cancelled by the key of their own connection, wherever `connect` leads by then."""

import threading

import psycopg2
import pytest

from polls.pool.cancel import CancelKey
from tests.support.pool import select
from tests.support.ports import free_port
from tests.support.servers import in_thread, wait_until


class Moving:
    """A `connect` whose address may change, and that counts its calls."""

    def __init__(self):
        self.calls = 0
        self.elsewhere = None

    def connect(self, *arguments, **options):
        self.calls += 1
        if self.elsewhere is not None:
            return psycopg2.connect(host="127.0.0.1", port=self.elsewhere, dbname="postgres", user="postgres")
        return psycopg2.connect(*arguments, **options)


def busy_pool(make_pool, server, dsn=None):
    """A pool with one connection, which runs a query; the query's thread; and the way to its server."""
    moving = Moving()
    pool = make_pool(0, 2, dsn, connect=moving.connect)
    conn = pool.getconn()
    query = in_thread(select, conn, "SELECT pg_sleep(30)")
    wait_until(lambda: server.is_busy(pool.name))
    return pool, conn, query, moving


def test_close_cancels_queries_without_a_new_connection(make_pool, server):
    pool, conn, query, moving = busy_pool(make_pool, server)
    in_thread(pool.close, 0.1).get(8)
    with pytest.raises(psycopg2.errors.QueryCanceled):
        query.get(5)
    assert moving.calls == 1
    pool.putconn(conn)


def test_closeall_cancels_queries_without_a_new_connection(make_pool, server):
    pool, conn, query, moving = busy_pool(make_pool, server)
    in_thread(pool.closeall).get(8)
    with pytest.raises(psycopg2.DatabaseError):
        query.get(5)
    wait_until(lambda: not server.is_busy(pool.name), 5)
    assert moving.calls == 1
    pool.putconn(conn)


@pytest.mark.parametrize("tcp", [False, True])
def test_close_cancels_a_query_on_the_server_where_it_runs_after_the_address_moved(make_pool, server, proxy, tcp):
    pool, conn, query, moving = busy_pool(make_pool, server, server.dsn(port=proxy.port) if tcp else None)
    moving.elsewhere = free_port()
    in_thread(pool.close, 0.1).get(8)
    with pytest.raises(psycopg2.errors.QueryCanceled):
        query.get(5)
    assert moving.calls == 1
    pool.putconn(conn)


def test_the_query_of_a_returned_connection_is_cancelled_on_its_own_server(make_pool, server):
    pool, conn, query, moving = busy_pool(make_pool, server)
    moving.elsewhere = free_port()
    pool.putconn(conn)
    with pytest.raises(psycopg2.DatabaseError):
        query.get(10)
    wait_until(lambda: not server.is_busy(pool.name), 5)
    assert moving.calls == 1


def test_close_does_not_wait_for_a_cancel_that_the_network_swallows(make_pool, server, proxy):
    pool, conn, _, moving = busy_pool(make_pool, server, server.dsn(port=proxy.port))
    proxy.swallowing.set()
    closing, ticks = in_thread(pool.close, 0.1), threading.Event()
    in_thread(ticks.set).get(1)  # other threads run meanwhile
    closing.get(8)
    assert moving.calls == 1
    pool.putconn(conn, close=True)
    proxy.cut()


def test_a_closed_connection_has_no_key(server):
    conn = psycopg2.connect(server.dsn())
    conn.close()
    assert CancelKey(conn).cancel() == "the connection has no cancel key"
