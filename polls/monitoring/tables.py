"""The tables of a report, as rows of text whose first row is the heading, for the terminal and the admin."""

from collections.abc import Sequence
from typing import Final

from django.conf import settings

from polls.monitoring.processes import in_use
from polls.monitoring.report import Report

Rows = Sequence[Sequence[str]]

PROCESS_HEAD: Final = (
    *("role", "pid", "min", "max", "in use", "idle", "waiting", "oldest wait"),
    *("requests", "timeouts", "errors", "published", "last error"),
)


def process_rows(report: Report) -> Rows:
    """A row for each process."""
    rows = [list(PROCESS_HEAD)]
    for process in report.processes:
        stats = process["stats"]
        waiting = stats["requests_waiting"]
        since_s = process["last_error_s"]
        rows.append(
            [
                process["role"],
                str(process["pid"]),
                str(stats["pool_min"]),
                str(stats["pool_max"]),
                str(in_use(process)),
                str(stats["pool_available"]),
                str(waiting),
                duration(stats["oldest_wait_ms"] / 1e3) if waiting else "-",
                str(stats["requests_num"]),
                str(stats["requests_errors"]),
                str(stats["connections_errors"] + stats["returns_bad"]),
                f"{duration(report.now_s - process['published_s'])} ago",
                "-"
                if since_s is None
                else f"{duration(report.now_s - since_s)} ago: {one_line(process['last_error'])}",
            ]
        )
    return rows


def connection_rows(report: Report) -> Rows:
    """A row for each connection, and for each waiting caller."""
    rows = [["pid", "backend", "state", "on the server", "age", "uses", "held for", "thread", "taken at"]]
    for process in report.processes:
        pid = str(process["pid"])
        for row in process["connections"]:
            held_ms = row["held_ms"]
            rows.append(
                [
                    pid,
                    str(row["backend_pid"] or "-"),
                    row["state"],
                    server_state(report, row["backend_pid"]),
                    duration(row["age_ms"] / 1e3),
                    str(row["uses"]),
                    "-" if held_ms is None else duration(held_ms / 1e3),
                    row["thread"] or "-",
                    place(row["taken"]),
                ]
            )
        for waiter in process["waiters"]:
            waited = duration(waiter["waited_ms"] / 1e3)
            rows.append([pid, "-", "waits", "-", "-", "-", waited, waiter["thread"], place(waiter["taken"])])
    return rows


def other_rows(report: Report) -> Rows:
    """A row for each session on this database that belongs to no pool of this host."""
    rows = [["backend", "on the server", "for", "application"]]
    for backend in report.others():
        seconds = "-" if backend.seconds is None else duration(backend.seconds)
        rows.append([str(backend.pid), server_state(report, backend.pid), seconds, backend.application_name or "-"])
    return rows


def budget_line(report: Report) -> str:
    """The connections that may be opened, against those that the server allows."""
    budget = report.budget
    wanted = f"Budget: {budget.pools} for pools + {budget.orm} for the ORM = {budget.wanted}"
    if budget.available is None:
        return f"{wanted}; the server's limit is not known."
    verdict = "it fits" if budget.fits else "TOO MANY"
    return (
        f"{wanted} of {budget.available} (max_connections {budget.max_connections} less {budget.reserved} reserved), "
        f"{budget.used} in use now: {verdict}."
    )


def server_state(report: Report, pid: int | None) -> str:
    """What the server says about a session."""
    backend = report.backend(pid)
    if backend is None:
        return "not asked" if report.server.error else "gone" if pid else "-"
    state = backend.state or "not shown"
    if backend.blocked_by:
        return f"{state}, waits for a lock of {', '.join(map(str, backend.blocked_by))}"
    return f"{state}, waits for {backend.waits_for}" if backend.waits_for not in (None, "Client") else state


def duration(seconds: float) -> str:
    """A number of seconds in a few characters."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def place(taken: str | None) -> str:
    """file:line, relative to the checkout."""
    return (taken or "-").removeprefix(f"{settings.BASE_DIR}/")


def one_line(text: str) -> str:
    """A message of libpq on one line, without the hint that follows for each host."""
    return "; ".join(
        line for line in map(str.strip, text.splitlines()) if line and not line.startswith("Is the server")
    )
