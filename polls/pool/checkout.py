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
from polls.pool.ledger import Ledger, Waiter
from polls.pool.options import check_seconds
from polls.pool.slot import CUT, HELD, IDLE, IN_TRANSACTION, IN_USE, RETURNING, Borrower, Slot, client_settings

logger = logging.getLogger("polls.pool")

SLICE: Final = 0.25  # seconds after which a caller who waits looks after the pool

# SQLSTATEs after which the whole generation is replaced: the server has become a standby, or is going down.
RETIRING: Final = frozenset({"25006", "57P01", "57P02", "57P03"})


class Checkout(Ledger):
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
        lasti = frame.f_lasti
        slot: Slot | None = None
        try:
            with self._lock:
                # Decides who gets the connection that was used last: whoever comes while nobody waits.
                self._counters.requests_num += 1
                if self._idle and not self._queue and key is None:
                    conn, slot = self._idle.pop()
                    now = monotonic_ns()
                    slot.state = IN_USE
                    slot.since_ns = now
                    slot.thread = get_ident()
                    slot.code = code
                    slot.lasti = lasti
                    slot.uses += 1
            if slot is None:
                borrower = Borrower(get_ident(), code, lasti, monotonic_ns())
                return self._wait_for_one(key, timeout, borrower)
            if now < slot.due_ns and now < slot.expires_ns and not slot.poll(0):
                return conn
        except BaseException:
            if slot is not None:
                self._abandon(conn, slot, slot.uses)
            raise
        return self._wait_for_one(None, timeout, slot.borrower(), conn, slot)

    def putconn(self, conn: Connection, key: Hashable | None = None, close: bool = False) -> None:
        """Return a connection; with `close`, to be closed.

        It is rolled back, with a warning, if it is in a transaction, cleaned as `reset` says, closed if it is broken.
        Raises PoolError for a connection that is not out of this pool. `key` is not needed: the pool knows.
        """
        slot = self._by_id.get(id(conn))
        if slot is None or slot.owner() is not conn:
            self._refuse_foreign(conn)
            return
        uses = slot.uses
        try:
            try:
                fit = (
                    self._reset is None
                    and conn.get_transaction_status() == TRANSACTION_STATUS_IDLE
                    and client_settings(conn) == slot.settings
                    and not close
                )
            except psycopg2.Error:
                fit = False
            if fit:
                with self._lock:
                    # Decides whether the connection may rest: if nothing is left to be done to it, and nobody waits.
                    now = monotonic_ns()
                    if slot.state is IN_USE and not self._queue and now < slot.expires_ns and slot.key is None:
                        self._counters.usage_ns += now - slot.since_ns
                        slot.since_ns = now
                        slot.due_ns = now + self._recheck_ns
                        slot.state = IDLE
                        self._idle.append((conn, slot))
                        return
            self._return(conn, slot, fit, close)
        except PoolError:
            raise
        except BaseException:
            self._abandon(conn, slot, uses)
            raise

    def connection(self, timeout: float | None = None, autocommit: bool = False) -> "Loan":
        """`with pool.connection() as conn`: commit at the end, or roll back after an exception, and always return.

        With `autocommit` each statement is its own transaction. Raises what `getconn` does.
        """
        return Loan(self, timeout, autocommit)

    def _wait_for_one(
        self,
        key: Hashable | None,
        timeout: float | None,
        borrower: Borrower,
        conn: Connection | None = None,
        slot: Slot | None = None,
    ) -> Connection:
        """The long way to a connection: through the queue. A connection that the caller has in hand already, and that
        needs a closer look, keeps its turn. Takes the lock."""
        if timeout is None:
            timeout = self._options.timeout
        else:
            check_seconds("timeout", timeout)
        deadline_ns = borrower.since_ns + int(timeout * 1e9)
        if key is not None and (conn := self._look_up(key)) is not None:
            return conn
        waiter = Waiter(borrower)
        try:
            renewals = self._join(waiter) if conn is None or slot is None else self._rejoin(waiter, conn, slot)
            while True:
                for renewal in renewals:
                    renewal.start()
                conn, slot = self._wait_at_gate(waiter, deadline_ns, timeout)
                if waiter.fresh and not slot.poll(0):
                    break
                renewals = self._rejoin(waiter, conn, slot)
            self._leave(waiter, key)
            return conn
        except BaseException:
            self._withdraw(waiter)
            raise

    def _wait_at_gate(self, waiter: Waiter, deadline_ns: int, timeout: float) -> tuple[Connection, Slot]:
        """Wait until the caller is served. Does the keeper's work now and then. Takes the lock."""
        while True:
            ensure_keeper(self)
            left = (deadline_ns - monotonic_ns()) / 1e9
            waiter.gate.acquire(timeout=max(0.0, min(left, SLICE)))
            if self._recheck(waiter) and waiter.conn is not None and waiter.slot is not None:
                return waiter.conn, waiter.slot
            if self.closed:
                raise PoolClosed(f"the pool {self._options.name!r} was closed while the caller waited")
            if monotonic_ns() >= deadline_ns:
                raise PoolTimeout(self._explain(timeout)) from self._last_error
            tend(self)

    def _explain(self, timeout: float) -> str:
        """Why nothing could be had. Takes the lock."""
        with self._lock:
            # Decides nothing: a picture of one moment.
            held = [slot.borrower() for slot in self._slots if slot.state in HELD]
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

    def _abandon(self, conn: Connection, slot: Slot, uses: int) -> None:
        """After an exception on the way out or back: close the connection, if it is where it was. Takes the lock."""
        with self._lock:
            # Decides whether the checkout that was interrupted is still the current one.
            resting = any(other is slot for _, other in self._idle)
            if slot.uses != uses or resting or slot.owner() is not conn:
                return
            renewal = self._entrust(slot, conn, False)
        renewal.start()

    def _is_inherited(self, conn: Connection) -> bool:
        """Whether a connection is one that this process got by a fork. The caller does not hold the lock."""
        slot = self._inherited.get(id(conn)) if self._inherited else None
        return slot is not None and slot.owner() is conn

    def _note_error(self, conn: Connection, error: BaseException) -> None:
        """Retire the generation of a connection whose server is going down or read-only. Takes the lock."""
        slot = self._by_id.get(id(conn))
        if slot is not None and isinstance(error, psycopg2.Error) and error.pgcode in RETIRING:
            self._retire(slot)

    def _refuse_foreign(self, conn: Connection) -> None:
        """Raise PoolError for what is not out of this pool, but let a forked child return what it inherited."""
        if not self._is_inherited(conn):
            raise PoolError("this connection is not out of the pool: it is another's, or was returned already")

    def _return(self, conn: Connection, slot: Slot, fit: bool, close: bool) -> None:
        """The long way back: cleaning, closing, or serving the queue. Takes the lock."""
        with self._lock:
            # Decides who returns it: of two threads with the same connection only one.
            if slot.state not in (IN_USE, CUT):
                raise PoolError("this connection was returned already")
            if slot.state is IN_USE:
                slot.state = RETURNING
            self._counters.usage_ns += monotonic_ns() - slot.since_ns
            if slot.key is not None:
                self._keyed.pop(slot.key, None)
                slot.key = None
            borrower = slot.borrower()
            broken = conn.closed == 2  # not by close(): the server is gone
        good = not close and (fit or self._clean(conn, slot, borrower))
        with self._lock:
            # Decides between rest, the queue, and an end.
            if not good and not close:
                self._counters.returns_bad += 1
            if broken and slot.state is RETURNING:
                self._suspect(slot)
            slot.due_ns = monotonic_ns() + self._recheck_ns
            renewals = self._lay_down(conn, slot, good and slot.state is RETURNING)
        for renewal in renewals:
            renewal.start()

    def _clean(self, conn: Connection, slot: Slot, borrower: Borrower) -> bool:
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
        if pool._is_inherited(conn):
            return  # a child was forked inside the block; the parent ends the transaction
        try:
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
        """Roll back, unless there is no use in trying. The caller's own exception is the one to be seen."""
        if conn.closed == 0 and conn.get_transaction_status() in IN_TRANSACTION:
            with contextlib.suppress(psycopg2.Error):
                conn.rollback()


_ENTER: Final = Loan.__enter__.__code__
