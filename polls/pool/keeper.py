"""The keeper: a thread that maintains the state of a pool.

Callers who wait maintain it as well, so only punctuality depends on the thread. When an exception ends it, it starts
its successor; when that fails too, the next caller does.
"""

import contextlib
import logging
import queue
import time
from threading import get_ident
from typing import Final

from .options import NEVER_NS
from .state import State
from .task import running_threads
from .worker import Workers, start_thread

logger = logging.getLogger("polls.pool")

TICK: Final = 0.5  # seconds
STALL: Final = 1.0  # seconds late from which the process was stopped
START_LIMIT: Final = 1.0  # seconds after which a thread that has not begun is given up
NONE: Final = 0  # instead of a thread's ident
STARTING: Final = -1


class Keeper:
    """The keeper of one pool."""

    def __init__(self, state: State, workers: Workers) -> None:
        self.state = state
        self.workers = workers
        self.ident = NONE  # of the present thread
        self.started_s = 0.0
        options = state.options
        limits = (TICK * 4, options.leak_after, options.max_use, options.max_idle)
        self.tick = min(limit for limit in limits if limit) / 4

    def is_running(self) -> bool:
        """Whether the thread is there, or is starting."""
        if self.ident == STARTING:
            return time.monotonic() < self.started_s + START_LIMIT
        idents = running_threads()
        return self.ident != NONE and (idents is None or self.ident in idents)

    def ensure(self, *, closely: bool = False) -> None:
        """Start the thread unless it runs; `closely` makes sure that it does. Of two threads the earlier one ends."""
        if self.ident == NONE or (closely and not self.is_running()):
            self.started_s = time.monotonic()
            self.ident = STARTING
            if not start_thread(self.run):
                self.ident = NONE

    def maintain(self, stalled_ns: int = 0) -> None:
        """Maintain the state, and carry out what follows outside the lock."""
        state = self.state
        state.run_deferred()
        found = state.maintain(stalled_ns)
        for slot in found.cut:
            slot.cut()
        self.workers.prune()
        self.workers.ensure()
        for message, borrower, held in found.messages:
            logger.warning(message, state.options.name, borrower.name(), held, borrower.place())

    def run(self) -> None:
        """Maintain the pool until it is over, or has another keeper."""
        ident = self.ident = get_ident()
        try:
            while self.ident == ident and not self.state.is_over():
                self.maintain(self.wait())
        except BaseException:
            logger.exception("the keeper of pool %r failed, and starts again", self.state.options.name)
        finally:
            if self.ident == ident:
                self.ident = NONE
                if not self.state.is_over():
                    self.ensure()

    def wait(self) -> int:
        """Wait until something is due. Return for how many nanoseconds the process was stopped meanwhile."""
        due_ns = self.state.next_ns()
        started_ns = time.monotonic_ns()
        timeout = self.tick if due_ns >= NEVER_NS else min(self.tick, max(0.0, (due_ns - started_ns) / 1e9))
        with contextlib.suppress(queue.Empty):
            self.state.wake.get(timeout=timeout)
        late_ns = time.monotonic_ns() - started_ns - int(timeout * 1e9)
        return late_ns if late_ns > STALL * 1e9 else 0
