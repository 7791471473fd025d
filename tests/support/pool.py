"""Pools on a private server, which tests may break, or on that of POOL_TEST_DSN."""

import _thread
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from polls.pool import ConnectionPool
from tests.support.given_server import GivenServer
from tests.support.proxy import Proxy
from tests.support.servers import Server, wait_until


@pytest.fixture(scope="session")
def _server() -> Iterator[Server]:
    dsn = os.environ.get("POOL_TEST_DSN")
    server = GivenServer(dsn) if dsn else Server()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def server(_server: Server, _threads_can_be_traced: None) -> Server:
    """The private server, running, or that of POOL_TEST_DSN."""
    if not _server.is_running():
        _server.start()
    return _server


@pytest.fixture
def private_server(server: Server) -> Server:
    """The private server, for tests that stop or change it."""
    server.require_private()
    return server


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A proxy in front of the server."""
    with Proxy(server.address()) as proxy:
        yield proxy


@pytest.fixture
def make_pool(server: Server, request: pytest.FixtureRequest) -> Iterator[Callable[..., ConnectionPool]]:
    """Make pools on the server; they are closed at the end, and must leave no connection behind."""
    pools: list[ConnectionPool] = []

    def make(minconn: int = 1, maxconn: int = 2, dsn: str | None = None, **options: Any) -> ConnectionPool:
        name = request.node.name[:60]
        pool = ConnectionPool(minconn, maxconn, dsn or server.dsn(), application_name=name, name=name, **options)
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.close(0)
        wait_until(lambda pool=pool: pool.get_stats()["pool_size"] == 0)


@pytest.fixture
def _threads_can_be_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let coverage trace the pool's threads, which `threading` does not start."""

    def start_traced(function: Callable[..., Any], arguments: tuple[Any, ...]) -> int:
        def traced() -> None:
            sys.settrace(threading.gettrace())
            function(*arguments)

        return _thread.start_new_thread(traced, ())

    monkeypatch.setattr("polls.pool.worker.start_new_thread", start_traced)


def select(conn, statement="SELECT 1"):
    """The first value that a statement returns."""
    with conn.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def use_all(pool, timeout=10):
    """Take every connection of the pool, use it, and give it back."""
    conns = [pool.getconn(timeout=timeout) for _ in range(pool.maxconn)]
    for conn in conns:
        assert select(conn) == 1
        conn.rollback()
        pool.putconn(conn)


class Bolt(BaseException):
    """An exception that no code expects, raised anywhere."""
