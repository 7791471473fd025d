"""Who has which connection: the state of a pool.

One lock guards every decision. The methods here only decide and note; they wait for nothing, and return what has to be
done outside the lock: renewals to start, sockets to cut. Each says whether its caller holds the lock.

Two operations decide nothing and need no lock, because each is one atomic step of a built-in: `_idle.pop()` gives a
connection to one caller and no other, `_out.pop()` takes it back from one caller and once. Every checkout that nobody
has to wait for goes this way (`Checkout.getconn`, `Checkout.putconn`); with the lock it would cost a third more.

Nothing is counted that can be looked up: the size is the number of slots, and a slot whose owner is gone is free again.
So an exception may strike between any two lines: what it interrupts drops its connection or its renewal, and
`keeper.tend` finds the slot.
"""

import functools
import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Hashable
from operator import add

from psycopg2.extensions import connection
from psycopg2.pool import AbstractConnectionPool

from polls.pool.options import Options, check_size, to_ns
from polls.pool.renewal import Renewal
from polls.pool.slot import CHECKING, CLOSING, CONNECTING, HELD, READY, Slot, nobody
from polls.pool.stats import BITS, ConnectFailure, Counters
from polls.pool.waiter import Waiter


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
        self._recheck_ns = to_ns(options.check_idle)
        self._inherited: dict[int, Callable[[], object]] = {}
        self._begin()
        _ledgers.add(self)

    def _begin(self) -> None:
        """Start with empty books. Called before anybody else knows the pool, or in a forked child."""
        self._lock = threading.Lock()
        self._wake: queue.SimpleQueue[object] = queue.SimpleQueue()  # its put() may run anywhere, even in a destructor
        self._keeper: Callable[[], object] = nobody  # as long as there is none
        self._slots: set[Slot] = set()
        self._idle: list[tuple[connection, Slot]] = []  # the last one was used last
        self._out: dict[int, Slot] = {}  # id(connection) -> slot, of those that are lent
        self._keyed: dict[Hashable, Slot] = {}  # of those that are lent by key
        self._queue: deque[Waiter] = deque()
        self._gates: list[threading.Lock] = []  # of those who wait for any change
        self._retired_ns = 0  # connections begun before then are closed
        self._down = False  # the last attempt to connect failed: one prober at a time
        self._prober: Slot | None = None
        self._last_error: Exception | None = None  # None again once a connection is made
        self._last_failure: ConnectFailure | None = None
        self._counters = Counters()
        self._popped = Counters()
        self._waits, self._spans, self._connects = [0] * BITS, [0] * BITS, [0] * BITS  # by bit length
        self._left = 0  # how many went with what the queue gave them

    def _after_fork(self) -> None:
        """In a forked child: leave the parent's connections alone, start afresh. Whoever held the lock is not here."""
        for slot in self._slots:
            self._inherited[id(slot.owner())] = slot.owner
        self._begin()

    # Idle connections

    def _match(self) -> None:
        """Give idle connections to the queue's head. The caller holds the lock."""
        while self._queue:
            try:
                conn, slot = self._idle.pop()
            except IndexError:
                return
            waiter = self._queue.popleft()
            waiter.conn, waiter.slot = conn, slot
            waiter.gate.release()

    def _lay_down(self, conn: connection, slot: Slot) -> list[Renewal]:
        """Put a clean connection to rest or to its next use, or away if it is not wanted. The caller holds the lock."""
        if not self._is_worth_keeping(slot):
            return [self._entrust(slot, conn, False)]
        slot.owner = weakref.ref(conn, functools.partial(_forget, self._out, self._wake, slot.number))
        slot.since_ns = time.monotonic_ns()
        slot.state = READY
        self._idle.append((conn, slot))
        self._match()
        self._changed()
        return []

    def _settle(self) -> list[Renewal]:
        """See to what was laid down just when somebody joined the queue or closed the pool. Takes the lock."""
        with self._lock:
            # Decides between the queue and an end.
            if self.closed:
                return self._empty()
            self._match()
            return []

    def _empty(self, keep: bool = False) -> list[Renewal]:
        """Take all idle connections out, to be pinged or closed. The caller holds the lock."""
        renewals: list[Renewal] = []
        while True:
            try:
                conn, slot = self._idle.pop()
            except IndexError:
                return renewals
            renewals.append(self._entrust(slot, conn, keep and self._is_worth_keeping(slot)))

    # What becomes of a slot

    def _held(self) -> list[Slot]:
        """The slots whose connection a caller has. The caller holds the lock."""
        resting = {slot for _, slot in self._idle[:]}
        return [slot for slot in self._slots if slot.state in HELD and slot not in resting]

    def _lent(self) -> list[Slot]:
        """Those of them that are neither on their way out nor back, so that the borrower noted is the one who has it.
        The caller holds the lock."""
        return [slot for slot in self._held() if slot.state is not READY or self._out.get(slot.number) is slot]

    def _size(self) -> int:
        """How many slots have a connection or will have one. The caller holds the lock."""
        return sum(slot.state is not CLOSING for slot in self._slots)

    def _pending(self) -> int:
        """How many connections are on their way to the idle. The caller holds the lock."""
        return sum(slot.state is CONNECTING or slot.state is CHECKING for slot in self._slots)

    def _is_worth_keeping(self, slot: Slot) -> bool:
        """Whether a connection in order may stay. The caller holds the lock."""
        fits = not self.closed and self._size() <= self.maxconn
        return fits and slot.born_ns > self._retired_ns and time.monotonic_ns() < slot.expires_ns

    def _entrust(self, slot: Slot, conn: connection | None, keep: bool) -> Renewal:
        """Hand a slot to a renewal, which is to ping its connection or else to close it. The caller holds the lock."""
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
            renewals.append(self._entrust(slot, None, False))
            slot.state = CONNECTING
            self._slots.add(slot)
            if self._down:
                self._prober = slot
        return renewals

    def _is_probing(self) -> bool:
        """Whether somebody tries the server that is down. The caller holds the lock."""
        return self._prober is not None and self._prober in self._slots and self._prober.state is CONNECTING

    def _is_needed(self, slot: Slot) -> bool:
        """Whether a slot without a connection should get one. The caller holds the lock."""
        counted = slot.state is CONNECTING
        others, coming = self._size() - counted, self._pending() - counted
        return not self.closed and others < self.maxconn and (others < self.minconn or coming < len(self._queue))

    def _drop(self, slot: Slot) -> None:
        """Strike a slot out. The caller holds the lock."""
        self._slots.discard(slot)
        self._counters.uses += slot.uses
        self._counters.usage_ns += slot.used_ns
        self._spans = list(map(add, self._spans, slot.spans))
        self._changed()

    def _suspect(self, slot: Slot) -> None:
        """A connection is dead: have those at rest pinged before use. One that was suspected itself tells nothing new.
        The caller holds the lock."""
        if slot.due_ns:
            for _, other in self._idle[:]:
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

    def _may_connect(self, renewal: Renewal) -> bool:
        """After closing: whether to connect anew in the slot's place; else it is gone. Takes the lock."""
        with self._lock:
            # Decides whether the slot is still wanted, and keeps all but one away from a server that is down.
            slot = renewal.slot
            if slot not in self._slots:
                return False  # given up meanwhile
            probing = self._down and self._is_probing() and self._prober is not slot
            wanted = not probing and self._is_needed(slot)
            self._drop(slot)
            if wanted:
                renewal.slot = Slot()
                renewal.slot.owner = weakref.ref(renewal, self._wake.put)
                self._slots.add(renewal.slot)
                self._counters.connections_num += 1
                if self._down:
                    self._prober = renewal.slot
            return wanted

    def _may_retry(self, slot: Slot, error: Exception) -> bool:
        """After a failed attempt: whether this one is the prober; else the slot is gone. Takes the lock."""
        with self._lock:
            # Decides who keeps trying: the first to fail, as long as somebody needs it.
            self._counters.connections_errors += 1
            self._last_error = error
            self._last_failure = ConnectFailure(str(error).strip(), time.monotonic())
            self._down = True
            if not self._is_probing():
                self._prober = slot
            wanted = self._prober is slot and self._is_needed(slot)
            if wanted:
                self._counters.connections_num += 1
            else:
                self._drop(slot)
            return wanted

    def _deliver(self, slot: Slot, conn: connection, took_ns: int) -> list[Renewal]:
        """Put a connection that was made or pinged to use, or away after all. Takes the lock."""
        with self._lock:
            # Decides whether the pool still wants it, and who gets it.
            if took_ns:
                self._counters.connections_ns += took_ns
                self._connects[took_ns.bit_length()] += 1
                self._down, self._last_error = False, None
            slot.due_ns = time.monotonic_ns() + self._recheck_ns
            if slot.state not in (CONNECTING, CHECKING):  # cut, at the last moment
                return [self._entrust(slot, conn, False)]
            return self._lay_down(conn, slot)

    def _found_dead(self, slot: Slot) -> None:
        """A connection in the pool did not answer. Takes the lock."""
        with self._lock:
            # Decides that the others are to be doubted.
            self._counters.connections_lost += 1
            slot.state = CLOSING
            slot.since_ns = time.monotonic_ns()
            self._suspect(slot)

    def _plan_next(self) -> list[Renewal]:
        """What is needed now. Takes the lock."""
        with self._lock:
            # Decides on connections for those whom a slot that is free, or a server that is back, can serve.
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


def _forget(out: dict[int, Slot], wake: "queue.SimpleQueue[object]", number: int, reference: object) -> None:
    """A connection is gone: its id() may soon be another's. Runs anywhere, in any thread, and so takes no lock."""
    out.pop(number, None)
    wake.put(None)


_ledgers: "weakref.WeakSet[Ledger]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for ledger in list(_ledgers):
        ledger._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
