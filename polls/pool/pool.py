"""`ConnectionPool`: what callers use."""

import contextlib
import functools
import logging
import os
import time
import weakref
from collections.abc import Callable, Hashable
from sys import _getframe
from time import monotonic_ns
from types import TracebackType
from typing import Any, Final

import psycopg2
from psycopg2.extensions import STATUS_PREPARED, parse_dsn
from psycopg2.pool import AbstractConnectionPool, PoolError

from . import snapshots
from .borrower import Borrower, current
from .errors import ConnectFailed, PoolClosed, PoolTimeout
from .keeper import Keeper
from .options import CheckIdle, Configure, Connect, Options, Reset, check_seconds, check_size
from .slot import CHECKING, CLOSING, CONNECTING, HELD, IN_TRANSACTION, Slot
from .state import State
from .stats import ConnectFailure, ConnectionStatus, Histograms, PoolStats, WaiterStatus
from .waiter import Waiter
from .worker import Workers, start_thread

logger = logging.getLogger("polls.pool")

CONNECT_TIMEOUT: Final = 10  # seconds, where neither the arguments nor the environment say otherwise
SLICE: Final = 0.25  # seconds after which a caller who waits maintains the pool
CANCEL_LIMIT: Final = 2.0  # seconds that close() gives to cancelling queries, and then to those who ran them
CHECK_LIMIT: Final = 3.0  # seconds that check() waits; a ping is cut after two
WARN_AGAIN: Final = 60.0  # seconds after which a place is warned of again

# Hooks of psycopg2's pools that nothing calls here.
HOOKS: Final = ("_connect", "_getkey", "_getconn", "_putconn", "_closeall")


