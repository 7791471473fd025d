"""A slot for one connection, which watches its socket, and pings, cleans and closes it. Nothing here takes a lock."""

import contextlib
import copy
import os
import select
import socket
import time
import weakref
from collections.abc import Callable
from operator import attrgetter
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

import psycopg2
from psycopg2.extensions import (
    STATUS_PREPARED,
    TRANSACTION_STATUS_ACTIVE,
    TRANSACTION_STATUS_IDLE,
    TRANSACTION_STATUS_INERROR,
    TRANSACTION_STATUS_INTRANS,
)

from .borrower import Borrower, Thread
from .cancel import CancelKey
from .stats import BITS

if TYPE_CHECKING:
    from .task import Task

# States, written under the pool's lock. A READY connection is idle or lent: the state of the pool knows which.
READY: Final = "ready"
KEYED: Final = "in use by key"
RETURNING: Final = "returning"  # the borrower's thread cleans it
CUT: Final = "cut"  # its socket is shut down, and its borrower will find out
CONNECTING: Final = "connecting"
CHECKING: Final = "checking"
CLOSING: Final = "closing"

HELD: Final = frozenset({READY, KEYED, RETURNING, CUT})
IN_TRANSACTION: Final = frozenset({TRANSACTION_STATUS_INTRANS, TRANSACTION_STATUS_INERROR})

# Linux tells the end of the stream from data that can be read; on other systems a ping has to find out.
HANGUP: Final[int] = getattr(select, "POLLRDHUP", select.POLLIN)
GONE: Final[int] = select.POLLHUP | select.POLLERR | select.POLLNVAL | getattr(select, "POLLRDHUP", 0)
CLOSE_LIMIT_MS: Final = 1000  # how long a server may take to end a session that was closed

# What a borrower may change on the connection object. `status` is among them: a connection is fit only while READY.
client_state: Callable[[Any], tuple[Any, ...]] = attrgetter(
    "status",
    "autocommit",
    "isolation_level",
    "readonly",
    "deferrable",
    "cursor_factory",
    "encoding",
)


