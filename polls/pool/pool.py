"""`ConnectionPool`: what is called from outside."""

import dataclasses
import functools
import logging
import threading
import time
from operator import add
from types import TracebackType
from typing import Any, Final

import psycopg2

from polls.pool.checkout import Checkout
from polls.pool.errors import PoolClosed, PoolTimeout
from polls.pool.keeper import ensure_keeper, tend
from polls.pool.options import Configure, Connect, Options, Reset, check_seconds, check_size
from polls.pool.renewal import cancel_queries, start_all, start_thread
from polls.pool.slot import CHECKING, CLOSING, CONNECTING, HELD, KEYED, READY
from polls.pool.stats import ConnectFailure, ConnectionStatus, Counters, Histograms, PoolStats, WaiterStatus

logger = logging.getLogger("polls.pool")

CANCEL_LIMIT: Final = 2.0  # seconds that close() gives to cancelling, and then to those cancelled
CHECK_LIMIT: Final = 3.0  # seconds that check() waits; a ping is cut after two


class ConnectionPool(Checkout):
    """A pool of psycopg2 connections, for threads.

    `minconn` connections are kept ready and at most `maxconn` exist. What is not named here goes to `connect`, which is
    `psycopg2.connect` unless another callable is given. Times are seconds, and 0 switches a limit off.

    The constructor connects to nothing and starts no thread: the first checkout does, or `open()`.

    - `timeout`: how long `getconn` may take, all told; with 0 it gives what is idle, or fails;
    - `max_waiting`: how many may wait at once;
    - `max_idle`: after how much rest a connection beyond `minconn` is closed;
    - `max_lifetime`: after how much life any connection is replaced, less up to a tenth by chance;
    - `check_idle`: after how much rest a connection is pinged before use;
    - `leak_after`: after how long a connection that is held is reported, once;
    - `max_use`: after how long the socket of a connection that is held is shut down;
    - `configure(conn)`: called with each new connection;
    - `reset`: how a connection is cleaned when it comes back: "rollback" (None means this), "discard" for DISCARD ALL
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
        check_idle: float = 30.0,
        leak_after: float = 60.0,
        max_use: float = 0.0,
        configure: Configure | None = None,
        reset: Reset | None = None,
        **kwargs: Any,
    ) -> None:
        options = Options(
            name, timeout, max_waiting, max_idle, max_lifetime, check_idle, leak_after, max_use, configure, reset
        )
        if connect is not None and not callable(connect):
            raise TypeError(f"connect must be callable, not {connect!r}")
        factory: Connect = connect or psycopg2.connect
        super().__init__(minconn, maxconn, functools.partial(factory, *args, **kwargs), options)

    # Opening and closing

    def open(self, wait: bool = False, timeout: float = 30.0) -> None:
        """Connect the first `minconn` now instead of at the first checkout; with `wait`, as `wait(timeout)` does.

        Raises PoolClosed: a closed pool stays closed.
        """
        if self.closed:
            raise PoolClosed(f"the pool {self._options.name!r} is closed")
        ensure_keeper(self)
        tend(self)
        if wait:
            self.wait(timeout)

    def wait(self, timeout: float = 30.0) -> None:
        """Wait until `minconn` connections are there. Raises PoolTimeout after `timeout` seconds, and PoolClosed."""
        check_seconds("timeout", timeout)
        self.open()
        if not self._wait_until(lambda: self.closed or self._ready() >= self.minconn, timeout):
            raise PoolTimeout(self._explain(timeout)) from self._last_error
        if self.closed:
            raise PoolClosed(f"the pool {self._options.name!r} was closed while the caller waited")

    def close(self, timeout: float = 5.0) -> None:
        """Close the pool. Callers who wait get PoolClosed at once; those with a connection have `timeout` seconds to
        return it, then their queries are cancelled. What comes back later is closed quietly. Closing twice is harmless.
        """
        check_seconds("timeout", timeout)
        self._stop()
        if not self._wait_until(self._is_over, timeout):
            self._cancel_queries()
            if not self._wait_until(self._is_over, CANCEL_LIMIT):
                logger.warning("%r closes its last connections as they are returned", self)

    def closeall(self) -> None:
        """Close the pool without waiting for anybody, as psycopg2's pools do: queries are cancelled, sockets shut down.

        Raises PoolClosed (a psycopg2 PoolError) if the pool is closed.
        """
        if self.closed:
            raise PoolClosed(f"the pool {self._options.name!r} is closed")
        self._stop()
        self._cancel_queries()
        with self._lock:
            # Decides whose socket ends: that of everyone who still has a connection.
            held = self._held()
        for slot in held:
            slot.cut()

    def __enter__(self) -> "ConnectionPool":
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Looking after

    def check(self) -> None:
        """Ping every idle connection, all at once, and replace those that do not answer."""
        with self._lock:
            # Decides which connections nobody gets until they have answered.
            renewals = self._empty(keep=True)
            checked = {renewal.slot for renewal in renewals}
        start_all(renewals)
        del renewals
        busy = {CHECKING, CLOSING}
        self._wait_until(lambda: not any(slot.state in busy for slot in checked & self._slots), CHECK_LIMIT)

    def drain(self) -> None:
        """Replace every connection: those that are idle now, those in use as they come back."""
        self._retire()
        if self._keeper() is not None:
            tend(self)

    def resize(self, minconn: int, maxconn: int) -> None:
        """Change the size. Connections beyond `maxconn` are closed, at the latest as they come back."""
        check_size(minconn, maxconn)
        with self._lock:
            # Decides the size that all other decisions go by.
            self.minconn, self.maxconn = minconn, maxconn
        if self._keeper() is not None:
            tend(self)

    # Seeing

    @property
    def name(self) -> str:
        """The name of the pool in messages."""
        return self._options.name

    @property
    def leak_after(self) -> float:
        """After how many seconds a connection that is held counts as leaked; 0 for never."""
        return self._options.leak_after

    @property
    def connecting_fails(self) -> bool:
        """Whether the last attempt to connect failed, although idle connections may still work."""
        return self._down

    @property
    def last_failure(self) -> ConnectFailure | None:
        """The last attempt to connect that failed, also after a later one succeeded; None where there is none."""
        return self._last_failure

    def get_stats(self) -> PoolStats:
        """What the pool is and has done, as of one moment. All keys are always present; see PoolStats."""
        with self._lock:
            # Decides nothing: a picture of one moment.
            return self._picture()

    def pop_stats(self) -> PoolStats:
        """As `get_stats`, and the totals start again from zero."""
        with self._lock:
            # Decides where one period ends and the next begins.
            stats = self._picture()
            self._popped = self._totals()
            return stats

    def get_histograms(self) -> Histograms:
        """How long callers waited, held and connected, as of one moment; see Histograms."""
        with self._lock:
            # Decides nothing: a picture of one moment.
            waits, uses, connects = list(self._waits), self._spans, list(self._connects)
            for slot in self._slots:
                uses = list(map(add, uses, slot.spans))
            waits[0] += self._totals().uses - self._left  # the fast way takes no time for its own
        return {"wait": waits, "use": list(uses), "connect": connects}

    def get_waiters(self) -> list[WaiterStatus]:
        """A row for each caller in the queue, the next one to be served first; see WaiterStatus."""
        with self._lock:
            # Decides nothing: a picture of one moment.
            waiting = [waiter.borrower for waiter in self._queue]
        now = time.monotonic_ns()
        return [
            {"thread": who.name(), "taken": who.place(), "waited_ms": (now - who.since_ns) / 1e6} for who in waiting
        ]

    def status(self) -> list[ConnectionStatus]:
        """A row for each slot, the oldest connection first; see ConnectionStatus."""
        with self._lock:
            # Decides nothing: a picture of one moment.
            now = time.monotonic_ns()
            slots = sorted(self._slots, key=lambda slot: slot.born_ns)
            held = set(self._held())
            rows = [(slot.pid, slot.state, slot.born_ns, slot.uses, slot.borrower(), slot in held) for slot in slots]
        status: list[ConnectionStatus] = []
        for pid, state, born_ns, uses, borrower, lent in rows:
            status.append(
                {
                    "backend_pid": pid,
                    "state": state if state not in (READY, KEYED) else "in use" if lent else "idle",
                    "held_ms": (now - borrower.since_ns) / 1e6 if lent else None,
                    "thread": borrower.name() if lent else None,
                    "taken": borrower.place() if lent else None,
                    "age_ms": (now - born_ns) / 1e6,
                    "uses": uses,
                }
            )
        return status

    def __repr__(self) -> str:
        stats = self.get_stats()
        counts = f"{stats['pool_available']} idle of {stats['pool_size']}, max {stats['pool_max']}"
        opened = "closed" if self.closed else "open"
        return f"<{type(self).__name__} {self._options.name!r} {opened}: {counts}, {stats['requests_waiting']} waiting>"

    # What the methods above need

    def _stop(self) -> None:
        """Lend and connect nothing any more. Takes the lock."""
        with self._lock:
            # Decides that the pool is closed, and who has to be told.
            self.closed = True
            self._retired_ns = time.monotonic_ns()
            for slot in self._slots:
                slot.expires_ns = 0
            renewals = self._empty()
            while self._queue:
                self._queue.popleft().gate.release()
            self._changed()
        start_all(renewals)

    def _is_over(self) -> bool:
        """Whether no connection is left but those being made, which end by themselves. The caller holds the lock."""
        return all(slot.state is CONNECTING for slot in self._slots)

    def _ready(self) -> int:
        """How many connections are made. The caller holds the lock."""
        return sum(slot.state in HELD for slot in self._slots)

    def _cancel_queries(self) -> None:
        """Cancel what borrowers are running, within a limit. The caller does not hold the lock."""
        with self._lock:
            # Decides whose queries: those of everyone who still has a connection.
            pids = [slot.pid for slot in self._held()]
        if pids:
            over = threading.Lock()
            over.acquire()

            def cancel() -> None:
                try:
                    cancel_queries(self, pids)
                finally:
                    over.release()

            start_thread(cancel)
            over.acquire(timeout=CANCEL_LIMIT)

    def _totals(self) -> Counters:
        """The totals since the start. The caller holds the lock."""
        totals = dataclasses.replace(self._counters)
        for slot in self._slots:
            totals.uses += slot.uses
            totals.usage_ns += slot.used_ns
        return totals

    def _picture(self) -> PoolStats:
        """The statistics. The caller holds the lock."""
        now = time.monotonic_ns()
        recent = self._totals() - self._popped
        return {
            "pool_min": self.minconn,
            "pool_max": self.maxconn,
            "pool_size": len(self._slots),
            "pool_available": len(self._idle),
            "requests_waiting": len(self._queue),
            "oldest_wait_ms": (now - self._queue[0].borrower.since_ns) / 1e6 if self._queue else 0.0,
            "usage_ms": recent.usage_ns / 1e6,
            "requests_num": recent.uses + recent.requests_errors + len(self._queue),
            "requests_queued": recent.requests_queued,
            "requests_wait_ms": recent.requests_wait_ns / 1e6,
            "requests_errors": recent.requests_errors,
            "returns_bad": recent.returns_bad,
            "connections_num": recent.connections_num,
            "connections_ms": recent.connections_ns / 1e6,
            "connections_errors": recent.connections_errors,
            "connections_lost": recent.connections_lost,
            "leaks": recent.leaks,
        }
