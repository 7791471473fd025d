"""Measure what watchers of live results cost: scripts/bench watchers [--watchers 1000] [--seconds 60]

Serves with gunicorn as scripts/server does, on a private database. The watchers poll as live.js does: after 5 seconds,
and 1.5 times as long after each unchanged answer. CPU time is that of the site's and PostgreSQL's processes, so it is
valid on a busy machine too; latency is not.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import psycopg2

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.cpu import cpu_seconds
from tests.support.commands import run_manage
from tests.support.paths import BASE_DIR
from tests.support.servers import Server

FIRST, LONGEST, RARER = 5.0, 60.0, 1.5  # as in live.js
COLUMNS = "{:<34} {:>10} {:>6} {:>8} {:>8} {:>9} {:>9} {:>10} {:>11}"


class Watched:
    """A poll on a running site, and the measurements since the last reset."""

    def __init__(self, port: int, slug: str, option: int, site: psutil.Process, database: str) -> None:
        self.port, self.path, self.option, self.site = port, f"/polls/{slug}/results/?live", option, site
        self.conn = psycopg2.connect(database)
        self.conn.autocommit = True
        [(self.poll_id,)] = self.run("SELECT id FROM polls_poll WHERE slug = %s", slug)
        self.latencies: list[float] = []
        self.unchanged = 0

    def run(self, statement: str, *parameters: object) -> list[tuple[int, ...]]:
        with self.conn.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def vote(self, number: int) -> None:
        self.run(
            "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, %s, ARRAY[%s]::bigint[])",
            *(self.poll_id, f"watchers-{time.time_ns()}-{number}", self.option),
        )

    def cpu(self) -> tuple[float, float]:
        """Return the CPU seconds that the site and PostgreSQL have used so far."""
        postmaster = psutil.Process(self.run("SELECT pg_backend_pid()")[0][0]).parent()
        return cpu_seconds(self.site.pid), cpu_seconds(postmaster.pid)

    def queries(self) -> int:
        time.sleep(1.5)  # backends report their statistics after a second of idleness
        return self.run("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")[0][0]

    async def ask(self, etag: str) -> tuple[int, str]:
        started = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        condition = f"If-None-Match: {etag}\r\n" if etag else ""
        writer.write(f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{condition}\r\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        self.latencies.append(time.perf_counter() - started)
        status = int(answer.split(" ", 2)[1])
        assert status in (200, 304), answer[:200]
        self.unchanged += status == 304
        return status, answer.split("ETag: ", 1)[1].split("\r\n", 1)[0]

    async def watch(self, until: float) -> None:
        wait, etag = FIRST, ""
        await asyncio.sleep(random.uniform(0, FIRST))
        while time.monotonic() < until:
            status, etag = await self.ask(etag)
            wait = FIRST if status == 200 else min(wait * RARER, LONGEST)
            await asyncio.sleep(min(wait * random.uniform(0.9, 1.1), max(0.0, until - time.monotonic())))

    async def hurry(self, until: float, etag: str) -> None:
        while time.monotonic() < until:
            await self.ask(etag)

    async def vote_each_second(self, until: float) -> None:
        for number in itertools.count():
            if time.monotonic() >= until:
                return
            await asyncio.to_thread(self.vote, number)
            await asyncio.sleep(1)

    def measure(self, name: str, seconds: float, jobs: Callable[[float], list[Awaitable[None]]]) -> None:
        async def run() -> None:
            await asyncio.gather(*jobs(time.monotonic() + seconds))

        self.latencies.clear()
        self.unchanged = 0
        queries, cpu, started = self.queries(), self.cpu(), time.monotonic()
        asyncio.run(run())
        took = time.monotonic() - started
        site, database = (after - before for after, before in zip(self.cpu(), cpu, strict=True))
        asked = len(self.latencies)
        cuts = statistics.quantiles(self.latencies, n=100)
        print(
            COLUMNS.format(
                name,
                f"{asked / took:.1f}",
                f"{self.unchanged / asked:.0%}",
                f"{1000 * cuts[49]:.1f}",
                f"{1000 * cuts[98]:.1f}",
                f"{site / took:.1%}",
                f"{database / took:.1%}",
                f"{(self.queries() - queries) / took:.1f}",
                f"{1000 * (site + database) / asked:.2f}",
            ),
            flush=True,
        )


@contextlib.contextmanager
def watched(votes: int) -> Iterator[Watched]:
    server = Server()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    database = f"postgres://postgres@127.0.0.1:{server.port}/postgres"
    environment = {**os.environ, "DATABASE_URL": database, "PORT": str(port)}
    try:
        server.start()
        run_manage("migrate", "--verbosity", "0", **environment)
        seed = ("seed_polls", "--polls", "1", "--options", "6", "--votes", str(votes), "--json")
        [poll] = json.loads(run_manage(*seed, **environment))
        command = [sys.executable, "-m", "gunicorn", "--config", "pollsite/gunicorn.conf.py"]
        site = subprocess.Popen(command, cwd=BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert site.stdout is not None
            assert any("Ctrl-C" in line for line in site.stdout), "gunicorn has ended"
            yield Watched(port, poll["slug"], poll["options"][0], psutil.Process(site.pid), database)
        finally:
            site.terminate()
            site.wait()
    finally:
        server.remove()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--votes", type=int, default=100_000, help="votes in the poll before the measurements")
    arguments = parser.parse_args()
    number, seconds = arguments.watchers, arguments.seconds
    print(f"{number} watchers of a poll with 6 options and {arguments.votes:,} votes, {psutil.cpu_count()} cores")
    header = ("requests/s", "304", "p50 ms", "p99 ms", "site CPU", "db CPU", "queries/s", "CPU ms/req.")
    print(COLUMNS.format("", *header))
    with watched(arguments.votes) as poll:

        def watchers(until: float) -> list[Awaitable[None]]:
            return [poll.watch(until) for _ in range(number)]

        poll.measure("all watch, without votes", seconds, watchers)
        poll.measure("a vote each second", seconds, lambda until: [*watchers(until), poll.vote_each_second(until)])
        _, etag = asyncio.run(poll.ask(""))
        poll.measure("16 at once, nothing new", 10, lambda until: [poll.hurry(until, etag) for _ in range(16)])
        poll.measure("16 at once, all new", 10, lambda until: [poll.hurry(until, "") for _ in range(16)])


if __name__ == "__main__":
    main()
