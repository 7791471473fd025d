"""Measure votes through the data layer beside pgbench, which sends the same statement, prepared."""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.candidates import Site, run_sql
from benchmarks.cpu import cpu_seconds
from benchmarks.rounds import ratio, rounds
from benchmarks.votes import THREADS
from pollsite.embedded.programs import binaries
from tests.support.paths import BASE_DIR
from tests.support.servers import Server, wait_until

DATA_LAYER, PGBENCH = "data layer", "pgbench"
GOAL = 0.6


class Votes(NamedTuple):
    """Votes in some time, and the CPU seconds that client and server took for them."""

    votes: float
    took: float
    cpu: float

    @property
    def per_second(self) -> float:
        return self.votes / self.took

    @property
    def per_core(self) -> float:
        """Return the votes in a second of one core."""
        return self.votes / self.cpu


def compare(server: Server, site: Site, count: int, seconds: float) -> Iterator[str]:
    """Yield the lines of a table."""
    results = rounds(
        {
            DATA_LAYER: lambda: through_the_data_layer(server, site, seconds),
            PGBENCH: lambda: through_pgbench(server, site, seconds),
        },
        count,
    )
    per_core = {name: [result.per_core for result in runs] for name, runs in results.items()}
    of_pgbench = ratio(per_core, DATA_LAYER, PGBENCH)
    yield f"| {THREADS} threads, {THREADS} connections, {seconds:g} s | votes/s | votes per second of a core | goal | |"
    yield "|---|---|---|---|---|"
    for name, runs in results.items():
        per_second = statistics.median(result.per_second for result in runs)
        goal = f"≥ {GOAL:.0%} of pgbench per core: {of_pgbench:.0%}" if name == DATA_LAYER else "–"
        met = ("met" if of_pgbench >= GOAL else "**missed**") if name == DATA_LAYER else ""
        yield f"| {name} | {per_second:,.0f} | {statistics.median(per_core[name]):,.0f} | {goal} | {met} |"


def through_the_data_layer(server: Server, site: Site, seconds: float) -> Votes:
    """Vote in a process of its own, with the site's settings."""
    assert server.process
    output = _run_votes(site, "--seconds", str(seconds), "--postmaster", str(server.process.pid))
    return Votes(**json.loads(output))


def through_pgbench(server: Server, site: Site, seconds: float) -> Votes:
    """Vote with pgbench, for a whole number of seconds. Raises RuntimeError where votes were refused."""
    assert server.process
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(_run_votes(site, "--script"))
        script.flush()
        command = [
            *(str(binaries() / "pgbench"), "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-n"),
            *("-M", "prepared", "-c", str(THREADS), "-j", "2", "-T", str(max(1, round(seconds)))),
            *("-f", script.name, "ours"),
        ]
        before, own, database = count_votes(server), ended(), cpu_seconds(server.process.pid)
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        # The CPU time of its sessions is that of the server once the server has seen them end.
        wait_until(lambda: "pgbench" not in session_names(server))
        time.sleep(0.2)
        cpu = ended() - own + cpu_seconds(server.process.pid) - database
    votes, per_second = (
        float(re.search(pattern, output)[1])  # type: ignore[index]
        for pattern in (r"transactions actually processed: (\d+)", r"tps = ([\d.]+)")
    )
    if count_votes(server) - before != votes:
        raise RuntimeError("votes of pgbench were refused")
    return Votes(votes, votes / per_second, cpu)


def _run_votes(site: Site, *arguments: str) -> str:
    slug = site.poll.address.strip("/").rpartition("/")[2]
    command = [sys.executable, "-m", "benchmarks.votes", slug, *arguments]
    environment = {**os.environ, **site.environment, "POOL_MAXCONN": str(THREADS)}
    return subprocess.run(command, cwd=BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def ended() -> float:
    """Return the CPU seconds of the child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def session_names(server: Server) -> list[str]:
    """Return the application_name of each session of the server."""
    return [name for (name,) in run_sql(server, "ours", "SELECT application_name FROM pg_stat_activity")]


def count_votes(server: Server) -> int:
    """Return how many votes all polls of this site have."""
    [(votes,)] = run_sql(server, "ours", "SELECT count(*) FROM polls_vote")
    return int(votes)
