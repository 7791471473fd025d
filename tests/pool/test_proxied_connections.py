"""Connections that are wrapped, as tracers do it: they delegate, and are no subclass of psycopg2's."""

import gc
import time

import psycopg2
import pytest

from tests.support.pool import select
from tests.support.servers import wait_until


class CursorProxy:
    def __init__(self, wrapped):
        self.wrapped = wrapped

    def __getattr__(self, name):
        return getattr(self.wrapped, name)

    def __enter__(self):
        self.wrapped.__enter__()
        return self

    def __exit__(self, *error):
        return self.wrapped.__exit__(*error)


class FixedProxy:
    """Delegates everything to a connection. Nothing can refer to it weakly."""

    __slots__ = ("wrapped",)

    def __init__(self, wrapped):
        object.__setattr__(self, "wrapped", wrapped)

    def __getattr__(self, name):
        return getattr(self.wrapped, name)

    def __setattr__(self, name, value):
        setattr(self.wrapped, name, value)

    def cursor(self, *arguments, **options):
        return CursorProxy(self.wrapped.cursor(*arguments, **options))


class Proxy(FixedProxy):
    __slots__ = ("__weakref__",)


@pytest.fixture(params=[Proxy, FixedProxy], ids=["referable", "not-referable"])
def wrap(request):
    return lambda *arguments, **options: request.param(psycopg2.connect(*arguments, **options))


def test_a_proxy_is_lent_and_returned(make_pool, server, wrap):
    pool = make_pool(1, 2, connect=wrap)
    conn = pool.getconn(timeout=2)
    assert isinstance(conn, FixedProxy)
    select(conn)
    pool.putconn(conn)
    assert pool.getconn(timeout=2) is conn
    pool.putconn(conn)
    with pool.connection(autocommit=True) as conn:
        assert select(conn) == 1
    assert len(server.backends(pool.name)) == 1


def test_a_proxy_is_pinged_after_a_rest_and_kept(make_pool, wrap):
    pool = make_pool(1, 1, connect=wrap, check_idle=0.05)
    with pool.connection() as conn:
        pid = conn.info.backend_pid
    time.sleep(0.1)
    with pool.connection() as conn:
        assert conn.info.backend_pid == pid
    pool.check()
    with pool.connection() as conn:
        assert conn.info.backend_pid == pid
    assert pool.get_stats()["connections_lost"] == 0


def test_a_proxy_is_cleaned_by_discard(make_pool, wrap):
    pool = make_pool(1, 1, connect=wrap, reset="discard")
    with pool.connection(autocommit=True) as conn:
        select(conn, "SET statement_timeout = '5s'")
        pid = conn.info.backend_pid
    with pool.connection() as conn:
        assert (conn.info.backend_pid, select(conn, "SHOW statement_timeout")) == (pid, "0")
    assert pool.get_stats()["returns_bad"] == 0


def test_a_begin_in_autocommit_on_a_proxy_is_rolled_back(make_pool, wrap):
    pool = make_pool(1, 1, connect=wrap)
    conn = pool.getconn(timeout=2)
    pid = conn.info.backend_pid
    conn.autocommit = True
    select(conn, "BEGIN")
    pool.putconn(conn)
    with pool.connection() as conn:
        assert conn.info.backend_pid == pid


def test_a_proxy_is_lent_by_key(make_pool, wrap):
    pool = make_pool(1, 2, connect=wrap)
    conn = pool.getconn("key", timeout=2)
    assert pool.getconn("key", timeout=2) is conn
    pool.putconn(conn, "key")
    assert pool.get_stats()["pool_available"] == 1


def test_the_query_of_a_proxy_is_cut_after_max_use(make_pool, wrap):
    pool = make_pool(1, 1, connect=wrap, max_use=0.2)
    conn = pool.getconn(timeout=2)
    with pytest.raises(psycopg2.DatabaseError):
        select(conn, "SELECT pg_sleep(5)")
    pool.putconn(conn)
    with pool.connection() as other:
        assert select(other) == 1


def test_a_proxy_that_is_dropped_gives_its_slot_back(make_pool, caplog):
    pool = make_pool(0, 1, connect=lambda *arguments, **options: Proxy(psycopg2.connect(*arguments, **options)))
    conn = pool.getconn(timeout=2)
    del conn
    gc.collect()
    conn = pool.getconn(timeout=3)
    assert select(conn) == 1
    pool.putconn(conn)
    wait_until(lambda: pool.get_stats()["leaks"] == 1)
    assert __file__ in caplog.text


def test_a_proxy_that_is_foreign_is_refused(make_pool, server, wrap):
    pool = make_pool(1, 1, connect=wrap)
    foreign = wrap(server.dsn())
    with pytest.raises(psycopg2.pool.PoolError):
        pool.putconn(foreign)
    assert not foreign.closed
    foreign.close()
