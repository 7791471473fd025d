"""Errors of connecting: passing and permanent ones, connections that are not fit, and connects that never end."""

import contextlib
import logging
import threading
import time

import psycopg2
import pytest
from psycopg2.extensions import make_dsn
from psycopg2.pool import PoolError

from polls.pool import ConnectFailed, ConnectionPool, PoolTimeout, task
from tests.support.pool import Bolt, select
from tests.support.servers import Server, in_thread, wait_until


def execute(server, statement):
    """Run a statement that returns no rows."""
    conn = psycopg2.connect(server.dsn())
    try:
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute(statement)
    finally:
        conn.close()


# An attempt that ends with any exception is an attempt that failed


class Failing:
    """A hook whose calls end with these exceptions, one after the other, before they work."""

    def __init__(self, errors, keep):
        self.errors = list(errors)
        self.keep = keep
        self.kept = []

    def fail(self):
        if self.errors:
            error = self.errors.pop(0)
            try:
                raise error
            except BaseException as raised:
                if self.keep:
                    self.kept.append(raised)
                raise

    def connect(self, *arguments, **options):
        self.fail()
        return psycopg2.connect(*arguments, **options)

    def configure(self, conn):
        self.fail()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # said of itself, not of the slot
@pytest.mark.parametrize("keep", [False, True], ids=["forgotten", "kept"])
@pytest.mark.parametrize("hook", ["connect", "configure"])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, Bolt])
def test_any_exception_of_a_hook_is_an_attempt_that_failed(make_pool, server, caplog, kind, hook, keep):
    failing = Failing([psycopg2.OperationalError("not yet"), kind("ended by the hook")], keep)
    pool = make_pool(1, 1, **{hook: getattr(failing, hook)})
    conn = in_thread(pool.getconn, timeout=5).get()
    assert select(conn) == 1
    conn.rollback()
    pool.putconn(conn)
    stats = pool.get_stats()
    assert (stats["pool_size"], stats["pool_available"], stats["connections_errors"]) == (1, 1, 2)
    assert len(server.backends(pool.name)) == 1
    assert "ended by the hook" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("hook", ["connect", "configure"])
def test_many_exceptions_of_a_hook_leave_threads_that_work(make_pool, hook):
    failing = Failing([Bolt("ended by the hook") for _ in range(12)], keep=True)
    pool = make_pool(2, 2, **{hook: getattr(failing, hook)})
    pool.open()
    wait_until(lambda: pool.get_stats()["pool_available"] == 2, 15)
    assert pool.get_stats()["connections_errors"] == 12
    assert not pool.connecting_fails


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_callers_learn_of_an_exception_that_ends_every_attempt(make_pool):
    failing = Failing([SystemExit("ended by the hook") for _ in range(1000)], keep=True)
    pool = make_pool(0, 1, connect=failing.connect)
    with pytest.raises(PoolError, match="ended by the hook"):
        pool.getconn(timeout=1)
    assert "ended by the hook" in pool.last_failure.message


# A connection that is not fit is refused


def connect_in_transaction(*arguments, **options):
    conn = psycopg2.connect(*arguments, **options)
    select(conn)
    return conn


def connect_asynchronously(*arguments, **options):
    return psycopg2.connect(*arguments, async_=1, **options)


@pytest.mark.parametrize(
    ("connect", "reason"), [(connect_in_transaction, "transaction"), (connect_asynchronously, "asynchronous")]
)
def test_a_connection_that_is_not_fit_is_refused_with_the_reason_and_closed(make_pool, server, caplog, connect, reason):
    made = []

    def remember(*arguments, **options):
        made.append(connect(*arguments, **options))
        return made[-1]

    pool = make_pool(0, 2, connect=remember)
    with pytest.raises(PoolError, match=reason):
        pool.getconn(timeout=1)
    assert reason in caplog.text
    wait_until(lambda: all(conn.closed for conn in made), 5)
    wait_until(lambda: server.backends(pool.name) == [], 5)


# Permanent errors are told at once


