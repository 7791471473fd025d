"""The queue: who joins it, who leaves it, and with what."""

import time
from collections.abc import Hashable

from psycopg2.extensions import connection
from psycopg2.pool import PoolError

from polls.pool.errors import PoolClosed, TooManyRequests
from polls.pool.ledger import Ledger
from polls.pool.renewal import Renewal
from polls.pool.slot import KEYED, Slot
from polls.pool.waiter import Waiter


class Line(Ledger):
    """The part of a `ConnectionPool` that decides on the queue. First come, first served."""

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
        """Queue a caller before all others: the connection it was given needs a closer look. Takes the lock."""
        with self._lock:
            # Decides what becomes of that connection, and whether there is another one.
            waiter.conn = waiter.slot = None
            renewal = self._entrust(slot, conn, self._is_worth_keeping(slot))
            if not self.closed:
                self._queue.appendleft(waiter)
                self._match()
            return [renewal, *self._plan()]

    def _is_served(self, waiter: Waiter) -> bool:
        """Whether a caller has been given a connection. Mends its place in the queue. Takes the lock."""
        with self._lock:
            # Decides between what the gate says and what is true: an exception may have struck between the two.
            if waiter.slot is None and waiter not in self._queue and not self.closed:
                self._queue.appendleft(waiter)
                self._match()
            return waiter.slot is not None

    def _leave(self, waiter: Waiter, slot: Slot, key: Hashable | None) -> None:
        """A caller goes with what it was given. Takes the lock."""
        with self._lock:
            # Decides that the connection is lent: from here on it can be returned, and taken away if it is overdue.
            waiter.conn = waiter.slot = None
            self._count_wait(waiter)
            slot.take(waiter.borrower)
            self._left += 1
            if key is None:
                self._out[slot.number] = slot
            else:
                slot.state = KEYED
                self._keyed[key] = slot

    def _withdraw(self, waiter: Waiter) -> list[Renewal]:
        """A caller goes without, because of a timeout or any other exception. Takes the lock."""
        with self._lock:
            # Decides the race with a hand-off: what the caller was given meanwhile goes on to the next.
            self._count_wait(waiter)
            self._counters.requests_errors += 1
            if waiter in self._queue:
                self._queue.remove(waiter)
            conn, slot = waiter.conn, waiter.slot
            waiter.conn = waiter.slot = None
            return [] if conn is None or slot is None else self._lay_down(conn, slot)

    def _count_wait(self, waiter: Waiter) -> None:
        """Note how long a caller took to get one, or to give up. The caller holds the lock."""
        waited = time.monotonic_ns() - waiter.borrower.since_ns
        self._counters.requests_wait_ns += waited
        self._waits[waited.bit_length()] += 1

    def _refuse_nested(self, waiter: Waiter) -> None:
        """Raise PoolError for a caller that would wait for itself. The caller holds the lock."""
        borrowers = [slot.borrower() for slot in self._lent()]
        mine = [borrower for borrower in borrowers if borrower.thread == waiter.borrower.thread]
        if len(mine) >= self.maxconn:
            places = ", ".join(sorted({borrower.place() for borrower in mine}))
            raise PoolError(
                f"this thread holds all {len(mine)} connections of the pool {self._options.name!r}, taken at {places}, "
                f"and would wait for itself at {waiter.borrower.place()}"
            )
