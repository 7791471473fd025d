"""A thread that does something again and again in the background, as the publisher and the taker of checkpoints do."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Final

STOP_LIMIT: Final = 0.5  # seconds that the exit of the process waits for a round that hangs


class BackgroundThread:
    """A thread that goes through the rounds that `rounds` makes, each of which yields the seconds until the next one.

    It takes no lock, so that a child forked at any moment can start a thread of its own.
    """

    def __init__(self, name: str, rounds: Callable[[], Iterator[float]]) -> None:
        self._name = name
        self._rounds = rounds
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Start the thread unless it runs; in a forked child it does not. Where none can be started, the next call
        tries again."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(self._ended,), name=self._name, daemon=True)
        self._thread = thread
        with contextlib.suppress(RuntimeError):
            thread.start()

    def stop(self) -> bool:
        """End the thread, and return whether it ran."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return False
        self._ended.set()
        thread.join(STOP_LIMIT)
        return True

    def _run(self, ended: threading.Event) -> None:
        for pause in self._rounds():
            # Two threads may have been started at once: the later one goes on.
            if ended.wait(pause) or self._thread is not threading.current_thread():
                return
