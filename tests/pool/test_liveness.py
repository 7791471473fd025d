"""The pool and a server that fails: dead, restarted, silent or read-only, while the pool is used and while idle."""

import contextlib
import threading
import time
from select import select as select_ready

import psycopg2
import pytest

from polls.pool import PoolTimeout
from tests.support.pool import select
from tests.support.servers import in_thread, wait_until


def idle(make_pool, count, *arguments, **options):
    """A pool with `count` idle connections."""
    pool = make_pool(count, count, *arguments, **options)
    pool.open(wait=True)
    return pool


@pytest.mark.parametrize("tcp", [False, True])
def test_a_killed_backend_costs_no_caller_an_error(make_pool, server, tcp):
    pool = idle(make_pool, 1, server.dsn(tcp=tcp))
    [pid] = server.backends(pool.name)
    server.kill(pid)
    with pool.connection() as conn:
        assert select(conn, "SELECT pg_backend_pid()") != pid
    assert pool.get_stats()["connections_lost"] == 1


@pytest.mark.usefixtures("private_server")
def test_a_restart_while_idle_costs_no_caller_an_error(make_pool, server):
    pool = idle(make_pool, 8)
    server.restart()
    started = time.monotonic()
    with pool.connection() as conn:
        assert select(conn) == 1
    assert time.monotonic() - started < 2
    wait_until(lambda: pool.get_stats()["pool_available"] == 8)


@pytest.mark.usefixtures("private_server")
def test_a_restart_is_got_over_without_anybodys_help(make_pool, server):
    pool = idle(make_pool, 4)
    server.stop()
    wait_until(lambda: pool.get_stats()["pool_size"] < 4 and pool.get_stats()["connections_errors"] > 0)
    server.start()
    started = time.monotonic()
    wait_until(lambda: pool.get_stats()["pool_available"] > 0)
    assert time.monotonic() - started < 0.25
    wait_until(lambda: pool.get_stats()["pool_available"] == 4)


@pytest.mark.usefixtures("private_server")
def test_while_the_server_is_down_one_prober_tries_and_callers_learn_the_cause(make_pool, server):
    pool = idle(make_pool, 4)
    server.stop()
    try:
        callers = [in_thread(pool.getconn, timeout=0.5) for _ in range(8)]
        for caller in callers:
            with pytest.raises(PoolTimeout, match=r"No such file|refused") as raised:
                caller.get()
            assert isinstance(raised.value.__cause__, psycopg2.OperationalError)
            assert caller.seconds < 1.5
        states = [row["state"] for row in pool.status()]
        assert states.count("connecting") <= 1
        before = pool.get_stats()["connections_num"]
        time.sleep(0.5)
        assert pool.get_stats()["connections_num"] - before < 10
    finally:
        server.start()
    waited = time.monotonic()
    pool.putconn(pool.getconn())
    assert time.monotonic() - waited < 1


def test_nobody_probes_for_a_pool_that_needs_nothing(make_pool, server):
    pool = make_pool(0, 2, server.dsn(port=1), timeout=0.1)
    with pytest.raises(PoolTimeout):
        pool.getconn()
    wait_until(lambda: pool.get_stats()["pool_size"] == 0)


@contextlib.contextmanager
def suppress_into(errors):
    try:
        yield
    except psycopg2.DatabaseError as error:
        errors.append(error)


@pytest.mark.usefixtures("private_server")
def test_a_restart_under_load_costs_no_more_than_the_queries_in_flight(make_pool, server):
    pool = idle(make_pool, 8, timeout=10)
    errors, stop = [], threading.Event()

    def work():
        while not stop.is_set():
            with suppress_into(errors), pool.connection(autocommit=True) as conn:
                select(conn)

    workers = [in_thread(work) for _ in range(8)]
    time.sleep(0.2)
    server.restart()
    time.sleep(0.3)
    stop.set()
    for worker in workers:
        worker.get()
    assert len(errors) <= 8, errors
    wait_until(lambda: pool.get_stats()["pool_available"] == pool.get_stats()["pool_size"])


