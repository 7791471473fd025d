"""Returned connections: open transactions, changed settings, running queries, and connections of others."""

import threading

import psycopg2
import pytest
from psycopg2 import extensions
from psycopg2.extras import DictCursor
from psycopg2.pool import PoolError

from tests.support.pool import select
from tests.support.servers import in_thread, wait_until


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


def test_a_running_query_is_closed_and_replaced(server, make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    query = in_thread(select, conn, "SELECT pg_sleep(30)")
    wait_until(lambda: server.is_busy(pool.name))
    pool.putconn(conn)
    with pytest.raises(psycopg2.errors.QueryCanceled):
        query.get()
    with pool.connection() as other:
        assert other is not conn
    assert pool.get_stats()["returns_bad"] == 1


def test_a_running_query_that_cannot_be_cancelled_is_cut(server, make_pool, monkeypatch):
    monkeypatch.setattr("polls.pool.slot.CancelKey.cancel", lambda key: "no way")
    pool = make_pool(1, 1)
    conn = pool.getconn()
    query = in_thread(select, conn, "SELECT pg_sleep(2)")
    wait_until(lambda: server.is_busy(pool.name))
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


def test_discard_keeps_the_encoding_that_configure_had_set(make_pool):
    pool = make_pool(1, 1, reset="discard", configure=lambda conn: conn.set_client_encoding("LATIN1"))
    with pool.connection() as first:
        assert select(first, "SELECT length('é')") == 1
    with pool.connection() as conn:
        assert conn is first
        assert conn.encoding == select(conn, "SHOW client_encoding") == "LATIN1"
        assert select(conn, "SELECT length('é')") == 1


def test_a_connection_that_cannot_say_how_it_is_is_replaced(make_pool):
    class Failing(extensions.connection):
        fails = False

        @property
        def notices(self):
            if self.fails:
                raise ValueError("no notices")
            return []

    pool = make_pool(1, 1, connection_factory=Failing)
    conn = pool.getconn()
    conn.fails = True
    pool.putconn(conn)
    with pool.connection() as other:
        assert other is not conn


def test_a_connection_whose_cleaning_was_cut_may_be_returned_again(make_pool):
    cut = threading.Event()
    pool = make_pool(0, 1, max_use=0.1, reset=lambda conn: cut.wait(10))
    conn = pool.getconn()
    returning = in_thread(pool.putconn, conn)
    wait_until(lambda: pool.status()[0]["state"] == "cut")
    pool.putconn(conn)
    wait_until(lambda: pool.get_stats()["pool_size"] == 0)
    cut.set()
    returning.get()
    wait_until(lambda: not any(member.is_busy for member in pool._workers.members) and not pool._state.todo.qsize())
    assert pool.get_stats()["requests_num"] == 1


def test_a_cleaning_that_could_not_be_cut_is_cut_again(make_pool, monkeypatch):
    def dup(fd):
        failed.append(fd)
        patch.undo()
        raise OSError("too many open files")

    failed = []
    pool = make_pool(1, 1, max_use=0.1, reset=lambda conn: select(conn, "SELECT pg_sleep(30)"))
    conn = pool.getconn()
    with monkeypatch.context() as patch:
        patch.setattr("polls.pool.slot.os.dup", dup)
        returning = in_thread(pool.putconn, conn)
        returning.get(5)
    assert failed