@pytest.fixture(scope="module")
def guarded():
    """A server that asks one of its roles for a password."""
    server = Server()
    try:
        rules = "local all guest scram-sha-256\nlocal all all trust\nhost all all all scram-sha-256\n"
        (server.folder / "data" / "pg_hba.conf").write_text(rules)
        server.start()
        execute(server, "CREATE ROLE guest LOGIN PASSWORD 'right'")
        yield server
    finally:
        server.remove()


PERMANENT = {
    "password": ({"user": "guest", "password": "wrong"}, "password authentication failed"),
    "database": ({"dbname": "missing"}, 'database "missing" does not exist'),
    "role": ({"user": "nobody_here"}, 'role "nobody_here" does not exist'),
    "option": ({"nonsense": "1"}, 'invalid connection option "nonsense"'),
}


@contextlib.contextmanager
def pool_at(server, minconn=0, maxconn=2, **options):
    pool = ConnectionPool(minconn, maxconn, server.dsn(), **options)
    try:
        yield pool
    finally:
        in_thread(pool.close, 0).get()


@pytest.mark.parametrize("fault", PERMANENT)
def test_a_permanent_error_is_told_at_once_with_its_cause(guarded, fault):
    options, reason = PERMANENT[fault]
    with pool_at(guarded, **options) as pool:
        for _ in range(3):
            caller = in_thread(pool.getconn, timeout=10)
            with pytest.raises(PoolError, match=reason) as raised:
                caller.get()
            assert caller.seconds < 1
            assert isinstance(raised.value, psycopg2.OperationalError)
            assert isinstance(raised.value.__cause__, psycopg2.Error)
            assert reason in str(raised.value.__cause__)


def test_every_caller_who_waits_is_told_of_a_permanent_error(guarded):
    with pool_at(guarded, dbname="missing") as pool:
        callers = [in_thread(pool.getconn, timeout=10) for _ in range(8)]
        for caller in callers:
            with pytest.raises(PoolError, match='"missing" does not exist'):
                caller.get()
            assert caller.seconds < 1.5


@pytest.mark.parametrize("fault", PERMANENT)
def test_a_permanent_error_is_tried_again_at_most_every_two_seconds(guarded, fault):
    attempts = []

    def connect(*arguments, **options):
        attempts.append(time.monotonic())
        return psycopg2.connect(*arguments, **options)

    with pool_at(guarded, 1, connect=connect, **PERMANENT[fault][0]) as pool:
        started = time.monotonic()
        while time.monotonic() < started + 2.5:
            with contextlib.suppress(PoolError):
                pool.getconn(timeout=0.1)
            time.sleep(0.02)
        assert len([at for at in attempts if started + 0.4 < at < started + 2.4]) <= 1, f"{len(attempts)} attempts"


def test_the_pool_works_again_when_a_permanent_error_is_over(guarded):
    with pool_at(guarded, 1, dbname="late") as pool:
        try:
            with pytest.raises(PoolError, match='"late" does not exist') as raised:
                pool.getconn(timeout=10)
            assert not isinstance(raised.value, PoolTimeout)
            execute(guarded, "CREATE DATABASE late")
            wait_until(lambda: pool.get_stats()["pool_available"] == 1, 5)
            with pool.connection() as conn:
                assert select(conn, "SELECT current_database()") == "late"
        finally:
            pool.close(0)
            execute(guarded, "DROP DATABASE IF EXISTS late")


@pytest.mark.parametrize(
    "second", [psycopg2.OperationalError("the second reason"), psycopg2.ProgrammingError("the second reason")]
)
def test_the_log_has_a_line_for_each_reason_of_an_outage(make_pool, caplog, second):
    errors = [psycopg2.OperationalError("the first reason")] * 3 + [second] * 2
    pool = make_pool(1, 1, connect=Failing(errors, keep=False).connect)
    pool.open()
    wait_until(lambda: pool.get_stats()["pool_available"] == 1, 20)
    messages = [record.getMessage() for record in caplog.records if record.name == "polls.pool"]
    for reason in ("the first reason", "the second reason"):
        assert sum(reason in message for message in messages) == 1, messages