def test_a_notification_in_the_socket_is_no_reason_to_discard(make_pool, server):
    pool = make_pool(1, 1)
    with pool.connection(autocommit=True) as conn:
        select(conn, "LISTEN channel")
        pid = conn.info.backend_pid
    server.run("SELECT pg_notify('channel', 'hello')")
    readable, _, _ = select_ready([conn], [], [], 10)
    assert readable
    with pool.connection() as conn:
        assert conn.info.backend_pid == pid
        assert [notify.payload for notify in conn.notifies] == ["hello"]
        conn.notifies.clear()
    assert pool.get_stats()["connections_lost"] == 0


def test_a_connection_that_rested_for_long_is_pinged(make_pool, server):
    pool = idle(make_pool, 1, check_idle=0.05)
    [pid] = server.backends(pool.name)
    time.sleep(0.06)
    with pool.connection() as conn:
        assert conn.get_transaction_status() == 0
        [(query,)] = server.run("SELECT query FROM pg_stat_activity WHERE pid = %s", pid)
        assert query == "SELECT 1"


def test_a_connection_swallowed_by_the_network_is_found_by_the_ping_and_replaced(make_pool, server, proxy):
    pool = idle(make_pool, 1, server.dsn(port=proxy.port), check_idle=0.05)
    time.sleep(0.06)
    proxy.swallowing.set()
    caller = in_thread(pool.getconn, timeout=8)
    wait_until(lambda: pool.status()[0]["state"] == "checking")
    pairs, proxy._pairs = proxy._pairs, []
    proxy.swallowing.clear()
    for client, _ in pairs:
        assert client.fileno() > 0
    wait_until(lambda: pool.get_stats()["pool_size"] == 1)
    conn = caller.get()
    assert select(conn) == 1
    pool.putconn(conn)


def test_the_first_dead_connection_makes_the_others_suspect(make_pool, server):
    pool = idle(make_pool, 3)
    [first, *others] = [slot for _, slot in pool._state.idle][::-1]
    server.kill(first.pid)
    with pool.connection():
        pass
    wait_until(lambda: pool.get_stats()["connections_lost"] == 1)
    assert 0 in [slot.due_ns for slot in others]
    for conn in [pool.getconn() for _ in range(3)]:
        assert select(conn) == 1
        conn.rollback()
        pool.putconn(conn)


def test_check_replaces_the_dead_and_keeps_the_others(make_pool, server):
    pool = idle(make_pool, 3)
    pids = server.backends(pool.name)
    server.kill(pids[0])
    pool.check()
    wait_until(lambda: pool.get_stats()["pool_available"] == 3)
    assert set(pids[1:]) < set(server.backends(pool.name))


def test_a_connection_cut_by_the_network_is_replaced(make_pool, server, proxy):
    pool = idle(make_pool, 1, server.dsn(port=proxy.port))
    proxy.cut()
    with pool.connection() as conn:
        assert select(conn) == 1


def test_a_broken_connection_that_comes_back_makes_the_others_suspect(make_pool, server):
    pool = idle(make_pool, 2)
    conn = pool.getconn()
    server.kill(conn.info.backend_pid)
    with pytest.raises(psycopg2.DatabaseError):
        select(conn)
    [(_, other)] = pool._state.idle[:]
    pool.putconn(conn)
    assert other.due_ns == 0
    assert pool.get_stats()["returns_bad"] == 1


@pytest.fixture
def standby(server):
    """A schema whose functions say that the server is a standby, for sessions that have it first in their path."""
    with psycopg2.connect(server.dsn()) as conn, conn.cursor() as cursor:
        cursor.execute("CREATE SCHEMA standby")
        cursor.execute("CREATE FUNCTION standby.pg_is_in_recovery() RETURNS bool LANGUAGE sql AS 'SELECT true'")
    yield "standby, pg_catalog"
    with conn, conn.cursor() as cursor:
        cursor.execute("DROP SCHEMA standby CASCADE")
    conn.close()


def write(conn, path):
    select(conn, f"SET search_path TO {path}; COMMIT; BEGIN")
    select(conn, "DO $$ BEGIN RAISE 'read-only' USING ERRCODE = '25006'; END $$")


