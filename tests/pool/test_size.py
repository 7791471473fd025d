"""The pool's size, and the age of its connections: growing, shrinking, resizing, draining."""

import time

import pytest

from polls.pool import PoolTimeout
from tests.support.servers import wait_until


@pytest.mark.usefixtures("private_server")
def test_a_connection_counts_until_the_server_has_ended_it(make_pool, server):
    server.run("CREATE ROLE limited LOGIN CONNECTION LIMIT 1; SELECT 1")  # the server refuses a second one
    pool = make_pool(0, 1, server.dsn(), user="limited")
    for _ in range(50):
        pool.putconn(pool.getconn(), close=True)
    assert pool.get_stats()["connections_num"] == 50
    assert pool.get_stats()["connections_errors"] == 0


def test_the_pool_grows_as_needed_and_shrinks_to_minconn_after_max_idle(make_pool, server):
    pool = make_pool(1, 4, max_idle=0.2)
    conns = [pool.getconn() for _ in range(4)]
    for conn in conns:
        pool.putconn(conn)
    wait_until(lambda: pool.get_stats()["pool_size"] == 1)
    assert len(server.backends(pool.name)) == 1
    assert pool.getconn() is conns[3]
    pool.putconn(conns[3])


def test_a_connection_is_replaced_after_max_lifetime_in_the_background(make_pool):
    pool = make_pool(1, 2, max_lifetime=0.3, max_idle=0.5)
    with pool.connection() as conn:
        first = conn.info.backend_pid
    wait_until(lambda: [row["backend_pid"] for row in pool.status() if row["state"] == "idle"] not in ([first], []))


def test_a_connection_is_replaced_after_max_lifetime_on_return_and_on_checkout(make_pool):
    pool = make_pool(1, 1, max_lifetime=0.05, configure=lambda conn: time.sleep(0.01))
    conn = pool.getconn()
    first = conn.info.backend_pid
    time.sleep(0.06)
    pool.putconn(conn)
    conn = pool.getconn()
    second = conn.info.backend_pid
    assert second != first
    pool.putconn(conn)
    time.sleep(0.06)
    with pool.connection() as conn:
        assert conn.info.backend_pid not in (first, second)


def test_resize_grows_and_shrinks(make_pool, server):
    pool = make_pool(1, 2)
    pool.resize(0, 3)
    assert pool.get_stats()["pool_size"] == 0
    pool.open(wait=True)
    pool.resize(3, 4)
    pool.wait()
    assert pool.get_stats()["pool_available"] == 3
    conns = [pool.getconn() for _ in range(4)]
    pool.resize(1, 2)
    for conn in conns:
        pool.putconn(conn)
    wait_until(lambda: pool.get_stats()["pool_size"] == 2)
    wait_until(lambda: len(server.backends(pool.name)) == 2)
    with pytest.raises(ValueError, match="minconn"):
        pool.resize(3, 2)


def test_drain_replaces_idle_connections_at_once_and_others_on_return(make_pool):
    pool = make_pool(2, 2)
    pool.drain()
    assert pool.get_stats()["pool_size"] == 0
    pool.open(wait=True)
    held = pool.getconn()
    old = {row["backend_pid"] for row in pool.status()}
    pool.drain()
    wait_until(lambda: pool.get_stats()["pool_available"] == 1)
    pool.putconn(held)
    wait_until(lambda: pool.get_stats()["pool_available"] == 2)
    assert not old & {row["backend_pid"] for row in pool.status()}


def test_waiting_for_a_pool_that_cannot_connect_times_out(make_pool, server):
    pool = make_pool(1, 1, server.dsn(port=1))
    with pytest.raises(PoolTimeout, match="refused"):
        pool.wait(0.2)
