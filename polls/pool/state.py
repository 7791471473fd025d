"""The state of a pool: slots, idle connections, borrowers, the queue, tasks and counters, and every decision on them.

One lock guards the decisions. The methods decide and note, and never wait: what takes time becomes a task for a worker.
Two operations need no lock, because each is one atomic step of a built-in: `idle.pop()` gives a connection to no more
than one caller, and `lent.pop()` takes it back from one caller, once. A checkout that need not wait is made of these.

An exception may interrupt any line of any thread. `maintain` finds what was interrupted: a task by its deadline or the
stack of its thread, a connection that was dropped by its weak reference, and one that is neither idle nor lent by that.

The body of `with self.lock` has no loop: it calls another function for that. Since Python 3.13, an exception that
is raised as a loop begins again may pass the handlers around it, and so the end of a `with` (gh-130279).

The lock is reentrant, so that a signal handler, a destructor or a callback that calls the pool while its own thread is
inside never waits for itself. `is_inside` tells it so; it then puts its work off into `deferred`, for the keeper.
"""

import contextlib
import os
import queue
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from operator import add
from types import CodeType
from typing import Any, Final

import psycopg2
from psycopg2.pool import PoolError

from .borrower import Borrower
from .errors import PoolClosed, TooManyRequests, is_permanent
from .lock import Lock
from .options import NEVER_NS, Options, to_ns
from .slot import CHECKING, CLOSING, CONNECTING, CUT, GONE, HANGUP, HELD, KEYED, READY, RETURNING, Slot
from .stats import BITS, ConnectFailure, Counters
from .task import Task, current_stacks
from .waiter import Waiter

FIRST_PAUSE_NS: Final = 10_000_000  # between attempts to connect while the server is down,
LAST_PAUSE_NS: Final = 200_000_000  # growing to this, so that its recovery is noticed within 250 ms
PERMANENT_PAUSE_NS: Final = 2_000_000_000  # between attempts that will hardly succeed
GROWTH: Final = 1.25
MISSING_NS: Final = 100_000_000  # a connection that is in no one's hands for so long is closed


# SQLSTATEs of a server that is going down: the other connections are pinged before use.
ENDING: Final = frozenset({"57P01", "57P02", "57P03"})
READ_ONLY: Final = "25006"  # the server may have become a standby: it is asked when the connection is returned
SUSPECT_NS: Final = -1  # such a connection is due
ENDED: Final = Task(CLOSING, Slot())  # the task of all slots that are gone

DROPPED: Final = "a connection of pool %r was dropped, not returned, by thread %s after %.1f s; it was taken at %s"
OVERDUE: Final = "a connection of pool %r is cut off from thread %s after %.1f s; it was taken at %s"
LEAKED: Final = "a connection of pool %r is held by thread %s for %.1f s now; it was taken at %s"


@dataclass
class Findings:
    """What `maintain` has found: sockets to shut down, and messages with the borrower they are about."""

    cut: list[Slot] = field(default_factory=list)
    messages: list[tuple[str, Borrower, float]] = field(default_factory=list)