# Connects that never end


def test_connect_timeout_has_a_default(make_pool):
    pool = make_pool(0, 1)
    with pool.connection() as conn:
        assert conn.info.dsn_parameters.get("connect_timeout") == "10"


@pytest.mark.parametrize("in_dsn", [False, True])
def test_a_connect_timeout_that_is_given_is_kept_as_it_is(server, in_dsn):
    for given in ("0", "3"):
        dsn = make_dsn(server.dsn(), connect_timeout=given) if in_dsn else server.dsn()
        pool = ConnectionPool(0, 1, dsn, **({} if in_dsn else {"connect_timeout": given}))
        with pool.connection() as conn:
            assert conn.info.dsn_parameters.get("connect_timeout") == given
        pool.close(0)


@pytest.mark.slow
def test_callers_are_served_after_silent_connects_when_the_network_has_healed(server, proxy):
    pool = ConnectionPool(0, 2, server.dsn(port=proxy.port))
    proxy.swallowing.set()
    for caller in [in_thread(pool.getconn, timeout=0.5) for _ in range(2)]:
        with pytest.raises(PoolTimeout):
            caller.get()
    proxy.swallowing.clear()
    conn = in_thread(pool.getconn, timeout=15).get()
    assert select(conn) == 1
    pool.putconn(conn)
    pool.close(0)


def test_a_dsn_that_is_none_is_told_at_the_first_checkout():
    pool = ConnectionPool(0, 1, "no dsn")
    with pytest.raises(ConnectFailed, match="missing"):
        pool.getconn()
    pool.close()


def test_a_permanent_error_lets_callers_wait_in_turn_for_a_connection_that_is_in_use(make_pool):
    first, all_wait, order = threading.Event(), threading.Event(), []

    def connect(*arguments, **options):
        if first.is_set():
            all_wait.wait(10)
            raise psycopg2.ProgrammingError("no second one")
        first.set()
        return psycopg2.connect(*arguments, **options)

    def borrow(number):
        conn = pool.getconn()
        order.append(number)
        pool.putconn(conn)

    pool = make_pool(0, 2, connect=connect)
    conn, callers = pool.getconn(), []
    for number in range(4):
        callers.append(in_thread(borrow, number))
        wait_until(lambda: pool.get_stats()["requests_waiting"] == len(callers))
    all_wait.set()
    wait_until(lambda: pool.connecting_fails)
    time.sleep(0.3)  # time enough to lose their turn
    pool.putconn(conn)
    for caller in callers:
        caller.get()
    assert order == [0, 1, 2, 3]


def test_a_connection_that_is_made_after_its_time_is_closed(make_pool, monkeypatch):
    allowed = threading.Event()

    def connect(*arguments, **options):
        if not allowed.is_set():
            assert allowed.wait(10)
            made.append(psycopg2.connect(*arguments, **options))
            return made[0]
        return psycopg2.connect(*arguments, **options)

    made = []
    pool = make_pool(0, 1, connect=connect)
    with monkeypatch.context() as patch:
        patch.setitem(task.LIMITS, "connecting", 0.5)
        with pytest.raises(PoolTimeout):
            pool.getconn(timeout=0.2)  # and so no other connection is made
    wait_until(lambda: pool.get_stats()["pool_size"] == 0)
    allowed.set()
    wait_until(lambda: made and made[0].closed)
    with pool.connection() as conn:
        assert conn is not made[0]


def test_a_log_that_fails_costs_no_slot(make_pool, caplog):
    def fail(record):
        logger.removeFilter(fail)
        raise ValueError("no log")

    logger = logging.getLogger("polls.pool")
    logger.addFilter(fail)
    pool = make_pool(1, 1, connect=Failing([psycopg2.OperationalError("not yet")], keep=False).connect)
    with pool.connection() as conn:
        assert select(conn) == 1
    assert "gives a connection up that was connecting" in caplog.text
    assert pool.get_stats()["pool_size"] == 1
