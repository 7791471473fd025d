"""One of a pool's `maxconn` slots, and what can be done with the connection in it. Nothing here takes a lock."""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from operator import attrgetter
from types import CodeType
from typing import Any, Final, NamedTuple

import psycopg2
from psycopg2.extensions import (
    TRANSACTION_STATUS_IDLE,
    TRANSACTION_STATUS_INERROR,
    TRANSACTION_STATUS_INTRANS,
    connection,
    cursor,
)

from polls.pool.stats import BITS

# States, written under the pool's lock. A connection that is READY is at rest or out: the pool looks up which.
READY: Final = "ready"
KEYED: Final = "in use by key"
RETURNING: Final = "returning"  # the borrower's thread is cleaning it
CUT: Final = "cut"  # its socket is being shut down: whoever has it will find out
CONNECTING: Final = "connecting"
CHECKING: Final = "checking"
CLOSING: Final = "closing"

HELD: Final = frozenset({READY, KEYED, RETURNING, CUT})
IN_TRANSACTION: Final = frozenset({TRANSACTION_STATUS_INTRANS, TRANSACTION_STATUS_INERROR})

# Linux tells the peer's end of the stream from data that waits to be read; elsewhere a ping has to find out.
HANGUP: Final[int] = getattr(select, "POLLRDHUP", select.POLLIN)
GONE: Final[int] = select.POLLHUP | select.POLLERR | select.POLLNVAL | getattr(select, "POLLRDHUP", 0)
CLOSE_LIMIT_MS: Final = 1000  # how long a server may take to end a session that was closed

# What a borrower may have changed on the client's side. `status` is among them: anything but READY is unfit.
client_settings: Callable[[connection], tuple[Any, ...]] = attrgetter(
    "status", "autocommit", "isolation_level", "readonly", "deferrable", "cursor_factory"
)


