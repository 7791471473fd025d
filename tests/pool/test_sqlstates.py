"""SQLSTATEs that speak of the server's end or state, where the server is well: the other connections stay."""

import psycopg2
import pytest

from tests.support.pool import select


def idle_pids(pool):
    """The backends of all connections of the pool, each taken once and given back."""
    conns = [pool.getconn(timeout=5) for _ in range(pool.maxconn)]
    for conn in conns:
        pool.putconn(conn)
    return {conn.info.backend_pid for conn in conns}


@pytest.fixture
def pool(make_pool):
    """A pool with four idle connections."""
    pool = make_pool(4, 4)
    pool.open(wait=True)
    return pool


def write_with(how):
    def write(conn):
        if how == "readonly":
            conn.readonly = True
        elif how == "set_session":
            conn.set_session(readonly=True)
        else:
            select(conn, how)
        select(conn, "CREATE TABLE refused (id int)")

    return write


@pytest.mark.parametrize(
    "how",
    ["readonly", "set_session", "SET TRANSACTION READ ONLY", "SET default_transaction_read_only = on; COMMIT; BEGIN"],
)
def test_a_borrowers_own_read_only_transaction_replaces_no_other_connection(pool, how):
    before = idle_pids(pool)
    write = write_with(how)
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), pool.connection() as conn:  # noqa: PT012 - one block
        own = conn.info.backend_pid
        write(conn)
    assert before - {own} <= idle_pids(pool)
    assert pool.get_stats()["connections_num"] <= 5


def test_many_read_only_transactions_that_write_replace_no_other_connection(pool):
    before = idle_pids(pool)
    write = write_with("readonly")
    for _ in range(10):
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), pool.connection() as conn:
            write(conn)
    assert len(before & idle_pids(pool)) >= 3


def test_a_backend_that_was_terminated_in_use_replaces_no_other_connection(pool):
    before = idle_pids(pool)
    with pytest.raises(psycopg2.OperationalError), pool.connection() as conn:  # noqa: PT012 - one block
        own = conn.info.backend_pid
        select(conn, "SELECT pg_terminate_backend(pg_backend_pid())")
    after = idle_pids(pool)
    assert before - {own} <= after
    assert own not in after


@pytest.mark.parametrize("code", ["57P01", "57P02", "57P03", "25006"])
def test_an_error_raised_by_a_function_replaces_no_connection_of_a_healthy_server(pool, code):
    before = idle_pids(pool)
    with pytest.raises(psycopg2.Error, match="over"), pool.connection() as conn:  # noqa: PT012 - one block
        own = conn.info.backend_pid
        select(conn, f"DO $$ BEGIN RAISE 'over' USING ERRCODE = '{code}'; END $$")
    assert before - {own} <= idle_pids(pool)
