"""The publisher: a process with an open pool writes its status into the folder that `processes` reads.

A thread writes once a second, so that checkouts do not become slower. A folder that cannot be written costs one
warning.
"""

import contextlib
import errno
import json
import logging
import os
import stat
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from django.conf import settings

from polls.background import BackgroundThread
from polls.monitoring import metrics
from polls.monitoring.processes import FORMAT, SAMPLE_SECONDS, ProcessStatus, Sample, in_use, read
from polls.pool import ConnectionPool

logger = logging.getLogger(__name__)

INTERVAL: Final = 1.0  # seconds
SAMPLES: Final = 60  # five minutes
FIRST: Final = 0.1  # seconds from the first checkout, until which its caller counts as waiting


def role() -> str:
    """Return what this process does: web, command:NAME, or the name of the program."""
    if settings.WSGI_APPLICATION.rpartition(".")[0] in sys.modules:
        return "web"
    program = Path(sys.argv[0]).name
    if program in ("manage.py", "django-admin") and len(sys.argv) > 1:
        return f"command:{sys.argv[1]}"
    return program


def describe(pool: ConnectionPool) -> ProcessStatus:
    """Return the status of this process and its pool."""
    own_role, connections, failure = role(), pool.status(), pool.last_failure
    leak_ms = 1e3 * pool.leak_after
    return {
        "format": FORMAT,
        "pid": os.getpid(),
        "role": own_role,
        "threads": settings.WEB_THREADS if own_role == "web" else 1,
        "pool": pool.name,
        "published_s": time.monotonic(),
        "stats": pool.get_stats(),
        "connections": connections,
        "waiters": pool.get_waiters(),
        "leaks_open": sum(row["state"] == "cut" or 0 < leak_ms < (row["held_ms"] or 0) for row in connections),
        "last_error": failure.message if failure else "",
        "last_error_s": failure.at_s if failure else None,
        "histograms": pool.get_histograms(),
        "votes": metrics.counts(metrics.VOTES),
        "refused": metrics.counts(metrics.REFUSED),
        "history": [],
    }


class Publisher:
    """Publishes what `describe` returns, in a thread, from `start()` on."""

    def __init__(self, folder: Path, describe: Callable[[], ProcessStatus]) -> None:
        self._folder = folder
        self._describe = describe
        self._thread = BackgroundThread("pool-publisher", self._rounds)
        self._history: deque[Sample] = deque(maxlen=SAMPLES)
        self._failing = False

    def start(self) -> None:
        """Start the thread unless it runs. The pool calls this whenever it connects."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and remove the file."""
        if self._thread.stop():
            with contextlib.suppress(OSError):
                self._path().unlink()

    def publish(self) -> None:
        """Write the file, once."""
        try:
            status = self._describe()
            self._sample(status)
            status["history"] = list(self._history)
            _write(self._folder, self._path(), json.dumps(status))
        except Exception as error:  # the pool works even so
            if not self._failing:
                logger.warning("the pool's status cannot be published in %s: %s", self._folder, error)
            self._failing = True
        else:
            self._failing = False

    def _rounds(self) -> Iterator[float]:
        self._history.clear()  # of the parent, in a forked child
        with contextlib.suppress(OSError):
            read(self._folder)  # removes the files of processes that have ended, on hosts where nothing else reads
        yield FIRST
        while True:
            self.publish()
            yield INTERVAL

    def _path(self) -> Path:
        return self._folder / f"{os.getpid()}.json"

    def _sample(self, status: ProcessStatus) -> None:
        slot = int(time.monotonic() // SAMPLE_SECONDS)
        if not self._history or self._history[-1]["slot"] != slot:
            self._history.append({"slot": slot, "in_use": 0, "waiting": 0})
        latest = self._history[-1]
        latest["in_use"] = max(latest["in_use"], in_use(status))
        latest["waiting"] = max(latest["waiting"], status["stats"]["requests_waiting"])


def _write(folder: Path, path: Path, text: str) -> None:
    """Write the whole file under another name, then rename it: readers find the old one or the new one."""
    owner = _private(folder)
    draft = path.with_suffix(".tmp")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            if os.geteuid() == 0 != owner.st_uid:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(text)
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def _private(folder: Path) -> os.stat_result:
    """Create the folder if it does not exist; raise OSError unless its owner alone has access.

    A folder that root creates belongs to the owner of its parent, for the site may run as that user tomorrow.
    """
    try:
        found = folder.lstat()
    except FileNotFoundError:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        around = folder.parent.stat()
        if os.geteuid() == 0 != around.st_uid:
            os.chown(folder, around.st_uid, around.st_gid)
        found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if found.st_mode & 0o077 or os.geteuid() not in (0, found.st_uid):
        raise PermissionError(errno.EACCES, "it must belong to this user alone, with mode 700", str(folder))
    return found
