"""The pool: its contract, its options, what comes back and what it tells."""

import inspect
import logging
import threading
import time

import psycopg2
import pytest
from psycopg2 import extensions
from psycopg2.extras import DictCursor
from psycopg2.pool import AbstractConnectionPool, PoolError

from polls.pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests
from polls.pool.slot import Borrower
from tests.support.pool import select
from tests.support.servers import in_thread, wait_until

# The contract


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
    assert server.backends(pool._options.name) == []
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
    wait_until(lambda: server.backends(pool._options.name) == [])
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


# What comes back


def test_an_idle_return_costs_no_round_trip(make_pool, server):
    pool = make_pool()
    conn = pool.getconn()
    with conn.cursor() as cursor:
        cursor.execute("SELECT 1")
    conn.commit()
    [(before,)] = server.run("SELECT query FROM pg_stat_activity WHERE pid = %s", conn.info.backend_pid)
    pool.putconn(conn)
    assert pool.getconn() is conn
    [(after,)] = server.run("SELECT query FROM pg_stat_activity WHERE pid = %s", conn.info.backend_pid)
    assert before == after == "COMMIT"


def test_an_open_transaction_is_rolled_back_with_a_warning_that_names_the_place(make_pool, caplog):
    pool = make_pool()
    conn = pool.getconn()
    select(conn, "CREATE TABLE IF NOT EXISTS never (id int)")
    pool.putconn(conn)
    assert "rolls back" in caplog.text
    assert __file__ in caplog.text
    with pool.connection() as conn:
        assert select(conn, "SELECT to_regclass('never')") is None


def test_a_failed_transaction_is_rolled_back(make_pool):
    pool = make_pool()
    conn = pool.getconn()
    with pytest.raises(psycopg2.ProgrammingError):
        select(conn, "SELECT nonsense")
    pool.putconn(conn)
    assert pool.getconn() is conn
    assert select(conn) == 1


def test_a_begin_in_autocommit_is_rolled_back(make_pool):
    pool = make_pool()
    conn = pool.getconn()
    conn.autocommit = True
    select(conn, "BEGIN")
    pool.putconn(conn)
    assert pool.getconn() is conn
    assert conn.get_transaction_status() == extensions.TRANSACTION_STATUS_IDLE
    assert not conn.autocommit


def test_a_commit_sent_as_a_statement_leaves_no_trace(make_pool):
    pool = make_pool()
    conn = pool.getconn()
    select(conn, "COMMIT")
    pool.putconn(conn)
    assert pool.getconn() is conn
    assert conn.status == extensions.STATUS_READY


def test_settings_of_the_client_are_restored(make_pool):
    pool = make_pool()
    conn = pool.getconn()
    conn.set_session(isolation_level="SERIALIZABLE", readonly=True, deferrable=True, autocommit=True)
    conn.cursor_factory = DictCursor
    pool.putconn(conn)
    assert pool.getconn() is conn
    assert (conn.autocommit, conn.isolation_level, conn.readonly, conn.deferrable) == (False, None, None, None)
    assert conn.cursor_factory is None


def test_settings_made_by_configure_are_the_ones_restored(make_pool):
    pool = make_pool(configure=lambda conn: conn.set_session(autocommit=True))
    with pool.connection() as conn:
        assert conn.autocommit
        conn.autocommit = False
    with pool.connection() as conn:
        assert conn.autocommit


def test_session_state_survives_a_rollback_and_not_a_discard(make_pool):
    for reset, expected in (("rollback", "5s"), ("discard", "0")):
        pool = make_pool(1, 1, reset=reset)
        with pool.connection(autocommit=True) as conn:
            select(conn, "SET statement_timeout = '5s'")
            pid = conn.info.backend_pid
        with pool.connection() as conn:
            assert conn.info.backend_pid == pid
            assert select(conn, "SHOW statement_timeout") == expected


def test_discard_keeps_what_psycopg2_and_configure_had_set(make_pool, server):
    def configure(conn):
        conn.autocommit = True
        select(conn, "SET application_name = 'configured'")
        conn.autocommit = False

    dsn = server.dsn(options="-c datestyle=German")
    pool = make_pool(1, 1, dsn, reset="discard", configure=configure)
    with pool.connection() as conn:
        conn.set_client_encoding("LATIN1")
    with pool.connection() as conn:
        assert conn.encoding == "UTF8"
        assert select(conn, "SHOW client_encoding") == "UTF8"
        assert select(conn, "SHOW datestyle").startswith("ISO")
        assert select(conn, "SHOW application_name") == "configured"


