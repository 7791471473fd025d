"""Who has which connection: all state of a pool, behind one lock.

Methods here decide and note; they wait for nothing. What has to be done then, outside the lock, they return: renewals
to start, sockets to cut. Every method says whether its caller holds the lock.

Nothing is counted that can be looked up: the size is the number of slots, and a slot whose owner is gone is free again
(`_find_lost`). An exception may therefore strike between any two lines here, and the books come right by themselves.
"""

import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Hashable

from psycopg2.extensions import connection
from psycopg2.pool import AbstractConnectionPool, PoolError

from polls.pool.errors import PoolClosed, TooManyRequests
from polls.pool.options import Options, check_size, to_ns
from polls.pool.renewal import Renewal
from polls.pool.slot import CHECKING, CLOSING, CONNECTING, IDLE, IN_USE, Borrower, Slot
from polls.pool.stats import Counters


class Waiter:
    """A caller in the queue. Its gate opens when it has been given a connection, or when the pool closes."""

    __slots__ = ("borrower", "conn", "fresh", "gate", "slot")

    def __init__(self, borrower: Borrower) -> None:
        self.borrower = borrower
        self.gate = threading.Lock()
        self.gate.acquire()
        self.conn: connection | None = None
        self.slot: Slot | None = None
        self.fresh = False


