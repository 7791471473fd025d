"""The report for operators: what the processes publish, what the server says of the same, and the budget."""

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from polls import queries
from polls.database import connect
from polls.monitoring import processes
from polls.monitoring.processes import ProcessStatus

ASK_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Server:
    """What the server says, or why it could not be asked."""

    backends: Sequence[queries.Backend] = ()
    limits: queries.Limits | None = None
    error: str = ""


@dataclass(frozen=True)
class Budget:
    """The connections that the running processes may open, against those that the server allows."""

    pools: int  # the sum of maxconn
    orm: int  # one connection for each thread
    max_connections: int | None  # None where the server cannot be asked
    reserved: int | None
    used: int | None  # by all clients, now

    @property
    def wanted(self) -> int:
        return self.pools + self.orm

    @property
    def available(self) -> int | None:
        return None if self.max_connections is None or self.reserved is None else self.max_connections - self.reserved

    @property
    def fits(self) -> bool | None:
        return None if self.available is None else self.wanted <= self.available


@dataclass(frozen=True)
class Report:
    """The site at one moment."""

    processes: Sequence[ProcessStatus]
    server: Server
    budget: Budget
    now_s: float

    def troubles(self) -> list[str]:
        """Return a line for each process in which callers wait or connections leak."""
        lines = []
        for process in self.processes:
            stats, leaks = process["stats"], process["leaks_open"]
            if waiting := stats["requests_waiting"]:
                oldest = stats["oldest_wait_ms"] / 1e3
                lines.append(f"{process['role']} {process['pid']}: {waiting} waiting, the first for {oldest:.1f} s")
            if leaks:
                lines.append(
                    f"{process['role']} {process['pid']}: connections held for longer than leak_after: {leaks}"
                )
        return lines

    def backend(self, pid: int | None) -> queries.Backend | None:
        """Return the session with this backend pid."""
        return next((backend for backend in self.server.backends if backend.pid == pid), None)

    def others(self) -> list[queries.Backend]:
        """Return the sessions that belong to no pool of this host."""
        ours = {row["backend_pid"] for process in self.processes for row in process["connections"]}
        return [backend for backend in self.server.backends if backend.pid not in ours]


def build_report() -> Report:
    """Read the folder and ask the server, for half a second at most. Opens no pool.

    Raises OSError where the folder cannot be read.
    """
    server = ask_server()
    found = processes.read(Path(settings.POOL_STATE_DIR))
    limits = server.limits
    budget = Budget(
        pools=sum(process["stats"]["pool_max"] for process in found),
        orm=sum(process["threads"] for process in found),
        max_connections=limits and limits.max_connections,
        reserved=limits and limits.reserved,
        used=limits and limits.used,
    )
    return Report(found, server, budget, time.monotonic())


def ask_server(seconds: float = ASK_SECONDS) -> Server:
    """Ask the server, outside the pool.

    A thread asks, and is left behind when the time is up: libpq's timeouts are a second or more, apply to each host,
    and do not limit a query.
    """
    answer = Server(error=f"no answer within {seconds:g} s")

    def ask() -> None:
        nonlocal answer
        try:
            with closing(connect("status", start=False, connect_timeout=1)) as conn:
                conn.autocommit = True
                answer = Server(queries.list_backends(conn), queries.get_limits(conn))
        except Exception as error:  # the operator needs the rest of the report even so
            answer = Server(error=str(error).strip())

    asking = threading.Thread(target=ask, name="status", daemon=True)
    asking.start()
    asking.join(seconds)
    return answer


def as_json(report: Report) -> dict[str, Any]:
    """Return the report for `pool_status --json`."""
    budget = report.budget
    return {
        "processes": [
            {
                "pid": process["pid"],
                "role": process["role"],
                "published_ms": round(1e3 * (report.now_s - process["published_s"]), 1),
                "stats": process["stats"],
                "connections": process["connections"],
                "waiters": process["waiters"],
                "leaks_open": process["leaks_open"],
                "last_error": process["last_error"],
            }
            for process in report.processes
        ],
        "backends": [backend._asdict() for backend in report.server.backends],
        "server_error": report.server.error,
        "budget": {
            "pools": budget.pools,
            "orm": budget.orm,
            "wanted": budget.wanted,
            "max_connections": budget.max_connections,
            "reserved": budget.reserved,
            "available": budget.available,
            "used": budget.used,
            "fits": budget.fits,
        },
    }