def test_reset_may_be_a_callable(make_pool):
    seen = []
    pool = make_pool(1, 1, reset=seen.append)
    with pool.connection() as conn:
        pass
    assert seen == [conn]


def test_a_reset_that_fails_costs_the_connection_and_nothing_else(make_pool, caplog):
    def reset(conn):
        raise ValueError("reset failed")

    pool = make_pool(1, 1, reset=reset)
    with pool.connection() as first:
        pass
    with pool.connection() as second:
        assert second is not first
    assert "reset failed" in caplog.text
    assert pool.get_stats()["returns_bad"] >= 1


def test_a_running_query_is_closed_and_replaced(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    query = in_thread(select, conn, "SELECT pg_sleep(30)")
    wait_until(lambda: conn.get_transaction_status() == extensions.TRANSACTION_STATUS_ACTIVE)
    pool.putconn(conn)
    with pytest.raises(psycopg2.errors.QueryCanceled):
        query.get()
    with pool.connection() as other:
        assert other is not conn
    assert pool.get_stats()["returns_bad"] == 1


def test_a_running_query_that_cannot_be_cancelled_is_cut(make_pool, monkeypatch):
    monkeypatch.setattr("polls.pool.renewal.cancel_queries", lambda pool, pids: False)
    pool = make_pool(1, 1)
    conn = pool.getconn()
    query = in_thread(select, conn, "SELECT pg_sleep(2)")
    wait_until(lambda: conn.get_transaction_status() == extensions.TRANSACTION_STATUS_ACTIVE)
    pool.putconn(conn)
    with pytest.raises(psycopg2.DatabaseError, match="server closed the connection"):
        query.get()
    with pool.connection() as other:
        assert other is not conn


def test_a_prepared_transaction_is_closed_and_replaced(make_pool, server):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    conn.tpc_begin("prepared")
    select(conn)
    conn.tpc_prepare()
    pool.putconn(conn)
    with pool.connection(autocommit=True) as other:
        assert other is not conn
        other.cursor().execute("ROLLBACK PREPARED 'prepared'")
    assert pool.get_stats()["returns_bad"] == 1


def test_a_connection_closed_by_its_borrower_is_replaced(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    conn.close()
    pool.putconn(conn)
    with pool.connection() as other:
        assert select(other) == 1
    with pytest.raises(psycopg2.InterfaceError), pool.connection() as conn:  # nothing was committed: say so
        conn.close()


def test_a_connection_returned_twice_is_refused_and_the_pool_intact(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    pool.putconn(conn)
    with pytest.raises(PoolError, match="returned already"):
        pool.putconn(conn)
    assert pool.getconn() is conn
    pool.putconn(conn)
    assert pool.get_stats()["pool_size"] == pool.get_stats()["pool_available"] == 1


def test_a_foreign_connection_is_refused_and_left_alone(make_pool, server):
    pool = make_pool()
    foreign = psycopg2.connect(server.dsn())
    with pytest.raises(PoolError, match="another's"):
        pool.putconn(foreign)
    assert select(foreign) == 1
    foreign.close()


# The context manager


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


# What it tells


def test_statistics_have_all_keys_from_the_start(make_pool):
    from polls.pool import PoolStats

    pool = make_pool(1, 2)
    assert set(pool.get_stats()) == set(PoolStats.__annotations__)
    assert all(isinstance(value, int | float) for value in pool.get_stats().values())


def test_statistics_are_exact(make_pool):
    pool = make_pool(1, 2)
    for _ in range(3):
        with pool.connection():
            pass
    both = [pool.getconn(), pool.getconn()]
    with pytest.raises(PoolTimeout):
        in_thread(pool.getconn, timeout=0.05).get()
    stats = pool.get_stats()
    assert stats["requests_num"] == 6
    assert stats["requests_errors"] == 1
    assert stats["connections_num"] == stats["pool_size"] == 2
    assert stats["pool_available"] == stats["requests_waiting"] == 0
    assert 0 < stats["usage_ms"] < 5000
    assert stats["requests_wait_ms"] >= 50
    for conn in both:
        pool.putconn(conn)
    assert pool.get_stats()["pool_available"] == 2


def test_popped_statistics_start_again(make_pool):
    pool = make_pool()
    with pool.connection():
        pass
    assert pool.pop_stats()["requests_num"] == 1
    stats = pool.get_stats()
    assert (stats["requests_num"], stats["usage_ms"], stats["connections_num"], stats["pool_size"]) == (0, 0, 0, 1)


def test_how_long_the_first_has_waited_is_known(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    waiting = in_thread(pool.getconn)
    wait_until(lambda: pool.get_stats()["oldest_wait_ms"] > 10)
    pool.putconn(conn)
    pool.putconn(waiting.get())
    assert pool.get_stats()["oldest_wait_ms"] == 0


def test_status_has_a_row_for_each_connection(make_pool):
    pool = make_pool(0, 2)
    conn, idle = pool.getconn(), pool.getconn()
    pool.putconn(idle)
    mine, other = pool.status()
    assert mine["backend_pid"] == conn.info.backend_pid
    assert mine["state"] == "in use"
    assert mine["thread"] == threading.current_thread().name
    assert mine["taken"].startswith(__file__)
    assert mine["held_ms"] > 0 < mine["age_ms"]
    assert mine["uses"] == 1
    assert (other["state"], other["held_ms"], other["thread"], other["taken"]) == ("idle", None, None, None)
    pool.putconn(conn)


def test_the_place_is_that_of_the_with_statement(make_pool):
    pool = make_pool()
    with pool.connection():
        line = inspect.currentframe().f_lineno - 1
        assert pool.status()[0]["taken"] == f"{__file__}:{line}"


def test_a_thread_that_ended_is_still_told(make_pool):
    pool = make_pool()
    conn = in_thread(pool.getconn).get()
    assert "ended thread" in pool.status()[0]["thread"]
    pool.putconn(conn)


def test_a_borrower_without_a_place_has_none():
    assert Borrower(0, None, 0, 0).place() == "nowhere"


def test_repr_shows_the_state(make_pool):
    pool = make_pool(1, 3)
    assert "open: 0 idle of 0, max 3, 0 waiting" in repr(pool)
    conn = pool.getconn()
    assert "open: 0 idle of 1, max 3, 0 waiting" in repr(pool)
    pool.putconn(conn)
    pool.close()
    assert "closed: 0 idle of 0" in repr(pool)


def test_nothing_is_logged_per_checkout(make_pool, caplog):
    caplog.set_level(logging.DEBUG, "polls.pool")
    pool = make_pool()
    for _ in range(10):
        with pool.connection() as conn:
            select(conn)
    assert caplog.records == []


# Size and age


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
    assert len(server.backends(pool._options.name)) == 1
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
    wait_until(lambda: len(server.backends(pool._options.name)) == 2)
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


def test_histograms_count_every_wait_use_and_connect(make_pool):
    pool = make_pool(1, 1)
    for _ in range(3):
        with pool.connection() as conn:
            select(conn)
    before = pool.get_histograms()
    assert (sum(before["wait"]), sum(before["use"]), sum(before["connect"])) == (3, 3, 1)
    assert before["wait"][0] == 2  # served at once, all but the first
    with pool.connection():
        waiting = in_thread(pool.getconn)
        wait_until(pool.get_waiters)
    pool.putconn(waiting.get())
    after = pool.get_histograms()
    assert (sum(after["wait"]), sum(after["use"]), sum(after["connect"])) == (5, 5, 1)
    pool.drain()
    wait_until(lambda: pool.get_stats()["connections_num"] == 2)
    assert sum(wait_until(lambda: pool.get_histograms())["use"]) == 5  # what is closed stays counted


def test_waiters_are_told_with_thread_and_place(make_pool):
    pool = make_pool(1, 1)
    with pool.connection():
        assert pool.get_waiters() == []
        waiting = in_thread(pool.getconn)
        [row] = wait_until(pool.get_waiters)
        assert row["taken"].split(":")[0].endswith("servers.py")
        assert row["thread"] == waiting.thread.name
        assert row["waited_ms"] > 0
    pool.putconn(waiting.get())
    assert pool.get_waiters() == []