class Slot:
    """A slot counts from before its connection is made until the server has ended the session. The next connection gets
    a new slot.

    While a task works on it, `task` owns it. While the connection is lent, the slot refers to it weakly, and so notices
    that it was dropped; a connection that cannot be referred to weakly is held.
    """

    __slots__ = (
        "born_ns",
        "cancel_key",
        "code",
        "conn",
        "contents",
        "contents_before",
        "due_ns",
        "excused_ns",
        "expires_ns",
        "fd",
        "is_standby",
        "lasti",
        "missed_ns",
        "notices",
        "notifies",
        "number",
        "pid",
        "poll",
        "settings",
        "since_ns",
        "spans",
        "state",
        "task",
        "thread",
        "used_ns",
        "uses",
        "warned",
    )

    def __init__(self) -> None:
        self.fd = -1  # a duplicate of the connection's socket, open for as long as the slot is referred to
        self.state: str = CONNECTING
        self.task: Task | None = None
        self.conn: Callable[[], Any] = nothing
        self.pid: int | None = None
        self.poll: Callable[[int], list[tuple[int, int]]] = _no_events
        self.cancel_key: CancelKey | None = None
        self.settings: tuple[Any, ...] = ()
        self.notices: Any = None  # the connection's own list,
        self.notifies: Any = None  # and the other one: a borrower may put others in their place
        self.contents: tuple[Any, ...] = ()  # these and the typecasters, as they are,
        self.contents_before: tuple[Any, ...] = ()  # and as they were
        self.is_standby = False  # when it was connected
        self.born_ns = time.monotonic_ns()  # when connecting began
        self.since_ns = self.born_ns  # when its state began
        self.due_ns = 0  # when it needs a ping before use
        self.expires_ns = 0  # when it is too old
        self.excused_ns = 0  # for how long of this use the process was stopped
        self.missed_ns = 0  # since_ns when it was last seen neither idle nor lent
        self.number = 0  # id(connection)
        self.uses = 0
        self.used_ns = 0
        self.spans = [0] * BITS  # its uses, by bit length
        self.warned = 0  # the use that was last reported as a leak
        self.thread: Thread | None = None
        self.code: CodeType | None = None
        self.lasti = 0

    def __del__(self) -> None:
        fd = getattr(self, "fd", -1)
        if fd >= 0:
            self.fd = -1
            os.close(fd)

    def attach(self, conn: Any, forget: Callable[[Any], None]) -> None:
        """Get to know a new connection; `forget` is called with its weak reference when it is dropped."""
        before, self.fd = self.fd, -1  # first: closed twice, it could be another's the second time
        if before >= 0:
            os.close(before)
        self.fd = os.dup(conn.fileno())
        poller = select.poll()
        poller.register(self.fd, select.POLLIN | HANGUP)
        self.poll = poller.poll
        self.number = id(conn)
        self.pid = conn.info.backend_pid
        self.is_standby = conn.info.parameter_status("in_hot_standby") == "on"
        self.cancel_key = CancelKey(conn)
        try:
            self.conn = weakref.ref(conn, forget)
        except TypeError:
            self.conn = lambda: conn
        self.remember(conn)

    def remember(self, conn: Any) -> None:
        """Take the present state of the connection object as the one to go back to."""
        self.settings = client_state(conn)
        self.notices, self.notifies = conn.notices, conn.notifies
        self.contents = conn.notices, conn.notifies, conn.string_types, conn.binary_types
        self.contents_before = tuple(map(copy.copy, self.contents))

    def take(self, borrower: Borrower) -> None:
        """Note who takes the connection, now. `getconn` has these lines inline."""
        self.since_ns = time.monotonic_ns()
        self.thread, self.code, self.lasti, _ = borrower
        self.excused_ns = 0
        self.uses += 1

    def count_use(self, now: int) -> None:
        """Note that a use has ended. `putconn` has these lines inline."""
        held = now - self.since_ns
        self.used_ns += held
        self.spans[held.bit_length()] += 1

    def borrower(self) -> Borrower:
        """Who took the connection last."""
        return Borrower(self.thread, self.code, self.lasti, self.since_ns)

    def is_busy(self) -> bool:
        """Whether the server is at a statement of the borrower."""
        conn = self.conn()
        return conn is not None and not conn.closed and conn.get_transaction_status() == TRANSACTION_STATUS_ACTIVE

    def ping(self, conn: Any) -> bool:
        """One round trip, unless the socket is known to be closed. Leaves the connection idle."""
        if any(events & GONE for _, events in self.poll(0)):
            return False
        try:
            conn.autocommit = True
            with conn.cursor() as cursor:
                cursor.execute("SELECT 1")
            conn.autocommit = self.settings[1]
        except psycopg2.Error:
            return False
        return True

    def is_clean(self, conn: Any) -> bool:
        """Whether a returned connection is as it was lent. False as well if it cannot say so. Sends nothing."""
        try:
            return bool(
                conn.get_transaction_status() == TRANSACTION_STATUS_IDLE
                and client_state(conn) == self.settings
                and conn.notices is self.notices
                and conn.notifies is self.notifies
                and self.contents == self.contents_before
            )
        except Exception:  # closed, or a proxy that fails
            return False

    def rollback(self, conn: Any) -> bool:
        """End the transaction of a returned connection, without a round trip where there is none. False if it cannot be
        used again: broken, busy with a query or a COPY, or prepared for two-phase commit."""
        try:
            if conn.status == STATUS_PREPARED:
                return False
            if conn.get_transaction_status() in (TRANSACTION_STATUS_IDLE, *IN_TRANSACTION):
                conn.rollback()
            if conn.get_transaction_status() in IN_TRANSACTION:
                with conn.cursor() as cursor:
                    cursor.execute("ROLLBACK")  # of a BEGIN sent in autocommit, which psycopg2 does not know of
            return bool(conn.get_transaction_status() == TRANSACTION_STATUS_IDLE)
        except psycopg2.Error:
            return False

    def restore(self, conn: Any) -> None:
        """Put the connection object back into the state that `configure` left."""
        _, autocommit, isolation_level, readonly, deferrable, cursor_factory, encoding = self.settings
        conn.autocommit = autocommit
        conn.isolation_level = isolation_level
        conn.readonly = readonly
        conn.deferrable = deferrable
        conn.cursor_factory = cursor_factory
        if conn.encoding != encoding:
            conn.set_client_encoding(encoding)
        are_own = conn.notices is self.notices and conn.notifies is self.notifies
        if not are_own or self.contents != self.contents_before:
            notices, notifies, string_types, binary_types = map(copy.copy, self.contents_before)
            conn.notices, conn.notifies = notices, notifies
            for registered, before in ((conn.string_types, string_types), (conn.binary_types, binary_types)):
                registered.clear()
                registered.update(before)
            self.remember(conn)

    def discard(self, conn: Any) -> None:
        """DISCARD ALL, and what psycopg2 had set for itself when it connected."""
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute("DISCARD ALL")
            # psycopg2 still takes the encoding for the one that was set, although the server went back to its own.
            if (conn.get_parameter_status("client_encoding") or "").replace("_", "") != self.settings[6]:
                cursor.execute("SET client_encoding TO %s", (self.settings[6],))
            if not (conn.get_parameter_status("DateStyle") or "").startswith("ISO"):
                cursor.execute("SET datestyle TO 'ISO'")
        conn.autocommit = self.settings[1]

    def has_become_standby(self, conn: Any) -> bool:
        """Ask the server whether it is a standby now, where it was none. One round trip."""
        if self.is_standby:
            return False
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            row = cursor.fetchone()
        conn.autocommit = self.settings[1]
        return bool(row is not None and row[0])

    def close(self, conn: Any, *, waits: bool = True) -> None:
        """Close the connection, its query cancelled; with `waits`, see the server end the session, within a limit.

        None stands for a connection that was dropped, and so is closed already.
        """
        if conn is not None:
            if conn.get_transaction_status() == TRANSACTION_STATUS_ACTIVE:
                reason = self.cancel_key.cancel() if self.cancel_key is not None and waits else "there is no time"
                if reason:
                    self.cut()  # the server goes on with the query
            conn.close()
        if self.fd >= 0 and waits:
            hangup = select.poll()
            hangup.register(self.fd, HANGUP)
            hangup.poll(CLOSE_LIMIT_MS)

    def cut(self) -> None:
        """Shut the socket down: a thread that waits on it gets an error at once."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.fd)) as sock:
            sock.shutdown(socket.SHUT_RDWR)


def nothing() -> None:
    """Stands for a connection where there is none yet."""


def _no_events(timeout_ms: int) -> list[tuple[int, int]]:
    """The poll of a slot without a connection."""
    return []
