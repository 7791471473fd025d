"""One slot being made good, in a thread of its own: what is slow happens here, past nobody's deadline."""

import logging
import random
import time
from _thread import start_new_thread
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_ACTIVE, TRANSACTION_STATUS_IDLE, connection, cursor

from polls.pool.options import to_ns
from polls.pool.slot import Slot

if TYPE_CHECKING:
    from polls.pool.ledger import Ledger

logger = logging.getLogger("polls.pool")

FIRST_PAUSE: Final = 0.01  # seconds between attempts while the server is down,
LAST_PAUSE: Final = 0.2  # growing to this: the recovery is noticed within 250 ms
GROWTH: Final = 1.25
LIFETIME_JITTER: Final = 0.1  # connections made together do not end together

CANCEL_QUERIES: Final = """
SELECT pg_cancel_backend(pid)
  FROM pg_stat_activity
 WHERE pid = ANY(%s) AND usename = current_user AND state <> 'idle'
"""


class Renewal:
    """Ping the slot's connection, or close it; then connect anew where that is needed; and deliver.

    The slot belongs to this object while it lives. Should an exception end it early, the slot is found by `tend`.
    """

    __slots__ = ("__weakref__", "conn", "keep", "pool", "slot")

    def __init__(self, pool: "Ledger", slot: Slot, conn: connection | None, keep: bool) -> None:
        self.pool = pool
        self.slot = slot
        self.conn = conn
        self.keep = keep

    def start(self) -> None:
        """Begin, in a thread of its own."""
        start_thread(self.run)

    def run(self) -> None:
        """The whole of it. Nobody holds the lock."""
        conn, self.conn = self.conn, None
        if not (conn is not None and self.keep and self.revive(conn)):
            busy = conn is not None and conn.get_transaction_status() == TRANSACTION_STATUS_ACTIVE
            if busy and not cancel_queries(self.pool, [self.slot.pid]):
                self.slot.cut()  # the server goes on with the query, but close() does not wait for it
            self.slot.close(conn)
            del conn  # gone before another one is made
            if self.pool._may_connect(self):
                self.connect()
        start_all(self.pool._plan_next())

    def revive(self, conn: connection) -> bool:
        """Ping an idle connection and deliver it. False if it is dead."""
        if not self.slot.ping(conn):
            self.pool._found_dead(self.slot)
            return False
        self.deliver(conn, 0)
        return True

    def connect(self) -> None:
        """Connect until it works, or until nobody needs it from here."""
        pause = FIRST_PAUSE
        while True:
            started_ns = time.monotonic_ns()
            try:
                conn = self.open()
            except Exception as error:
                if pause == FIRST_PAUSE:
                    logger.warning("pool %r cannot connect: %s", self.pool._options.name, error)
                if not self.pool._may_retry(self.slot, error):
                    return
                time.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * GROWTH, LAST_PAUSE)
            else:
                self.deliver(conn, time.monotonic_ns() - started_ns)
                return

    def open(self) -> connection:
        """Make a connection and configure it. Raises whatever goes wrong, with nothing left open."""
        pool, slot = self.pool, self.slot
        conn = pool._make_connection()
        try:
            slot.attach(conn)
            lifetime = pool._options.max_lifetime * random.uniform(1 - LIFETIME_JITTER, 1)
            slot.expires_ns = time.monotonic_ns() + to_ns(lifetime)
            if pool._options.configure is not None:
                pool._options.configure(conn)
                if conn.get_transaction_status() != TRANSACTION_STATUS_IDLE:
                    raise psycopg2.ProgrammingError("configure left a transaction open")
                slot.remember(conn)
        except Exception:
            slot.close(conn)
            raise
        return conn

    def deliver(self, conn: connection, took_ns: int) -> None:
        """Let the ledger decide what becomes of a good connection."""
        start_all(self.pool._deliver(self.slot, conn, took_ns))


def start_thread(work: Callable[[], object]) -> None:
    """Do work in a thread of its own, or here and now where no thread can be had.

    Not `threading.Thread`: an exception inside its start() leaves an object behind that lives for ever, and with it
    the slot; and it waits for ever for a thread that an exception ended too early. This start is one call.
    """
    try:
        start_new_thread(work, ())
    except RuntimeError:
        work()


def start_all(renewals: list[Renewal]) -> None:
    """Start what the ledger decided on. The caller does not hold the lock."""
    for renewal in renewals:
        renewal.start()


def cancel_queries(pool: "Ledger", pids: list[int | None]) -> bool:
    """Cancel what the backends of a pool are running. False if that cannot be done, and a warning that says why.

    Through a short connection of its own, which may be one more than `maxconn`: psycopg2's cancel() keeps all of Python
    waiting while it connects.
    """
    try:
        conn = pool._make_connection()
        try:
            conn.autocommit = True
            cursor(conn).execute(CANCEL_QUERIES, (pids,))
        finally:
            conn.close()
    except Exception as error:
        logger.warning("pool %r cannot cancel queries: %s", pool._options.name, error)
        return False
    return True
