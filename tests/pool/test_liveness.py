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
    [pid] = server.backends(pool._options.name)
    server.kill(pid)
    with pool.connection() as conn:
        assert select(conn, "SELECT pg_backend_pid()") != pid
    assert pool.get_stats()["connections_lost"] == 1


def test_a_restart_while_idle_costs_no_caller_an_error(make_pool, server):
    pool = idle(make_pool, 8)
    server.restart()
    started = time.monotonic()
    with pool.connection() as conn:
        assert select(conn) == 1
    assert time.monotonic() - started < 2
    wait_until(lambda: pool.get_stats()["pool_available"] == 8)


def test_a_restart_is_got_over_without_anybodys_help(make_pool, server):
    pool = idle(make_pool, 4)
    server.stop()
    wait_until(lambda: pool.get_stats()["pool_size"] < 4 and pool.get_stats()["connections_errors"] > 0)
    server.start()
    started = time.monotonic()
    wait_until(lambda: pool.get_stats()["pool_available"] > 0)
    assert time.monotonic() - started < 0.25
    wait_until(lambda: pool.get_stats()["pool_available"] == 4)


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
    [pid] = server.backends(pool._options.name)
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
    [first, *others] = [slot for _, slot in pool._idle][::-1]
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
    pids = server.backends(pool._options.name)
    server.kill(pids[0])
    pool.check()
    wait_until(lambda: pool.get_stats()["pool_available"] == 3)
    assert set(pids[1:]) < set(server.backends(pool._options.name))


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
    [(_, other)] = pool._idle[:]
    pool.putconn(conn)
    assert other.due_ns == 0
    assert pool.get_stats()["returns_bad"] == 1


def fail(pool, code):
    """Have the server raise an error with this SQLSTATE."""
    with pool.connection() as conn:
        select(conn, f"DO $$ BEGIN RAISE 'over' USING ERRCODE = '{code}'; END $$")


@pytest.mark.parametrize("code", ["57P01", "57P02", "57P03", "25006"])
def test_a_server_that_goes_down_retires_the_generation(make_pool, server, code):
    pool = idle(make_pool, 3)
    before = server.backends(pool._options.name)
    with pytest.raises(psycopg2.Error, match="over"):
        fail(pool, code)
    wait_until(lambda: not set(before) & set(server.backends(pool._options.name)))
    wait_until(lambda: pool.get_stats()["pool_available"] == 3)


def test_a_generation_is_retired_once(make_pool, server):
    pool = idle(make_pool, 2)
    with pytest.raises(psycopg2.Error, match="over"), pool.connection() as conn:
        fail_on(pool, conn, server)
    wait_until(lambda: pool.get_stats()["pool_available"] == 2)
    assert pool.get_stats()["connections_num"] == 4


def fail_on(pool, conn, server):
    """Fail on another connection, wait for its generation to be replaced, and fail on this one."""
    with pytest.raises(psycopg2.Error, match="over"):
        fail(pool, "57P01")
    wait_until(lambda: pool.get_stats()["connections_num"] == 3 and pool.get_stats()["pool_available"] == 1)
    select(conn, "DO $$ BEGIN RAISE 'over' USING ERRCODE = '57P01'; END $$")


def test_a_server_that_became_read_only_retires_the_generation(make_pool, server):
    pool = idle(make_pool, 2)
    before = server.backends(pool._options.name)
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), pool.connection() as conn:
        write(conn)
    wait_until(lambda: not set(before) & set(server.backends(pool._options.name)))


def write(conn):
    conn.readonly = True
    select(conn, "CREATE TABLE refused (id int)")


def test_a_commit_that_fails_on_a_read_only_server_retires_the_generation(make_pool, server):
    pool = idle(make_pool, 2)
    before = server.backends(pool._options.name)
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), pool.connection() as conn:
        write_at_commit(conn)
    wait_until(lambda: not set(before) & set(server.backends(pool._options.name)))


def write_at_commit(conn):
    """Leave a statement to the commit that a read-only server refuses."""
    select(
        conn,
        """
        CREATE TEMPORARY TABLE late (id int);
        CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE 'read-only' USING ERRCODE = '25006'; END $$;
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
        INSERT INTO late VALUES (1)
        """,
    )


@pytest.mark.slow
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
