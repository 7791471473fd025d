"""/healthz and /readyz: alive whatever the database does, ready only if the next request will get a connection."""

import contextlib
import json
import time

import pytest
from django.db import connection
from django.test import Client

from polls.pool import PoolTimeout
from tests.support.servers import Server, in_thread, wait_until
from tests.support.site import Browser, serve


@pytest.fixture
def exhausted(pool, transactional_db):
    """All connections of the pool are borrowed."""
    with contextlib.ExitStack() as stack:
        for _ in range(pool.maxconn):
            stack.enter_context(pool.connection())
        yield


def timed(path):
    """Request a page from another thread: one that holds all connections would get an error at once."""
    asked = in_thread(Client().get, path)
    return asked.get(), asked.seconds


def test_healthy_and_ready(transactional_db):
    assert Client().get("/healthz").content == b"ok\n"
    response = Client().get("/readyz")
    assert (response.status_code, response.json()) == (200, {"ready": True})
    assert "no-store" in response["Cache-Control"]


def test_healthz_asks_nobody(django_assert_num_queries, transactional_db, pool):
    before = pool.get_stats()["requests_num"]
    with django_assert_num_queries(0):
        assert Client().get("/healthz").status_code == 200
    assert pool.get_stats()["requests_num"] == before


def test_pool_exhausted(exhausted):
    response, seconds = timed("/healthz")
    assert response.status_code == 200
    assert seconds < 0.5
    response, seconds = timed("/readyz")
    assert response.status_code == 503
    assert 1 <= seconds < 1.5
    assert response.json() == {
        "ready": False,
        "reason": "no connection became free within 1 s",
        "connect_failed_seconds_ago": None,
    }


def test_database_stopped_and_back():
    server = Server()
    server.start()
    try:
        url = f"postgres://postgres@127.0.0.1:{server.port}/postgres"
        with serve(DATABASE_URL=url, WEB_CONCURRENCY="1") as address:
            ask = Browser(address).get
            assert ask("/readyz")[0] == 200
            server.stop()
            begun = time.monotonic()
            assert ask("/healthz")[0] == 200
            assert time.monotonic() - begun < 0.5
            status, _, body = ask("/readyz")
            assert status == 503
            assert json.loads(body)["reason"] == "new connections to the database fail"
            assert 0 <= json.loads(body)["connect_failed_seconds_ago"] < 2
            assert str(server.port) not in body
            server.start()
            wait_until(lambda: ask("/readyz")[0] == 200)
    finally:
        server.remove()


@pytest.fixture
def no_new_connections(transactional_db):
    """Have the server refuse new connections and keep the old ones, as one that has run out of them does."""
    name = connection.settings_dict["NAME"]
    outside = connection.connect_psycopg2(owner=True, dbname="postgres")
    outside.autocommit = True

    def allow(allowed):
        with outside.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {allowed}')

    yield allow
    allow(True)
    outside.close()


def test_not_ready_where_an_idle_connection_answers_and_a_new_one_cannot_be_made(pool, no_new_connections):
    size = pool.minconn, pool.maxconn
    pool.resize(0, 1)
    wait_until(lambda: pool.get_stats()["pool_size"] <= 1)
    pool.resize(*size)
    with pool.connection():
        no_new_connections(False)
        with pytest.raises(PoolTimeout, match="not currently accepting connections"):
            pool.getconn(timeout=0.3)
    assert pool.get_stats()["pool_available"] == 1
    response = Client().get("/readyz")
    assert response.status_code == 503
    assert response.json()["reason"] == "new connections to the database fail"
    no_new_connections(True)
    assert Client().get("/readyz").status_code == 200
    with pool.connection(), pool.connection():
        assert pool.connecting_fails is False
