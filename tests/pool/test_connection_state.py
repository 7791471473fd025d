"""What is on the connection object itself: nothing of it is left to the next borrower."""

import psycopg2
import pytest
from psycopg2.extensions import new_type, register_type

from tests.support.pool import select
from tests.support.servers import wait_until

INTEGER = 23


@pytest.fixture(params=["rollback", "discard"])
def pool(make_pool, request):
    """A pool with one connection."""
    return make_pool(1, 1, reset=request.param)


def test_notifications_are_not_left_to_the_next_borrower(pool, server):
    with pool.connection(autocommit=True) as conn:
        select(conn, "LISTEN channel")
        server.run("SELECT pg_notify('channel', 'hello')")
        wait_until(lambda: conn.poll() is not None and conn.notifies)
    with pool.connection() as other:
        assert other is conn
        assert list(other.notifies) == []


def test_notices_are_not_left_to_the_next_borrower(pool):
    with pool.connection() as conn:
        select(conn, "DO $$ BEGIN RAISE NOTICE 'for the first only'; END $$")
        assert conn.notices
    with pool.connection() as other:
        assert other is conn
        assert list(other.notices) == []


def test_containers_for_notices_and_notifications_are_not_left_to_the_next_borrower(pool):
    notices, notifies = [], []
    with pool.connection() as conn:
        conn.notices, conn.notifies = notices, notifies
    with pool.connection() as other:
        assert other is conn
        select(other, "DO $$ BEGIN RAISE NOTICE 'for the second only'; END $$")
        assert len(other.notices) == 1
    assert (notices, notifies) == ([], [])


def test_typecasters_are_not_left_to_the_next_borrower(pool):
    with pool.connection() as conn:
        register_type(new_type((INTEGER,), "MINE", lambda value, cursor: f"mine: {value}"), conn)
        assert select(conn) == "mine: 1"
    with pool.connection() as other:
        assert other is conn
        assert select(other) == 1


@pytest.mark.parametrize("reset", ["rollback", "discard"])
def test_typecasters_of_configure_stay_and_those_of_borrowers_go(make_pool, reset):
    def configure(conn):
        register_type(new_type((INTEGER,), "OURS", lambda value, cursor: f"ours: {value}"), conn)

    pool = make_pool(1, 1, reset=reset, configure=configure)
    for _ in range(2):
        with pool.connection() as conn:
            assert select(conn) == "ours: 1"
            assert select(conn, "SELECT 1::bigint") == 1
            register_type(new_type((INTEGER, 20), "MINE", lambda value, cursor: "mine"), conn)
            assert select(conn) == select(conn, "SELECT 1::bigint") == "mine"


def test_the_encoding_is_not_left_to_the_next_borrower(pool):
    with pool.connection() as conn:
        conn.set_client_encoding("LATIN1")
    with pool.connection() as other:
        assert other.encoding == "UTF8"
        assert select(other, "SHOW client_encoding") == "UTF8"
        assert select(other, "SELECT 'ä語'") == "ä語"


def test_an_encoding_of_the_dsn_is_gone_back_to(make_pool, server):
    pool = make_pool(1, 1, server.dsn(client_encoding="LATIN1"))
    with pool.connection() as conn:
        conn.set_client_encoding("UTF8")
    with pool.connection() as other:
        assert select(other, "SHOW client_encoding") == "LATIN1"


def leave_prepared(pool, name):
    """Return a connection with a transaction that is prepared."""
    conn = pool.getconn()
    conn.tpc_begin(name)
    select(conn, "CREATE TABLE of_two_phases (id int)")
    conn.tpc_prepare()
    pool.putconn(conn)


def test_a_prepared_transaction_left_behind_is_logged_with_its_place(pool, server, caplog):
    leave_prepared(pool, "left")
    try:
        [message] = [record.getMessage() for record in caplog.records if "prepared" in record.getMessage()]
        assert f"{__file__}:{leave_prepared.__code__.co_firstlineno + 2}" in message
        with pool.connection() as conn:
            assert select(conn) == 1
    finally:
        conn = psycopg2.connect(server.dsn())
        conn.autocommit = True
        select(conn, "ROLLBACK PREPARED 'left'")
        conn.close()
