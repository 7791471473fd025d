"""A task: work on a slot. The state owns it; it has a deadline, and `State.finish` ends it in one place."""

import sys
import time
from collections.abc import Iterator
from threading import get_ident
from types import CodeType, FrameType
from typing import Any, Final

from .slot import CHECKING, CLOSING, CONNECTING, RETURNING, Slot

# Seconds after which the keeper gives a task up. Connecting has connect_timeout, and this for hooks that have none.
LIMITS: Final = {CONNECTING: 30.0, CHECKING: 2.0, CLOSING: 3.0, RETURNING: 10.0}
QUEUED: Final = 30.0  # for how long a task may wait for a worker


class Task:
    """Connect, check, close, or clean on return: the kind is the state that the slot is in meanwhile."""

    __slots__ = ("claims", "code", "conn", "deadline_ns", "kind", "slot")

    def __init__(self, kind: str, slot: Slot, conn: Any = None) -> None:
        self.kind = kind
        self.slot = slot
        self.conn = conn
        self.deadline_ns = time.monotonic_ns() + int(QUEUED * 1e9)
        self.claims: list[int] = []  # threads that began it: the first one carries it out
        self.code: CodeType | None = None  # of the function in which that thread does so

    def begin(self, code: CodeType) -> bool:
        """The calling thread carries the task out, in the function with this code. False if another one does."""
        self.deadline_ns = time.monotonic_ns() + int(LIMITS[self.kind] * 1e9)
        self.code = code
        self.claims.append(get_ident())  # one step: either the task has a thread, or it can be given to another
        return self.claims[0] == get_ident()

    def is_abandoned(self, stacks: dict[int, set[CodeType]]) -> bool:
        """Whether an exception took the thread out of the function before the task was finished.

        The stacks are from after the task was begun.
        """
        return self.code not in stacks.get(self.claims[0], ())


def running_threads() -> set[int] | None:
    """The idents of all threads; None where threads are no threads of the system, as with gevent."""
    idents = set(sys._current_frames())  # noqa: SLF001
    return idents if get_ident() in idents else None


def current_stacks() -> dict[int, set[CodeType]] | None:
    """The functions that each thread is in, by ident; None as above.

    No frame is kept: it would keep the variables of a borrower alive, and this function's own one itself.
    """
    frames = sys._current_frames()  # noqa: SLF001
    try:
        if get_ident() not in frames:
            return None
        return {ident: set(_codes(frame)) for ident, frame in frames.items()}
    finally:
        frames.clear()


def _codes(frame: FrameType | None) -> Iterator[CodeType]:
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back