def write_at_commit(conn, path):
    select(
        conn,
        f"""
        CREATE TEMPORARY TABLE late (id int);
        CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE 'read-only' USING ERRCODE = '25006'; END $$;
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
        SET search_path TO {path};
        COMMIT; BEGIN;
        INSERT INTO late VALUES (1)
        """,
    )


@pytest.mark.parametrize("fail", [write, write_at_commit])
def test_a_server_that_became_a_standby_retires_the_generation(make_pool, server, standby, fail):
    pool = idle(make_pool, 3)
    before = server.backends(pool.name)
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), pool.connection() as conn:
        fail(conn, standby)
    wait_until(lambda: not set(before) & set(server.backends(pool.name)))
    wait_until(lambda: pool.get_stats()["pool_available"] == 3)


def test_a_generation_is_retired_once(make_pool, standby):
    pool = idle(make_pool, 2)
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), pool.connection() as conn:
        write_after_another(pool, conn, standby)
    wait_until(lambda: pool.get_stats()["pool_available"] == 2)
    assert pool.get_stats()["connections_num"] == 4


def write_after_another(pool, late, standby):
    """Fail on another connection of the pool, wait until it is replaced, and fail on this one."""
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), pool.connection() as conn:
        write(conn, standby)
    wait_until(lambda: pool.get_stats()["connections_num"] == 3 and pool.get_stats()["pool_available"] == 1)
    write(late, standby)


@pytest.mark.parametrize("code", ["57P01", "57P02", "57P03"])
def test_a_server_that_goes_down_makes_the_others_suspect(make_pool, server, code):
    pool = idle(make_pool, 2)
    before = server.backends(pool.name)
    slots = [slot for _, slot in pool._state.idle]
    with pytest.raises(psycopg2.Error, match="over"), pool.connection() as conn:
        select(conn, f"DO $$ BEGIN RAISE 'over' USING ERRCODE = '{code}'; END $$")
    assert [slot.due_ns == 0 for slot in slots].count(True) == 1
    assert set(server.backends(pool.name)) == set(before)


@pytest.mark.slow
@pytest.mark.usefixtures("private_server")
def test_a_query_on_a_silent_server_ends_after_max_use(make_pool, server, caplog):
    pool = make_pool(1, 1, max_use=0.5, timeout=5)
    query = in_thread(lambda: run_in(pool, "SELECT pg_sleep(0)"))
    query.get()
    conn = pool.getconn()
    with server.silence():
        query = in_thread(select, conn)
        with pytest.raises(psycopg2.DatabaseError):
            query.get(5)
        assert query.seconds < 3
        assert pool.status()[0]["state"] == "cut"
        pool.putconn(conn)
        wait_until(lambda: conn.closed)
    with pool.connection() as other:
        assert select(other) == 1
    assert "is cut off from thread" in caplog.text
    assert __file__ in caplog.text


def run_in(pool, statement):
    with pool.connection() as conn:
        return select(conn, statement)


@pytest.mark.usefixtures("private_server")
def test_a_rollback_on_a_silent_server_ends_after_max_use(make_pool, server):
    pool = make_pool(1, 1, max_use=0.3)
    conn = pool.getconn()
    select(conn)
    with server.silence():
        returned = in_thread(pool.putconn, conn)
        returned.get(3)
    with pool.connection() as other:
        assert select(other) == 1


def test_a_connection_by_key_is_cut_too(make_pool, server):
    pool = make_pool(1, 1, max_use=0.1)
    conn = pool.getconn("key")
    wait_until(lambda: pool.status()[0]["state"] == "cut")
    with pytest.raises(psycopg2.DatabaseError):
        select(conn)
    pool.putconn(conn)
    with pool.connection() as other:
        assert select(other) == 1


def test_connections_to_a_standby_stay_when_it_refuses_to_write(make_pool, server, standby):
    pool = idle(make_pool, 2)
    before = server.backends(pool.name)
    for _, slot in pool._state.idle:
        slot.is_standby = True  # as the server says when it is connected to
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), pool.connection() as conn:
        write(conn, standby)
    assert server.backends(pool.name) == before
    assert pool.get_stats()["pool_available"] == 2