class Ledger(AbstractConnectionPool):
    """The books of a `ConnectionPool`."""

    def __init__(self, minconn: int, maxconn: int, make_connection: Callable[[], connection], options: Options) -> None:
        # The inherited constructor would connect; this one keeps its contract and does not.
        check_size(minconn, maxconn)
        self.minconn = minconn
        self.maxconn = maxconn
        self.closed = False
        self._make_connection = make_connection
        self._options = options
        self._reset = None if options.reset == "rollback" else options.reset
        self._max_idle_ns = to_ns(options.max_idle)
        self._recheck_ns = min(to_ns(options.check_idle), self._max_idle_ns)
        self._inherited: dict[int, Slot] = {}
        self._begin()
        _ledgers.add(self)

    def _begin(self) -> None:
        """Start with empty books. Called before anybody else knows the pool, or in a forked child."""
        self._lock = threading.Lock()
        self._wake: queue.SimpleQueue[object] = queue.SimpleQueue()  # its put() may run anywhere, even in a destructor
        self._keeper: threading.Thread | None = None
        self._slots: set[Slot] = set()
        self._idle: list[tuple[connection, Slot]] = []  # the last one was used last
        self._by_id: dict[int, Slot] = {}  # id(connection) -> slot, an index only
        self._keyed: dict[Hashable, Slot] = {}
        self._queue: deque[Waiter] = deque()
        self._gates: list[threading.Lock] = []  # of those who wait for any change
        self._retired_ns = 0  # connections begun before then are closed
        self._down = False  # the last attempt to connect failed: one prober at a time
        self._prober: Slot | None = None
        self._last_error: Exception | None = None
        self._counters = Counters()

    def _after_fork(self) -> None:
        """In a forked child: leave the parent's connections alone, start afresh. Whoever held the lock is not here."""
        self._inherited = {**self._inherited, **self._by_id}
        self._begin()

    # Idle connections and the queue

    def _join(self, waiter: Waiter) -> list[Renewal]:
        """Queue a caller. Takes the lock."""
        with self._lock:
            # Decides whether the caller may wait at all, and whether there is something for it already.
            if self.closed:
                raise PoolClosed(f"the pool {self._options.name!r} is closed")
            if not self._idle:
                self._refuse_nested(waiter)
                limit = self._options.max_waiting
                if limit and len(self._queue) >= limit:
                    raise TooManyRequests(f"the pool {self._options.name!r} has {limit} callers waiting already")
            self._queue.append(waiter)
            self._match()
            if waiter.slot is None:
                self._counters.requests_queued += 1
            return self._plan()

    def _rejoin(self, waiter: Waiter, conn: connection, slot: Slot) -> list[Renewal]:
        """Put a caller whose connection needs a closer look back to the head of the queue. Takes the lock."""
        with self._lock:
            # Decides nothing but the order: whoever had a connection in hand goes first.
            renewal = self._entrust(slot, conn, self._is_worth_keeping(slot))
            waiter.conn = waiter.slot = None
            if not self.closed:
                self._queue.appendleft(waiter)
                self._match()
            return [renewal, *self._plan()]

    def _recheck(self, waiter: Waiter) -> bool:
        """See whether a caller has been served, and mend its place in the queue if it was lost. Takes the lock."""
        with self._lock:
            # Decides between what the gate says and what is true: an exception may have come between the two.
            if waiter.slot is None and waiter not in self._queue and not self.closed:
                self._queue.appendleft(waiter)
                self._match()
            return waiter.slot is not None

    def _leave(self, waiter: Waiter, key: Hashable | None) -> None:
        """A caller goes with what it was given. Takes the lock."""
        with self._lock:
            # Decides nothing: the connection was the caller's from the moment it was given.
            self._counters.requests_wait_ns += time.monotonic_ns() - waiter.borrower.since_ns
            if key is not None and waiter.slot is not None:
                waiter.slot.key = key
                self._keyed[key] = waiter.slot

    def _withdraw(self, waiter: Waiter) -> None:
        """A caller goes without, because of a timeout or any other exception. Takes the lock."""
        with self._lock:
            # Decides the race with a hand-off: what the caller was given meanwhile goes on to the next.
            self._counters.requests_wait_ns += time.monotonic_ns() - waiter.borrower.since_ns
            self._counters.requests_errors += 1
            if waiter in self._queue:
                self._queue.remove(waiter)
            renewals = []
            if waiter.conn is not None and waiter.slot is not None:
                renewals = self._lay_down(waiter.conn, waiter.slot, True)
        for renewal in renewals:
            renewal.start()

    def _look_up(self, key: Hashable) -> connection | None:
        """The connection that is out under a key. Takes the lock."""
        with self._lock:
            # Decides whether the key is in use.
            slot = self._keyed.get(key)
            conn = slot.owner() if slot is not None and slot.state is IN_USE and slot.key == key else None
            return conn if isinstance(conn, connection) else None

    def _match(self) -> None:
        """Give idle connections to the queue's head. The caller holds the lock."""
        while self._queue and self._idle:
            conn, slot = self._idle.pop()
            waiter = self._queue.popleft()
            waiter.fresh = self._is_fresh(slot)
            slot.take(waiter.borrower)
            waiter.conn, waiter.slot = conn, slot
            waiter.gate.release()

    def _lay_down(self, conn: connection, slot: Slot, good: bool) -> list[Renewal]:
        """Put a connection to rest or to the next use if it is good, else away. The caller holds the lock."""
        if not (good and self._is_worth_keeping(slot)):
            return [self._entrust(slot, conn, False)]
        slot.owner = weakref.ref(conn, self._wake.put)
        slot.since_ns = time.monotonic_ns()
        slot.state = IDLE
        self._by_id[id(conn)] = slot
        self._idle.append((conn, slot))
        self._match()
        self._changed()
        return []

    def _refuse_nested(self, waiter: Waiter) -> None:
        """Raise PoolError for a caller that would wait for itself. The caller holds the lock."""
        borrowers = [slot.borrower() for slot in self._slots if slot.state is IN_USE]
        mine = [borrower for borrower in borrowers if borrower.thread == waiter.borrower.thread]
        if len(mine) >= self.maxconn:
            places = ", ".join(sorted({borrower.place() for borrower in mine}))
            raise PoolError(
                f"this thread holds all {len(mine)} connections of the pool {self._options.name!r}, taken at {places}, "
                f"and would wait for itself at {waiter.borrower.place()}"
            )

    # What becomes of a slot

    def _is_fresh(self, slot: Slot) -> bool:
        """Whether an idle connection may be used without a ping. The caller holds the lock. `getconn` has it inline."""
        now = time.monotonic_ns()
        return now < slot.due_ns and now < slot.expires_ns

    def _is_worth_keeping(self, slot: Slot) -> bool:
        """Whether age, drain, resize and close let a connection stay. The caller holds the lock."""
        now = time.monotonic_ns()
        size = self._size()
        return (
            not self.closed
            and slot.born_ns > self._retired_ns
            and now < slot.expires_ns
            and size <= self.maxconn
            and not (slot.state is IDLE and size > self.minconn and now - slot.since_ns > self._max_idle_ns)
        )

    def _size(self) -> int:
        """How many slots have a connection or will have one. The caller holds the lock."""
        return sum(slot.state is not CLOSING for slot in self._slots)

    def _entrust(self, slot: Slot, conn: connection | None, keep: bool) -> Renewal:
        """Hand a slot to a renewal, which is to ping its connection or else to close it. The caller holds the lock."""
        self._by_id = {key: other for key, other in self._by_id.items() if other is not slot}
        renewal = Renewal(self, slot, conn, keep)
        slot.owner = weakref.ref(renewal, self._wake.put)
        slot.since_ns = time.monotonic_ns()
        slot.state = CHECKING if keep else CLOSING
        return renewal

    def _plan(self) -> list[Renewal]:
        """Begin the connections that are needed and have room. The caller holds the lock."""
        missing = max(len(self._queue) - self._pending(), self.minconn - len(self._slots))
        room = self.maxconn - len(self._slots)
        if self._down:
            room = min(room, 0 if self._is_probing() else 1)
        renewals: list[Renewal] = []
        while not self.closed and len(renewals) < min(missing, room):
            slot = Slot()
            renewal = self._entrust(slot, None, False)
            slot.state = CONNECTING
            self._slots.add(slot)
            renewals.append(renewal)
        if self._down and renewals:
            self._prober = renewals[0].slot
        return renewals

    def _pending(self) -> int:
        """How many connections are on their way to the idle. The caller holds the lock."""
        return sum(slot.state is CONNECTING or slot.state is CHECKING for slot in self._slots)

    def _is_probing(self) -> bool:
        """Whether somebody tries the server that is down. The caller holds the lock."""
        return self._prober is not None and self._prober in self._slots and self._prober.state is CONNECTING

    def _is_needed(self, slot: Slot) -> bool:
        """Whether a slot that holds no connection now should have one. The caller holds the lock."""
        counted = slot.state is CONNECTING
        others, coming = self._size() - counted, self._pending() - counted
        return not self.closed and others < self.maxconn and (others < self.minconn or coming < len(self._queue))

    def _drop(self, slot: Slot) -> None:
        """Strike a slot out. The caller holds the lock, and starts what `_plan` returns."""
        self._slots.discard(slot)
        self._changed()

    def _suspect(self, slot: Slot) -> None:
        """A connection is dead: have those at rest pinged before use. One that was suspected itself tells nothing new.
        The caller holds the lock."""
        if slot.due_ns:
            for _, other in self._idle:
                other.due_ns = 0

    def _retire(self, slot: Slot | None = None) -> None:
        """Have all present connections replaced, those in use as they come back; but once only for the generation of
        `slot`, if one is given. Takes the lock."""
        with self._lock:
            # Decides which generation is the last one to be closed.
            if slot is None or slot.born_ns > self._retired_ns:
                self._retired_ns = time.monotonic_ns()
                for other in self._slots:
                    other.expires_ns = 0
        self._wake.put(None)

    # What renewals report

    def _may_connect(self, slot: Slot) -> bool:
        """After closing: whether the slot is to be connected anew; else it is gone. Takes the lock."""
        with self._lock:
            # Decides whether the slot is still wanted, and keeps all but one away from a server that is down.
            probing = self._down and self._is_probing() and self._prober is not slot
            if probing or not self._is_needed(slot):
                self._drop(slot)
                return False
            if self._down:
                self._prober = slot
            slot.state = CONNECTING
            slot.born_ns = slot.since_ns = time.monotonic_ns()
            self._counters.connections_num += 1
            self._changed()
            return True

    def _may_retry(self, slot: Slot, error: Exception) -> bool:
        """After a failed attempt: whether this one is the prober; else the slot is gone. Takes the lock."""
        with self._lock:
            # Decides who keeps trying: the first to fail, as long as somebody needs it.
            self._counters.connections_errors += 1
            self._last_error = error
            self._down = True
            if not self._is_probing():
                self._prober = slot
            if self._prober is not slot or not self._is_needed(slot):
                self._drop(slot)
                return False
            self._counters.connections_num += 1
            return True

    def _deliver(self, slot: Slot, conn: connection, took_ns: int) -> list[Renewal]:
        """Put a connection that was made or pinged to use, or away after all. Takes the lock."""
        with self._lock:
            # Decides whether the pool still wants it, and who gets it.
            if took_ns:
                self._counters.connections_ns += took_ns
                self._down, self._last_error = False, None
            slot.due_ns = time.monotonic_ns() + self._recheck_ns
            return self._lay_down(conn, slot, True)

    def _found_dead(self, slot: Slot) -> None:
        """A connection in the pool did not answer. Takes the lock."""
        with self._lock:
            # Decides that the others are to be doubted.
            self._counters.connections_lost += 1
            slot.state = CLOSING
            self._suspect(slot)

    def _plan_next(self) -> list[Renewal]:
        """What is needed next. Takes the lock."""
        with self._lock:
            # Decides on connections for those whom a slot that is gone, or a server that is back, can serve.
            return self._plan()

    # Waiting for a change

    def _changed(self) -> None:
        """Wake those who wait for any change. The caller holds the lock."""
        while self._gates:
            self._gates.pop().release()

    def _wait_until(self, done: Callable[[], bool], timeout: float) -> bool:
        """Wait until `done`, asked with the lock held, says so. False after `timeout` seconds. Takes the lock."""
        deadline = time.monotonic() + timeout
        while True:
            gate = threading.Lock()
            gate.acquire()
            with self._lock:
                # Decides whether to wait, and sees to being woken before anything can change.
                if done():
                    return True
                self._gates.append(gate)
            if not gate.acquire(timeout=max(0.0, deadline - time.monotonic())):
                return False


_ledgers: "weakref.WeakSet[Ledger]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for ledger in list(_ledgers):
        ledger._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