class State:
    """The state of one pool. Each method says whether it takes the lock or its caller holds it."""

    def __init__(self, minconn: int, maxconn: int, make_connection: Callable[[], Any], options: Options) -> None:
        self.inherited: dict[int, Callable[[], Any]] = {}  # connections that a fork copied, by id(connection)
        self.minconn = minconn
        self.maxconn = maxconn
        self.make_connection = make_connection
        self.options = options
        self.closed = False
        self.begin()

    def begin(self) -> None:
        """Start empty: at first, and in a forked child."""
        self.lock = Lock()
        self.slots: set[Slot] = set()
        self.idle: list[tuple[Any, Slot]] = []  # the last one was used last
        self.lent: dict[int, Slot] = {}  # by id(connection)
        self.keyed: dict[Hashable, tuple[Any, Slot]] = {}
        self.coming: dict[Hashable, int] = {}  # keys whose first caller is waiting for a connection
        self.queue: deque[Waiter] = deque()
        self.todo: queue.SimpleQueue[Task] = queue.SimpleQueue()  # tasks for the workers
        self.wake: queue.SimpleQueue[object] = queue.SimpleQueue()  # for the keeper; put() may run anywhere
        self.deferred: deque[Callable[[], object]] = deque()
        self.gates: list[threading.Lock] = []  # of those who wait for any change
        self.missing = False  # a connection is in no one's hands
        self.surplus = False  # there are more slots than maxconn: connections are closed as they come back
        self.retired_ns = 0  # connections begun before then are closed
        self.down = False  # the last attempt to connect failed
        self.retry_ns = 0  # while it is down, when to try again
        self.pause_ns = FIRST_PAUSE_NS
        self.last_error: BaseException | None = None  # None again once a connection is made
        self.last_failure: ConnectFailure | None = None
        self.logged: str | None = None  # the reason of the outage that was logged last
        self.counters = Counters()
        self.popped = Counters()
        self.waits, self.spans, self.connects = [0] * BITS, [0] * BITS, [0] * BITS  # by bit length
        self.left = 0  # how many callers went with what the queue gave them
        self.moving = 0  # odd while numbers move from a slot to the counters

    def after_fork(self) -> None:
        """In a forked child: start empty. The parent's connections are the parent's; the child closes its copies of
        their sockets, so that they end with the parent. Takes no lock: the parent may have held it."""
        copies = [(slot.conn(), slot) for slot in self.slots]
        copies += [(slot.task.conn, slot) for slot in self.slots if slot.task is not None]
        null = os.open(os.devnull, os.O_RDWR)
        for conn, slot in copies:
            if conn is not None:
                self.inherited[id(conn)] = slot.conn
                with contextlib.suppress(Exception):  # closed, or a proxy
                    os.dup2(null, conn.fileno())
            if slot.fd >= 0:
                os.dup2(null, slot.fd)
        os.close(null)
        self.begin()

    def is_inherited(self, conn: Any) -> bool:
        """Whether a fork copied a connection into this process: it is the parent's, and nothing is sent on it."""
        refer = self.inherited.get(id(conn))
        return refer is not None and refer() is conn

    def is_inside(self) -> bool:
        """Whether the calling thread holds the lock, further up its stack. `Condition` asks in the same way."""
        return self.lock._is_owned()  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001  # as Condition asks

    def defer(self, action: Callable[[], object]) -> None:
        """Put an action off until the thread is out of the pool; the keeper carries it out. Takes no lock."""
        self.deferred.append(action)
        self.wake.put(None)

    def run_deferred(self) -> None:
        """Carry out what was put off. The caller does not hold the lock."""
        while True:
            try:
                action = self.deferred.popleft()
            except IndexError:
                return
            action()

    def forget(self, slot: Slot) -> Callable[[Any], None]:
        """Return what to do when the connection of a slot is dropped. It may run anywhere, and takes no lock."""
        lent, wake = self.lent, self.wake

        def note(reference: Any) -> None:
            if lent.get(slot.number) is slot:
                lent.pop(slot.number, None)
            wake.put(None)

        return note

    # The queue

    def join(self, waiter: Waiter) -> None:
        """Queue a caller. Takes the lock. Raises PoolClosed, TooManyRequests and PoolError."""
        with self.lock:
            # Decides whether the caller may wait at all, and whether there is something for it already.
            if self.closed:
                raise PoolClosed(f"the pool {self.options.name!r} is closed")
            if not self.idle:
                self._refuse_nested(waiter)
                limit = self.options.max_waiting
                if limit and len(self.queue) >= limit:
                    raise TooManyRequests(f"the pool {self.options.name!r} has {limit} callers waiting already")
            self.queue.append(waiter)
            self._match()
            if waiter.slot is None:
                self.counters.requests_queued += 1
            self._plan()

    def rejoin(self, waiter: Waiter, conn: Any, slot: Slot) -> None:
        """Queue a caller before all others, because the connection it has needs a check. Takes the lock."""
        with self.lock:
            # Decides what becomes of that connection, and whether there is another one.
            waiter.conn = waiter.slot = None
            is_checked = slot in self.slots and slot.task is None and self._is_worth_keeping(slot)
            if slot in self.slots and slot.task is None:
                self._assign(CHECKING if is_checked else CLOSING, slot, conn)
            if not self.closed:
                self.queue.appendleft(waiter)
                if not is_checked or (self.idle and time.monotonic_ns() < self.idle[-1][1].due_ns):
                    self._match()  # else the others need a check as well, and one ping is enough
            self._plan()

    def is_served(self, waiter: Waiter) -> bool:
        """Whether a caller has been given a connection; restores its place in the queue. Takes the lock."""
        with self.lock:
            # Decides between the gate and the truth: an exception may have interrupted the thread that opened the gate.
            if waiter.slot is None and waiter not in self.queue and not self.closed:
                self.queue.appendleft(waiter)
                self._match()
                self._plan()
            return waiter.slot is not None

    def leave(self, waiter: Waiter, key: Hashable | None) -> bool:
        """Lend a caller what it was given. False where that was taken away meanwhile. Takes the lock."""
        with self.lock:
            # Decides that the connection is lent: from here on it can be returned, and cut when it is overdue.
            conn, slot = waiter.conn, waiter.slot
            waiter.conn = waiter.slot = None
            if slot is None or slot not in self.slots or slot.task is not None:
                return False
            self._count_wait(waiter)
            slot.take(waiter.borrower)
            self.left += 1
            if key is None:
                self.lent[slot.number] = slot
            else:
                slot.state = KEYED
                self.keyed[key] = (conn, slot)
            return True

    def withdraw(self, waiter: Waiter) -> None:
        """A caller goes without a connection, because of a timeout or another exception. Takes the lock."""
        with self.lock:
            # Decides the race with a hand-off: what the caller was given meanwhile goes on to the next.
            self._count_wait(waiter)
            self.counters.requests_errors += 1
            if waiter in self.queue:
                self.queue.remove(waiter)
            conn, slot = waiter.conn, waiter.slot
            waiter.conn = waiter.slot = None
            if slot is not None and slot in self.slots and slot.task is None:
                self._make_idle(conn, slot)

    def cannot_connect(self) -> bool:
        """Whether waiting is pointless: connecting has just failed permanently, and no connection could come back."""
        error = self.last_error
        if not self.down or error is None or time.monotonic_ns() >= self.retry_ns:
            return False
        return is_permanent(error) and not self._has_connections()

    def _has_connections(self) -> bool:
        return any(slot.state in HELD or slot.state is CHECKING for slot in list(self.slots))

    def _match(self) -> None:
        """Give idle connections to the head of the queue. The caller holds the lock."""
        while self.queue:
            try:
                conn, slot = self.idle.pop()
            except IndexError:
                return
            waiter = self.queue.popleft()
            waiter.conn, waiter.slot = conn, slot
            slot.since_ns = time.monotonic_ns()
            waiter.gate.release()

    def _dismiss(self) -> None:
        """Wake all callers in the queue without giving them anything. The caller holds the lock."""
        while self.queue:
            self.queue.popleft().gate.release()

    def _count_wait(self, waiter: Waiter) -> None:
        """Note how long a caller waited. The caller holds the lock."""
        waited = time.monotonic_ns() - waiter.borrower.since_ns
        self.counters.requests_wait_ns += waited
        self.waits[waited.bit_length()] += 1

    def _refuse_nested(self, waiter: Waiter) -> None:
        """Raise PoolError for a caller that would wait for itself. The caller holds the lock."""
        if sum(slot.thread is waiter.borrower.thread for slot in self.slots) < self.maxconn:
            return
        own = [slot for slot in self._lent_slots() if slot.thread is waiter.borrower.thread]
        if len(own) >= self.maxconn and not self._are_any_abandoned(own):
            places = ", ".join(sorted({slot.borrower().place() for slot in own}))
            raise PoolError(
                f"this thread holds all {len(own)} connections of the pool {self.options.name!r}, taken at {places}, "
                f"and would wait for itself at {waiter.borrower.place()}"
            )

    def _are_any_abandoned(self, slots: list[Slot]) -> bool:
        """Whether an exception interrupted the return of one: the keeper finds it. The caller holds the lock."""
        tasks = [slot.task for slot in slots if slot.task is not None]
        stacks = current_stacks() if tasks else None
        return stacks is not None and any(task.is_abandoned(stacks) for task in tasks)

    # Keys

    def look_up(self, key: Hashable) -> Any:
        """Return the connection that is lent by a key, None where there is none. Takes the lock.

        The first caller of a key gets None, and fetches one until it says `fetched`; others get NotImplemented.
        """
        with self.lock:
            # Decides who fetches a connection for a key.
            if key in self.keyed:
                return self.keyed[key][0]
            if key in self.coming:
                return NotImplemented
            self.coming[key] = threading.get_ident()
            return None

    def fetched(self, key: Hashable) -> None:
        """The first caller of a key has its connection, or gave up. Takes the lock."""
        with self.lock:
            # Decides that another caller of the key may find it, or fetch one itself.
            if self.coming.get(key) == threading.get_ident():
                del self.coming[key]
                self._changed()

    # Returning

    def serve_queue(self) -> None:
        """Serve those who joined the queue, or close the pool, just as a connection became idle. Takes the lock."""
        with self.lock:
            # Decides between the queue and the end.
            if self.closed:
                self._empty(CLOSING)
            else:
                self._match()

    def take_back(self, conn: Any) -> Slot | None:
        """Take a connection back that was lent by key, or cut off from its borrower. Takes the lock."""
        with self.lock:
            # Decides whose it is, and that no one else can return it.
            return self._take_keyed(conn) or self._take_cut(conn)

    def _take_keyed(self, conn: Any) -> Slot | None:
        """Take a connection back that was lent by key. The caller holds the lock."""
        for key, (other, slot) in self.keyed.items():
            if other is conn:
                del self.keyed[key]
                slot.state = READY
                slot.count_use(time.monotonic_ns())
                return slot
        return None

    def _take_cut(self, conn: Any) -> Slot | None:
        """Take a connection back that was cut off, and have it closed. The caller holds the lock."""
        for slot in self.slots:
            if slot.state is CUT and slot.conn() is conn:
                slot.count_use(time.monotonic_ns())
                self._assign(CLOSING, slot, conn)
                return slot
        return None

    def begin_return(self, conn: Any, slot: Slot, code: CodeType) -> Task | None:
        """Own a connection while its borrower's thread cleans it, in the function with this code. None if it was taken
        away meanwhile. Takes the lock."""
        with self.lock:
            # Decides that the keeper may cut a cleaning that takes too long.
            if slot not in self.slots or slot.task is not None:
                return None
            task = Task(RETURNING, slot, conn)
            task.begin(code)
            if self.options.max_use:
                task.deadline_ns = min(task.deadline_ns, time.monotonic_ns() + to_ns(self.options.max_use))
            slot.task, slot.state, slot.since_ns = task, RETURNING, time.monotonic_ns()
            return task

    def end_return(self, task: Task, good: bool, bad: bool, in_transaction: bool) -> None:
        """Lay a cleaned connection down, or have it closed; `bad` counts it as broken. Takes the lock."""
        with self.lock:
            # Decides between rest, the queue, and the end.
            slot, conn = task.slot, task.conn
            self.counters.returns_bad += bad
            self.counters.returns_in_transaction += in_transaction
            if slot.task is not task:
                return
            slot.due_ns = time.monotonic_ns() + self.options.recheck_ns
            if good and slot.state is RETURNING:
                self._make_idle(conn, slot)
            else:
                self._assign(CLOSING, slot, conn)
            self._plan()

    def _make_idle(self, conn: Any, slot: Slot) -> None:
        """Make a clean connection idle, or close it where it is not wanted. The caller holds the lock."""
        slot.since_ns = time.monotonic_ns()
        slot.state = READY  # before the task ends: without one, and in no one's hands, it would be found
        slot.task = None
        if not self._is_worth_keeping(slot):
            self._assign(CLOSING, slot, conn)
            return
        self.idle.append((conn, slot))
        self._match()
        self._changed()

    def suspect_others(self, slot: Slot) -> None:
        """After a dead connection: have the idle ones pinged before use. Takes the lock."""
        with self.lock:
            # Decides which connections are not trusted. One that was suspected itself tells nothing new.
            if slot.due_ns:
                self._suspect_all()

    def _suspect_all(self) -> None:
        """Have the idle connections pinged before use. The caller holds the lock."""
        for _, slot in self.idle[:]:
            slot.due_ns = 0

    def note_error(self, conn: Any, error: BaseException) -> None:
        """Take the error of a borrower for a sign of what the server does. Takes the lock."""
        slot = self.lent.get(id(conn))
        if slot is None or not isinstance(error, psycopg2.Error):
            return
        if error.pgcode in ENDING:
            self.suspect_others(slot)
        elif error.pgcode == READ_ONLY:
            slot.due_ns = SUSPECT_NS

    def retire(self, slot: Slot | None = None) -> None:
        """Replace all connections, those in use as they come back. With a slot, only if it is no older than the last
        time that this happened. Takes the lock."""
        with self.lock:
            # Decides which generation is the last one to be closed.
            if slot is None or slot.born_ns > self.retired_ns:
                self._retire()
        self.wake.put(None)

    def _retire(self) -> None:
        """Have all present connections closed. The caller holds the lock."""
        self.retired_ns = time.monotonic_ns()
        for slot in self.slots:
            slot.expires_ns = 0

    # Size

    def resize(self, minconn: int, maxconn: int) -> None:
        """Change the size. Takes the lock."""
        with self.lock:
            # Decides the size that all other decisions go by.
            self.minconn, self.maxconn = minconn, maxconn
            self._note_surplus()

    def close(self) -> None:
        """Lend and connect nothing any more; have what is idle closed, and wake those who wait. Takes the lock."""
        with self.lock:
            # Decides that the pool is closed.
            self.closed = True
            self._retire()
            self._empty(CLOSING)
            self._dismiss()
            self._changed()
        self.wake.put(None)

    def check_idle(self) -> set[Slot]:
        """Have all idle connections pinged; return their slots. Takes the lock."""
        with self.lock:
            # Decides which connections are lent only after they have answered.
            return self._empty(CHECKING)

    def _empty(self, kind: str) -> set[Slot]:
        """Take all idle connections out, to be checked or closed. The caller holds the lock."""
        slots: set[Slot] = set()
        while True:
            try:
                conn, slot = self.idle.pop()
            except IndexError:
                return slots
            self._assign(kind if self._is_worth_keeping(slot) else CLOSING, slot, conn)
            slots.add(slot)

    def _plan(self) -> None:
        """Have the connections made that are needed and have room. The caller holds the lock."""
        if self.closed:
            return
        pending = sum(slot.state is CONNECTING or slot.state is CHECKING for slot in self.slots)
        missing = max(len(self.queue) - pending, self.minconn - len(self.slots))
        room = self.maxconn - len(self.slots)
        if self.down:
            # One attempt at a time keeps a server that is down, or is starting, from being flooded.
            connecting = any(slot.state is CONNECTING for slot in self.slots)
            room = min(room, 0 if connecting or time.monotonic_ns() < self.retry_ns else 1)
        for _ in range(min(missing, room)):
            slot = Slot()
            self.slots.add(slot)
            self.counters.connections_num += 1
            self._assign(CONNECTING, slot, None)

    def _is_worth_keeping(self, slot: Slot) -> bool:
        """Whether a connection in order may stay. The caller holds the lock."""
        fits = not self.closed and not self._is_surplus()
        return fits and slot.born_ns > self.retired_ns and time.monotonic_ns() < slot.expires_ns

    def _is_surplus(self) -> bool:
        """Whether there are more connections than maxconn. The caller holds the lock."""
        if not self.surplus:
            return False
        return sum(slot.state is not CLOSING for slot in self.slots) > self.maxconn

    def _note_surplus(self) -> None:
        """Tell the fast path whether there are more slots than allowed. The caller holds the lock."""
        self.surplus = len(self.slots) > self.maxconn

    def _lent_slots(self) -> list[Slot]:
        """The slots whose connection a caller has. The caller holds the lock."""
        return [slot for slot in self.slots if self.is_lent(slot) and slot.conn() is not None]

    def is_lent(self, slot: Slot) -> bool:
        """Whether a caller has the connection, or is returning it. Takes no lock."""
        return self.lent.get(slot.number) is slot if slot.state is READY else slot.state in HELD

    # Tasks

    def _assign(self, kind: str, slot: Slot, conn: Any) -> None:
        """Make a task of a slot: from here on it owns the slot. The caller holds the lock."""
        slot.task = Task(kind, slot, conn)
        slot.since_ns = time.monotonic_ns()
        slot.state = kind
        self.todo.put(slot.task)

    def finish(self, task: Task, conn: Any = None, took_ns: int = 0, error: BaseException | None = None) -> bool:
        """End a task, with its connection or without: the one place where that happens. Takes the lock.

        Without a connection the slot is gone. False where the keeper has given the task up, so that a connection just
        made is the caller's to close; others have a task that closes them.
        """
        with self.lock:
            # Decides whether the task is still wanted, and what becomes of the slot and of those who wait.
            slot = task.slot
            if task.kind is CONNECTING:
                self._note_attempt(took_ns, error)
            if slot.task is not task:
                return False
            task.conn = None
            if conn is not None:
                slot.due_ns = time.monotonic_ns() + self.options.recheck_ns
                self._make_idle(conn, slot)
            else:
                self._drop(slot)
            self._plan()
            return True

    def replace(self, task: Task) -> bool:
        """A check found the connection dead: make the task one that closes it. Takes the lock."""
        with self.lock:
            # Decides that the others are not trusted either.
            self.counters.connections_lost += 1
            self.suspect_others(task.slot)
            if task.slot.task is not task:
                return False
            self._assign(CLOSING, task.slot, task.conn)
            self._match()
            return True

    def give_up(self, task: Task) -> None:
        """An exception interrupted the thread that worked on a task. Takes the lock."""
        with self.lock:
            # Decides that the slot is free again, or will be once its session has ended.
            slot = task.slot
            if slot.task is not task:
                return
            conn = task.conn if task.conn is not None else slot.conn()
            if slot.fd >= 0:
                self._assign(CLOSING, slot, conn)  # once more, if it was being closed: the server may not be done
            else:
                self._drop(slot)
            self._plan()

    def is_news(self, reason: str) -> bool:
        """Whether a reason why connecting fails is to be logged: once for each outage and change. Takes the lock."""
        with self.lock:
            # Decides which of several attempts that fail together logs.
            before, self.logged = self.logged, reason
            return before != reason

    def _note_attempt(self, took_ns: int, error: BaseException | None) -> None:
        """Note how an attempt to connect went. The caller holds the lock."""
        if error is None:
            self.counters.connections_ns += took_ns
            self.connects[took_ns.bit_length()] += 1
            self.down, self.last_error, self.pause_ns = False, None, FIRST_PAUSE_NS
            self.logged = None
            return
        self.counters.connections_errors += 1
        self.last_error = error
        self.last_failure = ConnectFailure(str(error).strip() or type(error).__name__, time.monotonic())
        self.down = True
        if is_permanent(error):
            self.retry_ns = time.monotonic_ns() + PERMANENT_PAUSE_NS
            if not self._has_connections():
                self._dismiss()  # each finds out why by itself
        else:
            self.retry_ns = time.monotonic_ns() + self.pause_ns
            self.pause_ns = min(int(self.pause_ns * GROWTH), LAST_PAUSE_NS)
        self._changed()
        self.wake.put(None)

    def _drop(self, slot: Slot) -> None:
        """Remove a slot, and keep its numbers. The caller holds the lock."""
        self.moving += 1
        self.slots.discard(slot)
        slot.task = ENDED  # a caller who took it a moment ago sees that it is not to be had
        self.counters.uses += slot.uses
        self.counters.usage_ns += slot.used_ns
        self.spans = list(map(add, self.spans, slot.spans))
        self.moving += 1
        self._note_surplus()
        self._changed()

    # Maintenance

    def maintain(self, stalled_ns: int = 0) -> Findings:
        """Find what is lost, overdue, too old or missing, and plan what follows. Takes the lock.

        `stalled_ns` is for how long the process did not run since the last time, which counts for no one.
        """
        dead = self._find_dead()
        found = Findings()
        with self.lock:
            # Decides what is overdue, lost or missing; sockets are shut down and messages logged by the caller.
            self._forgive(stalled_ns)
            self._maintain_all(dead, found)
            self._match()
            self._plan()
        return found

    def next_ns(self) -> int:
        """When something is due that the keeper has to wake up for, NEVER_NS where nothing is. Takes no lock."""
        soon = time.monotonic_ns() + MISSING_NS if self.missing else NEVER_NS
        return min(soon, self.retry_ns) if self.down and (self.queue or len(self.slots) < self.minconn) else soon

    def is_over(self) -> bool:
        """Whether the pool is closed and no slot is left. Takes no lock."""
        return self.closed and not self.slots

    def _find_dead(self) -> set[Slot]:
        """Ask the sockets of all idle connections at once whether the server has ended them. Takes no lock."""
        poller = select.poll()
        by_fd = {}
        for _, slot in self.idle[:]:
            poller.register(slot.fd, HANGUP)
            by_fd[slot.fd] = slot
        return {by_fd[fd] for fd, events in poller.poll(0) if events & GONE}

    def _forgive(self, stalled_ns: int) -> None:
        """Do not count time in which the process was stopped. The caller holds the lock."""
        if stalled_ns:
            for slot in self.slots:
                slot.excused_ns += stalled_ns
                if slot.task is not None:
                    slot.task.deadline_ns += stalled_ns

    def _maintain_all(self, dead: set[Slot], found: Findings) -> None:
        """Look after each slot, and forget callers of a key whose thread has ended. The caller holds the lock."""
        now = time.monotonic_ns()
        idle = {slot for _, slot in self.idle[:]}
        begun = {slot.task for slot in self.slots if slot.task is not None and slot.task.claims}
        stacks = current_stacks() if begun or self.coming else None
        self.missing = False
        for slot in list(self.slots):
            if slot.task is not None:
                is_lost = stacks is not None and slot.task in begun and slot.task.is_abandoned(stacks)
                self._maintain_task(slot.task, now, is_lost, found)
            elif slot not in idle:
                self._maintain_lent(slot, now, found)
        self._maintain_idle(dead, now)
        for key, thread in list(self.coming.items()):
            if stacks is not None and thread not in stacks:
                del self.coming[key]

    def _maintain_task(self, task: Task, now: int, is_abandoned: bool, found: Findings) -> None:
        """Give a task up whose time is over, or whose thread does something else; give one to the workers that was on
        its way to them. The caller holds the lock."""
        slot = task.slot
        if now > task.deadline_ns:
            found.cut.append(slot)
            if task.kind is RETURNING:
                found.messages.append((OVERDUE, slot.borrower(), (now - slot.since_ns) / 1e9))
                slot.state = CUT
                task.deadline_ns = NEVER_NS  # its thread gets an error, and ends the task
            elif task.kind is CHECKING:
                self._assign(CLOSING, slot, task.conn)
                self.retire(slot)  # a network that swallows one swallows all, and there is no time to ask each
            else:
                self._drop(slot)
        elif is_abandoned:
            self.give_up(task)
        elif slot.state is CUT:
            found.cut.append(slot)  # again: it may have failed, or an exception may have come between
        elif not task.claims and not self.todo.qsize():
            self.todo.put(task)  # no one has it, or a worker has just taken it, which then ignores it

    def _maintain_lent(self, slot: Slot, now: int, found: Findings) -> None:
        """Look after a connection that a caller has, or that no one has. The caller holds the lock."""
        conn, held = slot.conn(), now - slot.since_ns - slot.excused_ns
        if conn is None:
            if self.lent.get(slot.number) is slot:
                del self.lent[slot.number]
            if slot.uses:
                self.counters.leaks += 1
                found.messages.append((DROPPED, slot.borrower(), held / 1e9))
            self._assign(CLOSING, slot, None)
        elif not self.is_lent(slot):
            if slot.missed_ns == slot.since_ns and held > MISSING_NS:
                self._reclaim(slot, conn)
            slot.missed_ns = slot.since_ns
            self.missing = True
        elif slot.state is CUT:
            found.cut.append(slot)  # again, as above
        else:
            if held > to_ns(self.options.max_use) and (slot.state is KEYED or self.lent.pop(slot.number, None) is slot):
                slot.state = CUT
                self.keyed = {key: entry for key, entry in self.keyed.items() if entry[1] is not slot}
                found.cut.append(slot)
                found.messages.append((OVERDUE, slot.borrower(), held / 1e9))
            if held > to_ns(self.options.leak_after) and slot.warned != slot.uses:
                slot.warned = slot.uses
                self.counters.leaks += 1
                found.messages.append((LEAKED, slot.borrower(), held / 1e9))

    def _reclaim(self, slot: Slot, conn: Any) -> None:
        """Close a connection in no one's hands: an exception interrupted its return, or its way to a caller. Not if it
        is lent just now: `getconn` lends first, and then looks for a task. The caller holds the lock."""
        slot.task = Task(CLOSING, slot, conn)
        if self.lent.get(slot.number) is slot:
            slot.task = None
        else:
            self._assign(CLOSING, slot, conn)

    def _maintain_idle(self, dead: set[Slot], now: int) -> None:
        """Check or close idle connections that are dead, too old, too many or retired. The caller holds the lock."""
        size = sum(slot.state is not CLOSING for slot in self.slots)
        max_idle_ns = to_ns(self.options.max_idle)
        for entry in self.idle[:]:  # the one that was idle longest comes first
            conn, slot = entry
            if slot not in self.slots or slot.task is not None:  # became idle just as it was taken for lost
                with contextlib.suppress(ValueError):
                    self.idle.remove(entry)
                continue
            is_idle_too_long = now - slot.since_ns > max_idle_ns and size > self.minconn
            if slot in dead or is_idle_too_long or size > self.maxconn or not self._is_worth_keeping(slot):
                try:
                    self.idle.remove(entry)
                except ValueError:
                    continue  # taken just now
                size -= slot not in dead
                self._assign(CHECKING if slot in dead else CLOSING, slot, conn)

    # Waiting for a change

    def wait_until(self, done: Callable[[], bool], timeout: float) -> bool:
        """Wait until `done`, called with the lock held, says so. False after `timeout` seconds. Takes the lock."""
        deadline = time.monotonic() + timeout
        while True:
            gate = threading.Lock()
            gate.acquire()
            with self.lock:
                # Decides whether to wait, and makes sure to be woken before anything can change.
                if done():
                    return True
                self.gates.append(gate)
            if not gate.acquire(timeout=max(0.0, deadline - time.monotonic())):
                with self.lock:
                    # Decides nothing: the gate is not needed any more.
                    if gate in self.gates:
                        self.gates.remove(gate)
                return False

    def _changed(self) -> None:
        """Wake those who wait for any change. The caller holds the lock."""
        while self.gates:
            self.gates.pop().release()
