"""The processes of this host that have a pool: what each publishes about itself, read by whoever asks.

Statistics live in the process that has the pool, so each process writes them into a file of its own, <pid>.json in one
folder (see `publishing`). Reading them needs neither a pool nor the database.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypedDict

from polls.pool import ConnectionStatus, Histograms, PoolStats, WaiterStatus

FORMAT: Final = 1  # another one is skipped: during an update old and new processes run side by side
SAMPLE_SECONDS: Final = 5


class Sample(TypedDict):
    """The most connections in use and the most callers waiting within SAMPLE_SECONDS."""

    slot: int  # time.monotonic() // SAMPLE_SECONDS
    in_use: int
    waiting: int


class ProcessStatus(TypedDict):
    """What one process says of itself. Times named _s are time.monotonic(), which all processes of a host share."""

    format: int
    pid: int
    birth: str
    role: str  # web, command:NAME, or the program's name
    threads: int  # each may hold a connection of the ORM
    pool: str
    published_s: float
    stats: PoolStats
    connections: list[ConnectionStatus]
    waiters: list[WaiterStatus]
    leaks_open: int  # connections held for longer than leak_after now
    last_error: str  # of connecting
    last_error_s: float | None
    histograms: Histograms
    votes: dict[str, int]  # by outcome
    refused: dict[str, int]  # requests without a connection, by reason
    history: list[Sample]


def birth(pid: int) -> str | None:
    """Return what tells a process from a later one with the same pid; None where there is none, or its corpse only."""
    try:
        # The name in brackets may hold anything; the state follows it, and the time of the start is 19 fields on.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _birth_without_proc(pid)
    return None if state in ("Z", "X") else fields[18]


def _birth_without_proc(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""


def read(folder: Path) -> list[ProcessStatus]:
    """Return what the living processes have published, by pid, and sweep the files of the dead.

    Raises OSError where the folder is there and cannot be read.
    """
    found: list[ProcessStatus] = []
    for path in _files(folder):
        alive = birth(int(path.stem))
        try:
            status: Any = json.loads(path.read_bytes()) if path.suffix == ".json" else {}
        except FileNotFoundError:
            continue  # its process ended just now
        except (PermissionError, ValueError):
            continue  # written by root, or by hand
        if alive is None or status.get("birth", alive) != alive:
            with contextlib.suppress(OSError):
                path.unlink()
        elif status.get("format") == FORMAT:
            found.append(status)
    return sorted(found, key=lambda status: status["pid"])


def _files(folder: Path) -> Iterator[Path]:
    """Statuses, and drafts of those who were killed while they wrote."""
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.suffix in (".json", ".tmp") and path.stem.isdecimal():
                yield path


def in_use(status: ProcessStatus) -> int:
    """Return how many connections callers of a process hold."""
    return sum(row["held_ms"] is not None for row in status["connections"])


def history(processes: Sequence[ProcessStatus], now_s: float, samples: int) -> list[Sample]:
    """Return the last `samples` of all processes together, the oldest first; where nobody has any, zeros."""
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
