"""The processes of this host that have a pool, as they publish themselves.

Statistics are in the memory of the process that has the pool, so each process writes them into a file of its own,
<pid>.json in one folder (see `publisher`). Reading the files needs neither a pool nor the database.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypedDict

import psutil

from polls.pool import ConnectionStatus, Histograms, PoolStats, WaiterStatus

FORMAT: Final = 1  # files of another format are skipped: old and new processes run side by side during an update
SAMPLE_SECONDS: Final = 5
CLOCK_TOLERANCE: Final = 2.0  # seconds: Linux tells the time of its boot in whole ones


class Sample(TypedDict):
    """The most connections in use and the most callers waiting within SAMPLE_SECONDS."""

    slot: int  # time.monotonic() // SAMPLE_SECONDS
    in_use: int
    waiting: int


class ProcessStatus(TypedDict):
    """The status of one process. Times named _s are time.monotonic(), which all processes of a host share."""

    format: int
    pid: int
    role: str  # web, command:NAME, or the name of the program
    threads: int  # each may hold a connection of the ORM
    pool: str
    published_s: float
    stats: PoolStats
    connections: list[ConnectionStatus]
    waiters: list[WaiterStatus]
    leaks_open: int  # connections that are held for longer than leak_after now
    last_error: str  # of connecting
    last_error_s: float | None
    histograms: Histograms
    votes: dict[str, int]  # by outcome
    refused: dict[str, int]  # requests without a connection, by reason
    history: list[Sample]


def started_at(pid: int) -> float | None:
    """Return when a process started, in seconds since the epoch; None where there is none, or only a zombie."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def read(folder: Path) -> list[ProcessStatus]:
    """Return what the running processes have published, by pid, and remove the files of those that have ended.

    Raises OSError where the folder exists and cannot be read.
    """
    found: list[ProcessStatus] = []
    for path in _files(folder):
        try:
            written_at = path.stat().st_mtime
            status: Any = json.loads(path.read_bytes()) if path.suffix == ".json" else {}
        except FileNotFoundError:
            continue  # its process ended just now
        except (PermissionError, ValueError):
            continue  # written by root, or by hand
        started = started_at(int(path.stem))
        # A process that started after the file was written is a later one with the same pid.
        if started is None or started > written_at + CLOCK_TOLERANCE:
            with contextlib.suppress(OSError):
                path.unlink()
        elif status.get("format") == FORMAT:
            found.append(status)
    return sorted(found, key=lambda status: status["pid"])


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of statuses, and the drafts of processes that were killed while they wrote."""
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.suffix in (".json", ".tmp") and path.stem.isdecimal():
                yield path


def in_use(status: ProcessStatus) -> int:
    """Return how many connections the callers of a process hold."""
    return sum(row["held_ms"] is not None for row in status["connections"])


def history(processes: Sequence[ProcessStatus], now_s: float, samples: int) -> list[Sample]:
    """Return the last `samples` of all processes together, the oldest first, with zeros where there are none."""
    latest = int(now_s // SAMPLE_SECONDS)
    total: dict[int, Sample] = {
        slot: {"slot": slot, "in_use": 0, "waiting": 0} for slot in range(latest - samples + 1, latest + 1)
    }
    for process in processes:
        for sample in process["history"]:
            if sample["slot"] in total:
                total[sample["slot"]]["in_use"] += sample["in_use"]
                total[sample["slot"]]["waiting"] += sample["waiting"]
    return list(total.values())