class ConnectionPool(AbstractConnectionPool):
    """A pool of psycopg2 connections, for threads.

    `minconn` connections are kept ready and at most `maxconn` exist. Arguments without a name here go to `connect`,
    which is `psycopg2.connect` unless another callable is given. Times are seconds, and 0 switches a limit off.

    The constructor connects to nothing and starts no thread: the first checkout does, or `open()`.

    - `timeout`: how long `getconn` may take in total; with 0 it gives what is idle, or fails;
    - `max_waiting`: how many may wait at once;
    - `max_idle`: how long a connection beyond `minconn` may be idle before it is closed;
    - `max_lifetime`: how old a connection may become before it is replaced, less up to a tenth at random;
    - `check_idle`: how long a connection may be idle before it is pinged before use; "always" pings every time;
    - `leak_after`: how long a connection may be held before it is reported, once;
    - `max_use`: how long a connection may be held before its socket is shut down;
    - `configure(conn)`: called with each new connection;
    - `reset`: how a connection is cleaned when it is returned: "rollback" (None means this), "discard" for DISCARD ALL
      and `configure` again, or a callable that gets the connection.

    Raises TypeError or ValueError for arguments that make no sense. See docs/pool.md for the rest.
    """

    def __init__(
        self,
        minconn: int,
        maxconn: int,
        *args: Any,
        name: str = "default",
        connect: Connect | None = None,
        timeout: float = 5.0,
        max_waiting: int = 0,
        max_idle: float = 600.0,
        max_lifetime: float = 3600.0,
        check_idle: CheckIdle = 30.0,
        leak_after: float = 60.0,
        max_use: float = 0.0,
        configure: Configure | None = None,
        reset: Reset | None = None,
        **kwargs: Any,
    ) -> None:
        # Not the inherited constructor, which would connect.
        for hook in HOOKS:
            if getattr(type(self), hook) is not getattr(AbstractConnectionPool, hook):
                raise TypeError(f"{type(self).__name__} overrides {hook}, which this pool never calls: use connect=")
        check_size(minconn, maxconn)
        options = Options(
            name, timeout, max_waiting, max_idle, max_lifetime, check_idle, leak_after, max_use, configure, reset
        )
        if connect is not None and not callable(connect):
            raise TypeError(f"connect must be callable, not {connect!r}")
        if connect is None:
            kwargs = _with_connect_timeout(args, kwargs)
            connect = _connect
        self._state = State(minconn, maxconn, functools.partial(connect, *args, **kwargs), options)
        self._reset = None if options.reset == "rollback" else options.reset
        self._recheck_ns = options.recheck_ns
        self._warned: dict[str, float] = {}  # places, and when they were last warned of
        self._begin()
        _pools.add(self)

    def _begin(self) -> None:
        self._workers = Workers(self._state)
        self._keeper = Keeper(self._state, self._workers)
        # A pool that is forgotten ends its threads.
        weakref.finalize(self, _end, self._state).atexit = False

    # The attributes of psycopg2's pools

    @property
    def minconn(self) -> int:  # type: ignore[override]
        """How many connections are kept ready."""
        return self._state.minconn

    @property
    def maxconn(self) -> int:  # type: ignore[override]
        """How many connections exist at most."""
        return self._state.maxconn

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """Whether the pool is closed."""
        return self._state.closed

    # Borrowing and returning

    def getconn(self, key: Hashable | None = None, timeout: float | None = None) -> Any:
        """Borrow a connection, for `putconn` to return. The same `key` gives the same connection until then.

        Raises PoolTimeout after `timeout` seconds (the pool's, unless given), ConnectFailed, TooManyRequests,
        PoolClosed, and a plain PoolError where the thread would wait for connections that it holds itself.
        """
        if timeout is not None:
            check_seconds("timeout", timeout)
        frame = _getframe(1)
        code = frame.f_code
        if code is _ENTER:
            frame = frame.f_back or frame
            code = frame.f_code
        state = self._state
        conn = slot = None
        try:
            if key is None and not state.queue:
                conn, slot = state.idle.pop()  # from here on it is in no one else's hands
                now = monotonic_ns()
                if now < slot.due_ns and now < slot.expires_ns and not slot.poll(0):
                    slot.since_ns = now
                    slot.thread = current.thread
                    slot.code = code
                    slot.lasti = frame.f_lasti
                    slot.excused_ns = 0
                    slot.uses += 1
                    state.lent[slot.number] = slot
                    if slot.task is None:
                        return conn
                    state.lent.pop(slot.number, None)  # the keeper took it for lost just before
        except IndexError:
            pass  # none is idle
        except BaseException:
            state.wake.put(None)  # the keeper finds the connection
            raise
        waiter = Waiter(Borrower(current.thread, code, frame.f_lasti, monotonic_ns()))
        waiter.conn, waiter.slot = conn, slot
        del conn
        return self._wait_for_one(waiter, key, timeout)

    def putconn(self, conn: Any, key: Hashable | None = None, close: bool = False) -> None:
        """Return a connection; with `close`, to be closed.

        It is rolled back if it is in a transaction, cleaned as `reset` says, and closed if it is broken. `key` is not
        needed: the pool knows it. Raises PoolError for a connection that is not lent by this pool.
        """
        state = self._state
        slot = state.lent.pop(id(conn), None)  # from here on no one else can return it
        if slot is None:
            self._return_other(conn, close)
            return
        try:
            now = monotonic_ns()
            held = now - slot.since_ns
            slot.used_ns += held
            slot.spans[held.bit_length()] += 1
            if (
                not close
                and self._reset is None
                and slot.is_clean(conn)
                and not state.surplus
                and now < slot.expires_ns
                and slot.due_ns >= 0
            ):
                slot.due_ns = now + self._recheck_ns
                slot.since_ns = now
                state.idle.append((conn, slot))  # from here on another caller may have it
                if state.queue or state.closed:
                    self._do(state.serve_queue)
            else:
                self._do(functools.partial(self._return, conn, slot, close))
        except BaseException:
            state.wake.put(None)  # the keeper finds the connection
            raise

    def connection(self, timeout: float | None = None, autocommit: bool = False) -> "Lease":
        """`with pool.connection() as conn`: commit at the end, or roll back after an exception, and always return.

        With `autocommit` each statement is its own transaction. Raises what `getconn` does.
        """
        if timeout is not None:
            check_seconds("timeout", timeout)
        return Lease(self, self._state, timeout, autocommit)

    def _do(self, action: Callable[[], object]) -> None:
        """Do what takes the lock; put it off where this thread is inside already, further up its stack."""
        if self._state.is_inside():
            self._state.defer(action)
            return
        action()
        self._workers.ensure()

    def _wait_for_one(self, waiter: Waiter, key: Hashable | None, timeout: float | None) -> Any:
        """The long way to a connection, through the queue. A caller whose connection needs a check keeps its turn."""
        state = self._state
        if state.is_inside():
            raise PoolError(
                f"the pool {state.options.name!r} is called by a handler that interrupts it, and cannot wait"
            )
        timeout = state.options.timeout if timeout is None else timeout
        deadline_ns = waiter.borrower.since_ns + int(timeout * 1e9)
        try:
            if key is not None and (lent := self._wait_for_key(key, deadline_ns, timeout)) is not None:
                return lent
            if waiter.slot is None:
                state.join(waiter)
                self._workers.ensure()
            while True:
                if waiter.conn is not None and waiter.slot is not None:
                    conn, slot, now = waiter.conn, waiter.slot, monotonic_ns()
                    # A ping that was just answered counts, even where every checkout wants one.
                    is_fresh = now < slot.due_ns or (self._recheck_ns == 0 and slot.due_ns > waiter.borrower.since_ns)
                    is_usable = is_fresh and now < slot.expires_ns and not slot.poll(0)
                    if is_usable and state.leave(waiter, key):
                        return conn
                    del conn
                    if waiter.slot is not None:
                        state.rejoin(waiter, waiter.conn, slot)
                        self._workers.ensure()
                self._wait_at_gate(waiter, deadline_ns, timeout)
        except BaseException:
            state.withdraw(waiter)
            self._workers.ensure()
            raise
        finally:
            if key is not None:
                state.fetched(key)

    def _wait_for_key(self, key: Hashable, deadline_ns: int, timeout: float) -> Any:
        """The connection that is lent by a key; None where the caller has to fetch one."""
        state = self._state
        while (lent := state.look_up(key)) is NotImplemented:
            left = (deadline_ns - monotonic_ns()) / 1e9
            if left <= 0:
                raise PoolTimeout(snapshots.explain(state, timeout)) from state.last_error
            state.wait_until(lambda: key not in state.coming, min(left, SLICE))
            self._keeper.maintain()
        return lent

    def _wait_at_gate(self, waiter: Waiter, deadline_ns: int, timeout: float) -> None:
        """Wait until the caller is served, and maintain the pool meanwhile."""
        state, waited = self._state, False
        while True:
            if state.cannot_connect():
                reason = str(state.last_error).strip() or repr(state.last_error)
                raise ConnectFailed(f"the pool {state.options.name!r} cannot connect: {reason}") from state.last_error
            self._keeper.ensure(closely=waited)
            self._workers.help_out()
            left = (deadline_ns - monotonic_ns()) / 1e9
            if not self._workers.can_start:
                left = min(left, max(0.001, (state.next_ns() - monotonic_ns()) / 1e9))
            waiter.gate.acquire(timeout=max(0.0, min(left, SLICE)))
            if waiter.slot is not None or state.is_served(waiter):
                return
            if state.closed:
                raise PoolClosed(f"the pool {state.options.name!r} was closed while the caller waited")
            if monotonic_ns() >= deadline_ns:
                raise PoolTimeout(snapshots.explain(state, timeout)) from state.last_error
            self._keeper.maintain()
            waited = True

    def _return_other(self, conn: Any, close: bool) -> None:
        """Return a connection that is not among those lent: it was lent by key, cut off, or inherited by a fork."""
        state = self._state
        if state.is_inside():
            state.defer(functools.partial(self._return_other, conn, close))
            return
        slot = state.take_back(conn)
        if slot is None:
            if not state.is_inherited(conn):
                raise PoolError("this connection is not lent by the pool: it is another's, or was returned already")
        elif slot.task is None:
            self._return(conn, slot, close)
        self._workers.ensure()

    def _return(self, conn: Any, slot: Slot, close: bool) -> None:
        """The long way back: clean, close, or serve the queue."""
        state = self._state
        broken = conn.closed == 2  # not by close(): the server has ended it
        in_transaction = not conn.closed and conn.get_transaction_status() in IN_TRANSACTION
        task = state.begin_return(conn, slot, _getframe().f_code)
        if task is None:
            return
        good = False
        try:
            if in_transaction:
                self._warn_of_transaction(slot.borrower().place())
            good = not close and self._clean(conn, slot)
            if broken:
                state.suspect_others(slot)
        finally:
            state.end_return(task, good, not good and not close and conn.closed != 1, in_transaction)

    def _warn_of_transaction(self, place: str) -> None:
        """Warn of a place that leaves transactions open, once a minute."""
        now = time.monotonic()
        if now - self._warned.get(place, -WARN_AGAIN) >= WARN_AGAIN:
            if len(self._warned) > 1000:
                self._warned.clear()
            self._warned[place] = now
            logger.warning("pool %r rolls back what was left open by who took it at %s", self.name, place)

    def _clean(self, conn: Any, slot: Slot) -> bool:
        """Make a returned connection as good as new. False if it cannot be."""
        state = self._state
        if conn.closed:
            return False
        try:
            if conn.status == STATUS_PREPARED:
                place = slot.borrower().place()
                logger.warning("pool %r leaves a prepared transaction behind, of who took it at %s", self.name, place)
            if not slot.rollback(conn):
                return False
            if slot.due_ns < 0 and slot.has_become_standby(conn):
                state.retire(slot)
                return False
            slot.restore(conn)
            if self._reset == "discard":
                slot.discard(conn)
                if state.options.configure is not None:
                    state.options.configure(conn)
            elif callable(self._reset):
                self._reset(conn)
            slot.restore(conn)
            return slot.is_clean(conn)
        except Exception as error:
            logger.warning("pool %r closes a connection that cannot be cleaned: %s", self.name, error)
            return False

    # Opening and closing

    def open(self, wait: bool = False, timeout: float = 30.0) -> None:
        """Connect the first `minconn` now instead of at the first checkout; with `wait`, as `wait(timeout)` does.

        Raises PoolClosed: a closed pool stays closed.
        """
        if self.closed:
            raise PoolClosed(f"the pool {self.name!r} is closed")
        self._keeper.ensure()
        self._do(self._keeper.maintain)
        if wait:
            self.wait(timeout)

    def wait(self, timeout: float = 30.0) -> None:
        """Wait until `minconn` connections are made. Raises PoolTimeout after `timeout` seconds, and PoolClosed."""
        check_seconds("timeout", timeout)
        self.open()
        if not self._wait_until(lambda: self.closed or self._made() >= self.minconn, timeout):
            raise PoolTimeout(snapshots.explain(self._state, timeout)) from self._state.last_error
        if self.closed:
            raise PoolClosed(f"the pool {self.name!r} was closed while the caller waited")

    def close(self, timeout: float = 5.0) -> None:
        """Close the pool. Callers who wait get PoolClosed at once; those with a connection have `timeout` seconds to
        return it, then their queries are cancelled. What comes back later is closed quietly. Closing twice is harmless.
        """
        check_seconds("timeout", timeout)
        if self._state.is_inside():
            self._state.closed = True
            self._state.defer(self._state.close)
            return
        self._do(self._state.close)
        if not self._wait_until(self._is_over, timeout):
            if self._cancel_queries():
                self._wait_until(self._is_over, CANCEL_LIMIT)
            if self._held():
                logger.warning("%r closes its last connections as they are returned", self)

    def closeall(self) -> None:
        """Close the pool without waiting, as psycopg2's pools do: queries are cancelled, and sockets shut down.

        Raises PoolClosed (a psycopg2 PoolError) if the pool is closed.
        """
        if self.closed:
            raise PoolClosed(f"the pool {self.name!r} is closed")
        self._do(self._state.close)
        self._cancel_queries()
        for slot in self._held():
            slot.cut()

    def __enter__(self) -> "ConnectionPool":
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Maintenance

    def check(self) -> None:
        """Ping every idle connection, and replace those that do not answer."""
        if self._state.is_inside():
            self._state.defer(self._state.check_idle)
            return
        checked = self._state.check_idle()
        self._workers.ensure()
        self._wait_until(
            lambda: not any(slot.state in (CHECKING, CLOSING) for slot in checked & self._state.slots), CHECK_LIMIT
        )

    def drain(self) -> None:
        """Replace every connection: idle ones now, those in use as they are returned."""
        self._do(self._state.retire)
        if self._keeper.ident:
            self._do(self._keeper.maintain)

    def resize(self, minconn: int, maxconn: int) -> None:
        """Change the size. Connections beyond `maxconn` are closed, at the latest as they are returned."""
        check_size(minconn, maxconn)
        self._do(functools.partial(self._state.resize, minconn, maxconn))
        if self._keeper.ident:
            self._do(self._keeper.maintain)

    # Seeing

    @property
    def name(self) -> str:
        """The name of the pool in messages."""
        return self._state.options.name

    @property
    def leak_after(self) -> float:
        """After how many seconds a connection that is held counts as leaked; 0 for never."""
        return self._state.options.leak_after

    @property
    def connecting_fails(self) -> bool:
        """Whether the last attempt to connect failed, although idle connections may still work."""
        return self._state.down

    @property
    def last_failure(self) -> ConnectFailure | None:
        """The last attempt to connect that failed, also after a later one succeeded; None where there is none."""
        return self._state.last_failure

    def get_stats(self) -> PoolStats:
        """What the pool is and has done, as of one moment. All keys are always present; see PoolStats."""
        return snapshots.picture(self._state)

    def pop_stats(self) -> PoolStats:
        """As `get_stats`, and the totals start again from zero."""
        return snapshots.pop(self._state)

    def get_histograms(self) -> Histograms:
        """How long callers waited, held and connected, as of one moment; see Histograms."""
        return snapshots.histograms(self._state)

    def get_waiters(self) -> list[WaiterStatus]:
        """A row for each caller in the queue, the next one to be served first; see WaiterStatus."""
        return snapshots.waiters(self._state)

    def status(self) -> list[ConnectionStatus]:
        """A row for each slot, the oldest connection first; see ConnectionStatus."""
        return snapshots.rows(self._state)

    def __repr__(self) -> str:
        stats = self.get_stats()
        counts = f"{stats['pool_available']} idle of {stats['pool_size']}, max {stats['pool_max']}"
        opened = "closed" if self.closed else "open"
        return f"<{type(self).__name__} {self.name!r} {opened}: {counts}, {stats['requests_waiting']} waiting>"

    # What the methods above need

    def _wait_until(self, done: Callable[[], bool], timeout: float) -> bool:
        """Wait until `done` says so. False after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            self._workers.ensure()
            while not self._workers.can_start and self._state.todo.qsize():
                self._workers.help_out()
            left = deadline - time.monotonic()
            if self._state.wait_until(done, max(0.0, min(left, SLICE))):
                return True
            if left <= 0:
                return False
            self._keeper.maintain()

    def _is_over(self) -> bool:
        """Whether no connection is left but those being made, which end by themselves."""
        return all(slot.state is CONNECTING for slot in self._state.slots)

    def _made(self) -> int:
        return sum(slot.state in HELD for slot in list(self._state.slots))

    def _held(self) -> list[Slot]:
        """The slots whose connection a caller has."""
        return [slot for slot in list(self._state.slots) if slot.state in HELD]

    def _cancel_queries(self) -> bool:
        """Cancel what borrowers are running, within a limit. Return whether there was anything to cancel."""
        keys = [slot.cancel_key for slot in self._held() if slot.cancel_key is not None and slot.is_busy()]
        ended: list[bool] = []

        def cancel() -> None:
            for key in keys:
                if reason := key.cancel():
                    logger.warning("pool %r cannot cancel a query: %s", self.name, reason)
            ended.append(True)

        if not keys or not start_thread(cancel):
            return False
        deadline = time.monotonic() + CANCEL_LIMIT
        while not ended and time.monotonic() < deadline:
            time.sleep(0.005)
        return True

    def _after_fork(self) -> None:
        self._state.after_fork()
        self._begin()


class Lease:
    """The context manager that `connection()` returns, for one block at a time."""

    __slots__ = ("_autocommit", "_before", "_conn", "_free", "_pool", "_state", "_timeout")

    def __init__(self, pool: ConnectionPool, state: State, timeout: float | None, autocommit: bool) -> None:
        self._pool = pool
        self._state = state
        self._timeout = timeout
        self._autocommit = autocommit
        self._before = False
        self._conn: Any = None
        self._free = True  # deleting it lets one block in, and no other

    def __enter__(self) -> Any:
        try:
            del self._free
        except AttributeError:
            raise PoolError("this connection() is in a block already: call pool.connection() for each") from None
        try:
            conn = self._conn = self._pool.getconn(None, self._timeout)
            if self._autocommit:
                self._before = conn.autocommit
                conn.autocommit = True
        except BaseException:
            if (conn := self._conn) is not None:
                self._conn = None
                self._pool.putconn(conn, close=True)
            self._free = True
            raise
        return conn

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pool, state, conn, self._conn = self._pool, self._state, self._conn, None
        self._free = True
        try:
            if state.inherited and state.is_inherited(conn):
                return  # a child was forked inside the block; the transaction is the parent's
            if error is not None:
                state.note_error(conn, error)
                self._roll_back(conn)
            elif not self._autocommit and conn.closed != 1:
                conn.commit()
        except BaseException as failure:
            state.note_error(conn, failure)
            raise
        finally:
            if self._autocommit and not conn.closed:
                with contextlib.suppress(psycopg2.Error):
                    conn.autocommit = self._before
            pool.putconn(conn)

    def _roll_back(self, conn: Any) -> None:
        """Roll back, unless that is pointless. The caller sees its own exception."""
        if conn.closed == 0 and conn.get_transaction_status() in IN_TRANSACTION:
            with contextlib.suppress(psycopg2.Error):
                conn.rollback()


_ENTER: Final = Lease.__enter__.__code__

_pools: "weakref.WeakSet[ConnectionPool]" = weakref.WeakSet()


def _connect(*args: Any, **kwargs: Any) -> Any:
    return psycopg2.connect(*args, **kwargs)  # looked up at each call, so that it can be replaced


def _with_connect_timeout(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords with a connect_timeout, unless something sets one: without, libpq waits for minutes."""
    try:
        given = {**parse_dsn(args[0] if args else kwargs.get("dsn") or ""), **kwargs}
    except (psycopg2.Error, TypeError):
        return kwargs  # connecting says what is wrong
    if (
        "connect_timeout" in given
        or "service" in given
        or os.environ.get("PGCONNECT_TIMEOUT")
        or "PGSERVICE" in os.environ
    ):
        return kwargs
    return {**kwargs, "connect_timeout": CONNECT_TIMEOUT}


def _end(state: State) -> None:
    """A pool was forgotten: its keeper closes the connections, and the threads end. Takes no lock: it runs anywhere."""
    state.closed = True
    state.defer(state.close)


def _after_fork_in_child() -> None:
    for pool in list(_pools):
        pool._after_fork()  # noqa: SLF001  # of this module


os.register_at_fork(after_in_child=_after_fork_in_child)
