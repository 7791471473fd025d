"""CPU time of process trees, to the microsecond: of the processes that run, and of those that have ended."""

import contextlib
import time

import psutil

TRIES = 100


def cpu_seconds(root: int) -> float:
    """Return the CPU seconds that a process and its descendants have used so far; those that ended are included."""
    for _ in range(TRIES):
        # A process ended between two looks: look again.
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            # In this order: a child that ends in between fails the second look, instead of being counted twice.
            ended = _ended(psutil.Process(root))
            children = psutil.Process(root).children(recursive=True)
            return ended + sum(_clock(pid) for pid in (root, *(child.pid for child in children)))
    raise RuntimeError(f"process {root} is gone, or its children end too fast to be measured")


def _ended(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.children_user + times.children_system)


def _clock(pid: int) -> float:
    """Read the CPU clock of a process (clock_getcpuclockid(3)): /proc has hundredths of seconds only."""
    return time.clock_gettime((~pid << 3) | 2)
