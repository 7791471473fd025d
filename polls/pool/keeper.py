"""The background: finds what is lost, ends what is overdue, keeps the pool at its size.

A pool has one keeper thread, from its first use on. Callers who wait do the same work as they go, so nothing but
punctuality depends on the thread; when an exception ends it, it starts its successor.
"""

import contextlib
import logging
import queue
import select
import time
import weakref
from _thread import start_new_thread
from threading import get_ident
from typing import Final

from polls.pool.ledger import Ledger
from polls.pool.options import NEVER_NS, to_ns
from polls.pool.renewal import Renewal, start_all
from polls.pool.slot import CHECKING, CLOSING, CUT, GONE, HANGUP, KEYED, READY, RETURNING, Borrower, Slot

logger = logging.getLogger("polls.pool")

TICK: Final = 0.5  # seconds
LIMITS_NS: Final = {CHECKING: 2_000_000_000, CLOSING: 3_000_000_000}  # what takes longer is cut

LENT: Final = frozenset({READY, KEYED, RETURNING})
DROPPED: Final = "a connection of pool %r was dropped, not returned, by thread %s after %.1f s; it was taken at %s"
OVERDUE: Final = "a connection of pool %r is cut off from thread %s after %.1f s; it was taken at %s"
LEAKED: Final = "a connection of pool %r is held by thread %s for %.1f s now; it was taken at %s"


def tend(pool: Ledger) -> bool:
    """Do everything that is due. False once there is nothing left to tend. Takes the lock."""
    dead = _find_dead(pool)
    with pool._lock:
        # Decides what is overdue, lost or missing; all of it is carried out after the lock is released.
        now = time.monotonic_ns()
        leaks = _collect_leaks(pool, now)
        overdue = _collect_overdue(pool, now)
        renewals = [*_collect_lost(pool), *_collect_aged(pool, dead, now), *pool._plan()]
        left = bool(pool._slots) or not pool.closed
    for slot, borrower in overdue:
        slot.cut()
        if borrower is not None:
            leaks.append((OVERDUE, borrower))
    start_all(renewals)
    for message, borrower in leaks:
        held = (now - borrower.since_ns) / 1e9
        logger.warning(message, pool._options.name, borrower.name(), held, borrower.place())
    return left


def _find_dead(pool: Ledger) -> set[Slot]:
    """Ask the sockets of all idle connections at once whether the server has ended them. Takes the lock."""
    poller = select.poll()
    by_fd = {}
    with pool._lock:
        # Decides whom to ask. What becomes of them meanwhile is seen to when the answers are used.
        for _, slot in pool._idle[:]:
            poller.register(slot.fd, HANGUP)
            by_fd[slot.fd] = slot
    return {by_fd[fd] for fd, events in poller.poll(0) if events & GONE}


def _collect_lost(pool: Ledger) -> list[Renewal]:
    """Slots whose connection or renewal is gone. The caller holds the lock."""
    return [pool._entrust(slot, None, False) for slot in pool._slots if slot.owner() is None]


def _collect_aged(pool: Ledger, dead: set[Slot], now: int) -> list[Renewal]:
    """Idle connections that are dead, too old, too many or retired. The caller holds the lock."""
    renewals = []
    for entry in pool._idle[:]:  # the one that has rested longest first
        conn, slot = entry
        idled = now - slot.since_ns > to_ns(pool._options.max_idle) and pool._size() > pool.minconn
        if slot in dead or idled or not pool._is_worth_keeping(slot):
            with contextlib.suppress(ValueError):  # taken in this moment
                pool._idle.remove(entry)
                renewals.append(pool._entrust(slot, conn, slot in dead))
    return renewals


def _collect_overdue(pool: Ledger, now: int) -> list[tuple[Slot, Borrower | None]]:
    """Slots whose socket is to be shut down, and of whom to say so, once. The caller holds the lock.

    A connection that is out is taken back first, so that it cannot be returned and lent again meanwhile. A slot whose
    connection does not close is given up: an exception inside psycopg2 can leave a connection locked for ever.
    """
    overdue: list[tuple[Slot, Borrower | None]] = []
    held = set(pool._held())
    max_use = to_ns(pool._options.max_use)
    for slot in list(pool._slots):
        limit = max_use if slot in held else LIMITS_NS.get(slot.state, NEVER_NS)
        if now - slot.since_ns <= limit:
            continue
        if slot.state is READY and (slot.owner() is None or pool._out.pop(slot.number, None) is not slot):
            continue  # lost, or returned in this moment
        overdue.append((slot, slot.borrower() if slot.state in LENT else None))
        if slot.state is CLOSING:
            pool._drop(slot)
        else:
            slot.state = CUT
    return overdue


def _collect_leaks(pool: Ledger, now: int) -> list[tuple[str, Borrower]]:
    """What to say of whom about connections that were dropped or are held for too long. The caller holds the lock."""
    dropped = [slot for slot in pool._held() if slot.owner() is None and slot.uses > 0]
    overdue_ns = now - to_ns(pool._options.leak_after)
    leaked = [slot for slot in pool._lent() if slot.since_ns < overdue_ns and slot.warned != slot.uses]
    for slot in leaked:
        slot.warned = slot.uses
    pool._counters.leaks += len(dropped) + len(leaked)
    return [*((DROPPED, slot.borrower()) for slot in dropped), *((LEAKED, slot.borrower()) for slot in leaked)]


class Keeper:
    """The thread in the background of one pool. Nothing but that thread holds on to this object; the pool refers to it
    weakly, and so knows whether the thread is there.

    Not `threading.Thread`: its start() waits for ever for a thread that an exception ended before it could say that it
    had started.
    """

    __slots__ = ("__weakref__", "reference", "thread", "tick", "wake")

    def __init__(self, pool: Ledger) -> None:
        options = pool._options
        shortest = min(limit for limit in (TICK * 4, options.leak_after, options.max_use, options.max_idle) if limit)
        self.reference = weakref.ref(pool)
        self.wake = pool._wake
        self.tick = shortest / 4
        self.thread = 0

    def run(self) -> None:
        """Tend the pool until it is closed and empty, or forgotten, or has another keeper."""
        self.thread = get_ident()
        try:
            while self.goes_on():
                pass
        except BaseException:
            logger.exception("the keeper of a pool failed, and starts again")
            pool = self.reference()
            if pool is not None and pool._keeper() is self:
                start_keeper(pool)

    def goes_on(self) -> bool:
        """Wait for the next wake or tick, and tend the pool. False once that is over."""
        with contextlib.suppress(queue.Empty):
            self.wake.get(timeout=self.tick)
        pool = self.reference()  # held for no longer than this: it may be forgotten meanwhile
        return pool is not None and pool._keeper() is self and tend(pool)


def ensure_keeper(pool: Ledger) -> None:
    """Start the keeper thread unless it runs. The caller does not hold the lock."""
    if pool._keeper() is None:
        start_keeper(pool)


def start_keeper(pool: Ledger) -> None:
    """Start a keeper in place of the present one, if there is any; where no thread can be had, callers who wait do its
    work. The caller does not hold the lock: of two that are started at once, one finds that it is not the pool's."""
    keeper = Keeper(pool)
    pool._keeper = weakref.ref(keeper)
    with contextlib.suppress(RuntimeError):
        start_new_thread(keeper.run, ())
