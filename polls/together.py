"""Reading once for all threads that wait for the same: while many look at a poll, one statement answers several.

A thread that asks while a read is under way waits for the next read, and so do all that ask meanwhile. So none is given
what was read before it asked.
"""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from threading import Lock
from typing import Any, Final, TypeVar

Value = TypeVar("Value")

PATIENCE: Final = 0.05  # seconds: after that, a read that is under way is not waited for

_waiting: dict[Hashable, "Future[Any]"] = {}
_under_way: dict[Hashable, "Future[Any]"] = {}
_lock = Lock()


def read_together(key: Hashable, read: Callable[[], Value]) -> Value:
    """Return what `read` returns, called by one of the threads that ask for this key at the same time.

    What it raises is raised in each of them.
    """
    with _lock:
        found: Future[Value] | None = _waiting.get(key)
        if found is None:
            ours: Future[Value] = Future()
            _waiting[key] = ours
            before = _under_way.get(key)
    if found is not None:
        return found.result()
    try:
        if before is not None:
            with suppress(FutureTimeout):
                before.exception(PATIENCE)
        with _lock:
            del _waiting[key]  # who comes from now on waits for the next
            _under_way[key] = ours
        value = read()
        ours.set_result(value)
    except BaseException as error:
        ours.set_exception(error)
        raise
    finally:
        with _lock:
            for futures in (_waiting, _under_way):
                if futures.get(key) is ours:
                    del futures[key]
    return value
