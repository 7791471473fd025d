"""Borrowing and returning: the way of a connection from the pool to a caller and back."""

import contextlib
import logging
from collections.abc import Hashable
from sys import _getframe
from threading import get_ident
from time import monotonic_ns
from types import TracebackType
from typing import Final

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as Connection
from psycopg2.pool import PoolError

from polls.pool.errors import PoolClosed, PoolTimeout
from polls.pool.keeper import ensure_keeper, tend
from polls.pool.line import Line
from polls.pool.options import check_seconds
from polls.pool.renewal import start_all
from polls.pool.slot import CLOSING, CUT, IN_TRANSACTION, KEYED, READY, RETURNING, Borrower, Slot, client_settings
from polls.pool.waiter import Waiter

logger = logging.getLogger("polls.pool")

SLICE: Final = 0.25  # seconds after which a caller who waits looks after the pool

# SQLSTATEs after which the whole generation is replaced: the server has become a standby, or is going down.
RETIRING: Final = frozenset({"25006", "57P01", "57P02", "57P03"})


class Checkout(Line):
    """The part of a `ConnectionPool` that lends connections."""

    def getconn(self, key: Hashable | None = None, timeout: float | None = None) -> Connection:
        """Borrow a connection, for `putconn` to return. The same `key` gives the same connection until then.

        Raises PoolTimeout after `timeout` seconds (the pool's, unless given), TooManyRequests, PoolClosed, and a plain
        PoolError where the thread would wait for connections that it holds itself.
        """
        frame = _getframe(1)
        code = frame.f_code
        if code is _ENTER:
            frame = frame.f_back or frame
            code = frame.f_code
        slot = None
        try:
            if key is None and not self._queue:
                conn, slot = self._idle.pop()  # from here on nobody else has it
                now = monotonic_ns()
                if now < slot.due_ns and now < slot.expires_ns and not slot.poll(0):
                    slot.since_ns = now
                    slot.thread = get_ident()
                    slot.code = code
                    slot.lasti = frame.f_lasti
                    slot.uses += 1
                    self._out[slot.number] = slot
                    return conn
        except IndexError:
            pass  # none is idle
        except BaseException:
            if slot is not None:
                self._abandon(conn, slot, slot.uses)
            raise
        waiter = Waiter(Borrower(get_ident(), code, frame.f_lasti, monotonic_ns()))
        if slot is not None:
            waiter.conn, waiter.slot = conn, slot
        return self._wait_for_one(waiter, key, timeout)

    def putconn(self, conn: Connection, key: Hashable | None = None, close: bool = False) -> None:
        """Return a connection; with `close`, to be closed.

        It is rolled back, with a warning, if it is in a transaction, cleaned as `reset` says, closed if it is broken.
        Raises PoolError for a connection that is not out of this pool. `key` is not needed: the pool knows.
        """
        slot = self._out.pop(id(conn), None)  # from here on nobody else can return it
        if slot is None:
            self._return_odd_one(conn, close)
            return
        uses = slot.uses
        try:
            clean = (
                conn.get_transaction_status() == TRANSACTION_STATUS_IDLE
                and client_settings(conn) == slot.settings
                and self._reset is None
            )
            now = monotonic_ns()
            held = now - slot.since_ns
            slot.used_ns += held
            slot.spans[held.bit_length()] += 1
            if clean and not close and not self._queue and now < slot.expires_ns:
                slot.since_ns = now
                slot.due_ns = now + self._recheck_ns
                self._idle.append((conn, slot))  # from here on somebody else may have it
                if self._queue or self.closed:
                    start_all(self._settle())
            else:
                self._return(conn, slot, clean, close)
        except BaseException:
            self._abandon(conn, slot, uses)
            raise

    def connection(self, timeout: float | None = None, autocommit: bool = False) -> "Loan":
        """`with pool.connection() as conn`: commit at the end, or roll back after an exception, and always return.

        With `autocommit` each statement is its own transaction. Raises what `getconn` does.
        """
        return Loan(self, timeout, autocommit)

    def _wait_for_one(self, waiter: Waiter, key: Hashable | None, timeout: float | None) -> Connection:
        """The long way to a connection: through the queue. If the caller has one in hand already, then that needs a
        closer look, and the caller keeps its turn. The caller does not hold the lock."""
        try:
            if timeout is None:
                timeout = self._options.timeout
            check_seconds("timeout", timeout)
            deadline_ns = waiter.borrower.since_ns + int(timeout * 1e9)
            if key is not None and (lent := self._look_up(key)) is not None:
                return lent
            if waiter.slot is None:
                start_all(self._join(waiter))
            while True:
                if waiter.conn is not None and waiter.slot is not None:
                    conn, slot, now = waiter.conn, waiter.slot, monotonic_ns()
                    if now < slot.due_ns and now < slot.expires_ns and not slot.poll(0):
                        self._leave(waiter, slot, key)
                        return conn
                    start_all(self._rejoin(waiter, conn, slot))
                    del conn
                self._wait_at_gate(waiter, deadline_ns, timeout)
        except BaseException:
            start_all(self._withdraw(waiter))
            raise

    def _wait_at_gate(self, waiter: Waiter, deadline_ns: int, timeout: float) -> None:
        """Wait until the caller is served, and look after the pool meanwhile. The caller does not hold the lock."""
        while True:
            ensure_keeper(self)
            left = (deadline_ns - monotonic_ns()) / 1e9
            waiter.gate.acquire(timeout=max(0.0, min(left, SLICE)))
            if self._is_served(waiter):
                return
            if self.closed:
                raise PoolClosed(f"the pool {self._options.name!r} was closed while the caller waited")
            if monotonic_ns() >= deadline_ns:
                raise PoolTimeout(self._explain(timeout)) from self._last_error
            tend(self)

    def _explain(self, timeout: float) -> str:
        """Why nothing could be had. Takes the lock."""
        with self._lock:
            # Decides nothing: a picture of one moment.
            held = [slot.borrower() for slot in self._held()]
            size, waiting, error = len(self._slots), len(self._queue), self._last_error
        reason = (
            f"no connection of the pool {self._options.name!r} within {timeout:g} s: "
            f"size {size} of {self.maxconn}, {len(held)} in use, {waiting} waiting"
        )
        if held:
            oldest = min(held, key=lambda borrower: borrower.since_ns)
            seconds = (monotonic_ns() - oldest.since_ns) / 1e9
            reason += f"; held longest by thread {oldest.name()}, for {seconds:.1f} s, taken at {oldest.place()}"
        if error is not None:
            reason += f"; the last attempt to connect failed: {str(error).strip()}"
        return reason

    def _look_up(self, key: Hashable) -> Connection | None:
        """The connection that is lent by a key. Takes the lock."""
        with self._lock:
            # Decides whether the key is in use.
            slot = self._keyed.get(key)
            conn = slot.owner() if slot is not None and slot.state is KEYED else None
            return conn if isinstance(conn, Connection) else None

    def _return_odd_one(self, conn: Connection, close: bool) -> None:
        """Return a connection that is not among those out: it was lent by key, taken away from its borrower, or
        inherited by a fork. Raises PoolError for any other. Takes the lock."""
        with self._lock:
            # Decides whose it is, and that nobody else can return it.
            slot = next((slot for slot in self._slots if slot.owner() is conn and slot.state in (KEYED, CUT)), None)
            if slot is not None:
                slot.state = RETURNING if slot.state is KEYED else CLOSING
                self._keyed = {key: other for key, other in self._keyed.items() if other is not slot}
                held = monotonic_ns() - slot.since_ns
                slot.used_ns += held
                slot.spans[held.bit_length()] += 1
                slot.since_ns = monotonic_ns()
        if slot is None and not self._is_inherited(conn):
            raise PoolError("this connection is not out of the pool: it is another's, or was returned already")
        if slot is not None:
            try:
                self._return(conn, slot, False, close)
            except BaseException:
                self._abandon(conn, slot, slot.uses)
                raise

    def _is_inherited(self, conn: Connection) -> bool:
        """Whether a connection is one that this process got by a fork. The caller does not hold the lock."""
        owner = self._inherited.get(id(conn)) if self._inherited else None
        return owner is not None and owner() is conn

    def _return(self, conn: Connection, slot: Slot, clean: bool, close: bool) -> None:
        """The long way back: cleaning, closing, or serving the queue. Takes the lock."""
        with self._lock:
            # Decides that the keeper may cut a cleaning that takes too long.
            if slot.state is READY:
                slot.state = RETURNING
            broken = conn.closed == 2  # not by close(): the server is gone
            borrower = slot.borrower()
        good = not close and slot.state is RETURNING and (clean or self._clean(conn, borrower, slot))
        with self._lock:
            # Decides between rest, the queue, and an end.
            if not good and not close:
                self._counters.returns_bad += 1
            if broken and slot.state is RETURNING:
                self._suspect(slot)
            slot.due_ns = monotonic_ns() + self._recheck_ns
            if good and slot.state is RETURNING:
                renewals = self._lay_down(conn, slot)
            else:
                renewals = [self._entrust(slot, conn, False)]
        start_all(renewals)

    def _clean(self, conn: Connection, borrower: Borrower, slot: Slot) -> bool:
        """Make a returned connection as good as new. False if it cannot be. The caller does not hold the lock."""
        name = self._options.name
        if conn.closed:
            return False
        try:
            if conn.get_transaction_status() in IN_TRANSACTION:
                logger.warning("pool %r rolls back what was left open by who took it at %s", name, borrower.place())
            if not slot.rollback(conn):
                return False
            slot.restore(conn)
            if self._reset == "discard":
                slot.discard(conn)
                if self._options.configure is not None:
                    self._options.configure(conn)
            elif callable(self._reset):
                self._reset(conn)
            return conn.get_transaction_status() == TRANSACTION_STATUS_IDLE and client_settings(conn) == slot.settings
        except Exception as error:
            logger.warning("pool %r closes a connection that cannot be cleaned: %s", name, error)
            return False

    def _abandon(self, conn: Connection, slot: Slot, uses: int) -> None:
        """After an exception on the way out or back: close the connection, if it still is here. Takes the lock."""
        with self._lock:
            # Decides whether the checkout that was interrupted is still the current one.
            resting = any(other is slot for _, other in self._idle[:])
            if slot.uses != uses or resting or slot.owner() is not conn:
                return
            self._out.pop(slot.number, None)
            renewal = self._entrust(slot, conn, False)
        renewal.start()

    def _note_error(self, conn: Connection, error: BaseException) -> None:
        """Retire the generation of a lent connection whose server is going down or read-only. Takes the lock."""
        slot = self._out.get(id(conn))
        if slot is not None and isinstance(error, psycopg2.Error) and error.pgcode in RETIRING:
            self._retire(slot)