class Borrower(NamedTuple):
    """Who took a connection or waits for one, where and when. Code and instruction say where: a frame would keep the
    borrower's variables alive, and to find a line number costs more than all the rest."""

    thread: int
    code: CodeType | None
    lasti: int
    since_ns: int  # time.monotonic_ns()

    def place(self) -> str:
        """file:line"""
        if self.code is None:
            return "nowhere"
        lines = [line for start, end, line in self.code.co_lines() if line and start <= self.lasti < end]
        return f"{self.code.co_filename}:{lines[0] if lines else self.code.co_firstlineno}"

    def name(self) -> str:
        """The thread's name. Not to be asked under a lock: it takes one of threading's own."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        return names.get(self.thread, f"ended thread {self.thread}")


class Slot:
    """A slot is counted from before its connection is made until the server has ended the session. The next connection
    gets a new one.

    It refers to its owner, the connection itself or the renewal that works on it, weakly: whoever loses the
    owner, by dropping it or by an exception at the wrong moment, gives the slot back.
    """

    __slots__ = (
        "born_ns",
        "code",
        "due_ns",
        "encoding",
        "expires_ns",
        "fd",
        "lasti",
        "number",
        "owner",
        "pid",
        "poll",
        "settings",
        "since_ns",
        "spans",
        "state",
        "thread",
        "used_ns",
        "uses",
        "warned",
    )

    def __init__(self) -> None:
        self.state: str = CONNECTING
        self.owner: Callable[[], object] = nobody
        self.pid: int | None = None
        self.fd = -1  # a duplicate of the connection's socket: open as long as the slot is there, come what may
        self.poll: Callable[[int], list[tuple[int, int]]] = _no_events
        self.settings: tuple[Any, ...] = ()
        self.encoding = ""
        self.born_ns = time.monotonic_ns()  # when it began to be connected
        self.since_ns = self.born_ns  # when its state began
        self.due_ns = 0  # when it needs a ping before use
        self.expires_ns = 0  # when it is too old
        self.number = 0  # id(connection)
        self.uses = 0
        self.used_ns = 0
        self.spans = [0] * BITS  # its uses, by bit length
        self.warned = 0  # the use that was last reported as a leak
        self.thread = 0
        self.code: CodeType | None = None
        self.lasti = 0

    def __del__(self) -> None:
        if getattr(self, "fd", -1) >= 0:  # it has none if an exception struck in the constructor
            os.close(self.fd)

    def attach(self, conn: connection) -> None:
        """Get to know a new connection."""
        before, self.fd = self.fd, -1  # first: closed twice, it could be somebody else's the second time
        if before >= 0:
            os.close(before)  # of an attempt that failed after it was connected
        self.fd = os.dup(conn.fileno())
        poller = select.poll()
        poller.register(self.fd, select.POLLIN | HANGUP)
        self.poll = poller.poll
        self.number = id(conn)
        self.pid = conn.info.backend_pid
        self.remember(conn)

    def remember(self, conn: connection) -> None:
        """Take the present settings of a connection as those to go back to."""
        self.settings = client_settings(conn)
        self.encoding = conn.encoding

    def take(self, borrower: Borrower) -> None:
        """Note who takes it, now. `getconn` has these lines inline."""
        self.since_ns = time.monotonic_ns()
        self.thread, self.code, self.lasti, _ = borrower
        self.uses += 1

    def borrower(self) -> Borrower:
        """Who took it last."""
        return Borrower(self.thread, self.code, self.lasti, self.since_ns)

    def ping(self, conn: connection) -> bool:
        """One round trip, unless the socket is known to be closed. Leaves the connection idle."""
        if any(events & GONE for _, events in self.poll(0)):
            return False
        try:
            conn.autocommit = True
            cursor(conn).execute("SELECT 1")
            conn.autocommit = self.settings[1]
        except psycopg2.Error:
            return False
        return True

    def rollback(self, conn: connection) -> bool:
        """End the transaction of a returned connection, without a round trip where there is none. False if it cannot
        be used again: broken, busy with a query or a COPY, prepared for two-phase commit."""
        try:
            if conn.get_transaction_status() in (TRANSACTION_STATUS_IDLE, *IN_TRANSACTION):
                conn.rollback()
            if conn.get_transaction_status() in IN_TRANSACTION:
                cursor(conn).execute("ROLLBACK")  # of a BEGIN sent in autocommit, unknown to psycopg2
            return conn.get_transaction_status() == TRANSACTION_STATUS_IDLE
        except psycopg2.Error:
            return False

    def restore(self, conn: connection) -> None:
        """Put the client's settings back to what `configure` left."""
        _, autocommit, isolation_level, readonly, deferrable, cursor_factory = self.settings
        conn.autocommit = autocommit
        conn.isolation_level = isolation_level
        conn.readonly = readonly
        conn.deferrable = deferrable
        conn.cursor_factory = cursor_factory

    def discard(self, conn: connection) -> None:
        """DISCARD ALL, and what psycopg2 had set for itself when it connected."""
        conn.autocommit = True
        with cursor(conn) as curs:
            curs.execute("DISCARD ALL")
            if conn.encoding != self.encoding:
                conn.set_client_encoding(self.encoding)
            if not (conn.get_parameter_status("DateStyle") or "").startswith("ISO"):
                curs.execute("SET datestyle TO 'ISO'")
        conn.autocommit = self.settings[1]

    def close(self, conn: connection | None) -> None:
        """Close the connection and wait, within a limit, until the server has ended the session."""
        if conn is not None:
            conn.close()
        if self.fd >= 0:
            hangup = select.poll()
            hangup.register(self.fd, HANGUP)
            hangup.poll(CLOSE_LIMIT_MS)

    def cut(self) -> None:
        """Shut the socket down, whoever waits on it: they get an error at once."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.fd)) as sock:
            sock.shutdown(socket.SHUT_RDWR)


def nobody() -> None:
    """What refers to an owner, where there is none yet."""


def _no_events(timeout_ms: int) -> list[tuple[int, int]]:
    """The poll of a slot without a connection."""
    return []
