"""Who borrows a connection or waits for one: a thread, at a place in the code."""

import threading
from types import CodeType
from typing import Final, NamedTuple


class Thread:
    """A thread as a borrower. Unlike its ident, which the system reuses, this object belongs to one thread."""

    __slots__ = ("ended", "ident")

    def __init__(self) -> None:
        self.ident = threading.get_ident()
        self.ended = False

    def name(self) -> str:
        """The name of the thread. Takes a lock of `threading`."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        return f"ended thread {self.ident}" if self.ended else names.get(self.ident, f"ended thread {self.ident}")


class _Ending:
    """Lives in the locals of a thread, and notes its end."""

    def __init__(self, thread: Thread) -> None:
        self.thread = thread

    def __del__(self) -> None:
        self.thread.ended = True


class _Current(threading.local):
    def __init__(self) -> None:
        self.thread = Thread()
        self.ending = _Ending(self.thread)


current: Final = _Current()  # current.thread is the calling thread


class Borrower(NamedTuple):
    """Who took a connection or waits for one, where and when.

    Code and instruction tell the place: a frame would keep the borrower's variables alive, and looking up a line number
    costs more than everything else.
    """

    thread: Thread | None
    code: CodeType | None
    lasti: int
    since_ns: int  # time.monotonic_ns()

    def place(self) -> str:
        """file:line"""
        if self.code is None:
            return "nowhere"
        lines = [line for start, end, line in self.code.co_lines() if line and start <= self.lasti < end]
        return f"{self.code.co_filename}:{lines[0] if lines else self.code.co_firstlineno}"

    def name(self) -> str:
        """The name of the thread. Not to be called under a lock: it takes one of `threading`."""
        return self.thread.name() if self.thread is not None else "no thread"
