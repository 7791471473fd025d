"""Run psycopg2's own test suite in this process, plainly or through pools; see `tests.support.psycopg2_suite`.

With "pooled", `psycopg2.connect` takes a connection of a pool with reset="discard", and close() returns it: tests work
on connections that tests before them have used.
"""

import faulthandler
import json
import logging
import sys
import unittest
from collections.abc import Iterator
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

from polls.pool import ConnectionPool

LIMIT = 90.0  # seconds after which a run ends, with the stacks of its threads in the log
OK, FAILED, SKIPPED = "ok", "failed", "skipped"

# Tests that connect directly.
DIRECT = (
    # They install wait callbacks that fail or serve a single connection, for the whole process, the pool included.
    "test_green.",
    # They look at the connection, or use it, after close().
    "AutocommitTests.test_closed",
    "ConnectionTests.test_cleanup_on_badconn_close",
    "ConnectionTests.test_close_idempotent",
    "ConnectionTests.test_closed_attribute",
    "ConnectionTests.test_cursor_closed_attribute",
    "ConnectionTests.test_pgconn_ptr",
    "IsolationLevelsTestCase.test_isolation_level_closed",
    "Psycopg2Tests.test_close",
    "TransactionControlTests.test_closed",
    "WithConnectionTestCase.test_with_closed",
    # The connection is to be freed after close(), but the pool keeps it.
    "ConnectionTests.test_weakref",
)

connect = psycopg2.connect


class Lent:
    """The base of connections that a pool lends: close() returns them."""

    lender: ConnectionPool | None = None

    def close(self) -> None:
        if sys._getframe(1).f_globals["__name__"].startswith("polls.pool"):
            super().close()
        elif self.lender is not None:
            lender, self.lender = self.lender, None
            lender.putconn(self)


class Lender:
    """What replaces `psycopg2.connect`. It has a pool for each set of arguments."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.pools: dict[Any, ConnectionPool] = {}
        self.test = ""  # the name of the test that runs

    def __call__(
        self, dsn: str | None = None, connection_factory: Any = None, cursor_factory: Any = None, **more: Any
    ) -> Connection:
        if self.is_direct(dsn, connection_factory, more):
            return connect(dsn, connection_factory, cursor_factory, **more)
        key = (connection_factory, cursor_factory, *sorted(more.items()))
        if key not in self.pools:
            base = connection_factory or Connection
            self.pools[key] = ConnectionPool(
                0,
                128,  # one test opens a hundred
                dsn,
                connect=connect,
                reset="discard",
                connection_factory=type(base.__name__, (Lent, base), {}),
                cursor_factory=cursor_factory,
                **more,
            )
        conn = self.pools[key].getconn()
        conn.lender = self.pools[key]
        return conn

    def is_direct(self, dsn: str | None, connection_factory: Any, more: dict[str, Any]) -> bool:
        return (
            any(name in self.test for name in DIRECT)
            # Tests of connecting itself, most of them with a connection that is a stub.
            or dsn != self.dsn
            # A pool lends what blocks.
            or bool(more.get("async") or more.get("async_"))
            # Tests count the calls of their own classes, or break them.
            or getattr(connection_factory, "__module__", "").startswith("psycopg2_tests.")
        )

    def count(self) -> dict[str, int]:
        stats = [pool.get_stats() for pool in self.pools.values()]
        return {name: sum(each[name] for each in stats) for name in ("requests_num", "connections_num")}


class Result(unittest.TextTestResult):
    lender: Lender | None = None

    def startTest(self, test: unittest.TestCase) -> None:
        if self.lender is not None:
            self.lender.test = test.id()
        super().startTest(test)


def run(pooled: bool) -> dict[str, Any]:
    """Run the suite, and return the outcome of each test, and how often pools lent how many connections."""
    import psycopg2_tests
    from psycopg2_tests.testconfig import dsn

    lender = Lender(dsn)
    if pooled:
        logging.basicConfig(level=logging.CRITICAL)  # the suite returns connections in every state
        psycopg2.connect = Result.lender = lender
    suite = psycopg2_tests.test_suite()
    outcomes = dict.fromkeys(names(suite), OK)
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    outcomes.update((test.id(), SKIPPED) for test, _ in result.skipped)
    for test, _ in (*result.failures, *result.errors):
        outcomes[getattr(test, "test_case", test).id()] = FAILED  # of a subtest, its test
    return {"outcomes": outcomes, **lender.count()}


def names(suite: unittest.TestSuite) -> Iterator[str]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from names(test)
        else:
            yield test.id()


if __name__ == "__main__":
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    json.dump(run(sys.argv[1] == "pooled"), sys.stdout)