class Loan:
    """What `connection()` gives: a context manager for one checkout."""

    __slots__ = ("_autocommit", "_before", "_conn", "_pool", "_timeout")

    _conn: Connection
    _before: bool

    def __init__(self, pool: Checkout, timeout: float | None, autocommit: bool) -> None:
        self._pool = pool
        self._timeout = timeout
        self._autocommit = autocommit

    def __enter__(self) -> Connection:
        conn = self._conn = self._pool.getconn(None, self._timeout)
        if self._autocommit:
            try:
                self._before = conn.autocommit
                conn.autocommit = True
            except BaseException:
                self._pool.putconn(conn, close=True)
                raise
        return conn

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pool, conn = self._pool, self._conn
        del self._conn
        try:
            if pool._is_inherited(conn):
                return  # a child was forked inside the block; the transaction is the parent's
            if error is None and not self._autocommit:
                conn.commit()
            elif error is not None:
                pool._note_error(conn, error)
                self._roll_back(conn)
        except BaseException as failure:
            pool._note_error(conn, failure)
            raise
        finally:
            if self._autocommit and not conn.closed:
                with contextlib.suppress(psycopg2.Error):
                    conn.autocommit = self._before
            pool.putconn(conn)

    def _roll_back(self, conn: Connection) -> None:
        """Roll back, unless there is no use in trying. The exception to be seen is the caller's own."""
        if conn.closed == 0 and conn.get_transaction_status() in IN_TRANSACTION:
            with contextlib.suppress(psycopg2.Error):
                conn.rollback()


_ENTER: Final = Loan.__enter__.__code__
