"""Compare the pool with psycopg2's own, psycopg_pool and SQLAlchemy's QueuePool, on a private PostgreSQL.

Run with scripts/bench. Every figure is the median of rounds in which the pools take turns, so that other load on the
machine affects all of them alike. Calls without a round trip are measured in CPU time, the others in wall time.
"""

import argparse
import contextlib
import logging
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psycopg
import psycopg2
import psycopg_pool
import sqlalchemy.exc
from psycopg2.pool import ThreadedConnectionPool
from sqlalchemy.pool import QueuePool

from benchmarks.peers import ALCHEMY, BARE, OURS, PSYCOPG, pools
from benchmarks.rounds import microseconds, per_call, ratio, rounds
from polls.pool import ConnectionPool
from tests.support.servers import Server


class Row(NamedTuple):
    what: str
    figures: dict[str, str]
    goal: str
    met: bool


def block(pool: Any) -> Callable[[], None]:
    def call() -> None:
        with pool.connection():
            pass

    return call


def checkouts(server: Server, count: int) -> Iterator[Row]:
    with pools(server, 4) as three:
        ours, theirs = three[OURS], three[PSYCOPG]
        bare = ThreadedConnectionPool(1, 4, server.dsn())
        results = rounds(
            {
                OURS: per_call(lambda: ours.putconn(ours.getconn()), 20_000, time.thread_time_ns),
                BARE: per_call(lambda: bare.putconn(bare.getconn()), 20_000, time.thread_time_ns),
                PSYCOPG: per_call(lambda: theirs.putconn(theirs.getconn()), 5_000, time.thread_time_ns),
            },
            count,
        )
        bare.closeall()
        to_bare, to_theirs = ratio(results, OURS, BARE), ratio(results, OURS, PSYCOPG)
        yield Row(
            "getconn + putconn, uncontended, CPU",
            {name: microseconds(values) for name, values in results.items()},
            f"≤ 2.0 × psycopg2's: {to_bare:.2f}; ≤ 0.6 × psycopg_pool: {to_theirs:.2f}",
            to_bare <= 2.0 and to_theirs <= 0.6,
        )
        results = rounds(
            {
                OURS: per_call(block(ours), 20_000, time.thread_time_ns),
                PSYCOPG: per_call(block(theirs), 5_000, time.thread_time_ns),
            },
            count,
        )
        to_theirs = ratio(results, OURS, PSYCOPG)
        yield Row(
            "with pool.connection(), CPU",
            {name: microseconds(values) for name, values in results.items()},
            f"≤ 0.5 × psycopg_pool: {to_theirs:.2f}",
            to_theirs <= 0.5,
        )


def checked_checkouts(server: Server, count: int, tcp: bool) -> Iterator[Row]:
    from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

    dialect = PGDialect_psycopg2(dbapi=psycopg2)
    check = psycopg_pool.ConnectionPool.check_connection
    with pools(server, 4, tcp=tcp, check=check, pre_ping=True, dialect=dialect) as three:
        ours, theirs, alchemy = three[OURS], three[PSYCOPG], three[ALCHEMY]
        results = rounds(
            {
                OURS: per_call(lambda: ours.putconn(ours.getconn()), 20_000, time.monotonic_ns),
                PSYCOPG: per_call(lambda: theirs.putconn(theirs.getconn()), 500, time.monotonic_ns),
                ALCHEMY: per_call(lambda: alchemy.connect().close(), 500, time.monotonic_ns),
            },
            count,
        )
        to_theirs, to_alchemy = ratio(results, OURS, PSYCOPG), ratio(results, OURS, ALCHEMY)
        yield Row(
            f"checked checkout (check_connection, pre_ping) over {'TCP' if tcp else 'a Unix socket'}, wall",
            {name: microseconds(values) for name, values in results.items()},
            f"≤ 1/30 of each: 1/{1 / to_theirs:.0f}, 1/{1 / to_alchemy:.0f}",
            to_theirs <= 1 / 30 and to_alchemy <= 1 / 30,
        )


def borrow(pool: Any) -> Any:
    """Return a context manager that borrows a connection from any of the pools."""
    if isinstance(pool, QueuePool):
        return contextlib.closing(pool.connect())
    return pool.connection(autocommit=True) if isinstance(pool, ConnectionPool) else pool.connection()


class Contest(NamedTuple):
    throughput: float
    longest: float
    jain: float


def contend(pool: Any, seconds: float) -> Contest:
    """Run SELECT 1 in sixteen threads for `seconds`."""
    counts, longest, stop, start = [0] * 16, [0.0] * 16, threading.Event(), threading.Barrier(17)

    def work(number: int) -> None:
        start.wait()
        while not stop.is_set():
            asked = time.monotonic()
            with borrow(pool) as conn:
                longest[number] = max(longest[number], time.monotonic() - asked)
                if isinstance(pool, QueuePool):
                    conn.dbapi_connection.autocommit = True
                cursor = conn.cursor()
                cursor.execute("SELECT 1")
                cursor.fetchone()
                cursor.close()
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for worker in workers:
        worker.start()
    start.wait()
    time.sleep(seconds)
    stop.set()
    for worker in workers:
        worker.join()
    jain = sum(counts) ** 2 / (16 * sum(count**2 for count in counts))
    return Contest(sum(counts) / seconds, max(longest), jain)


def contention(server: Server, count: int, seconds: float) -> Iterator[Row]:
    with pools(server, 4) as three:
        contests: dict[str, list[Contest]] = {name: [] for name in three}
        for number in range(count + 1):
            for name, pool in three.items():
                contest = contend(pool, seconds if number else 0.5)
                if number:
                    contests[name].append(contest)
        middle = {
            name: Contest(*(statistics.median(values) for values in zip(*contests[name], strict=True)))
            for name in contests
        }
        mine, theirs = middle[OURS], middle[PSYCOPG]
        yield Row(
            f"16 threads on 4 connections, SELECT 1, {seconds:g} s: calls/s, longest wait, Jain index",
            {name: f"{c.throughput:.0f}/s, {c.longest * 1000:.0f} ms, {c.jain:.3f}" for name, c in middle.items()},
            "throughput and longest wait no worse than psycopg_pool, Jain ≥ 0.99",
            mine.throughput >= theirs.throughput and mine.longest <= theirs.longest and mine.jain >= 0.99,
        )


def fill(pool: Any, size: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(size):
            stack.enter_context(borrow(pool))


def select(pool: Any) -> None:
    with borrow(pool) as conn:
        cursor = conn.cursor()
        cursor.execute("SELECT 1")
        cursor.fetchone()


def succeeds(pool: Any) -> bool:
    try:
        select(pool)
    except (psycopg2.Error, psycopg.Error, sqlalchemy.exc.SQLAlchemyError):
        return False
    return True


def restart_while_idle(server: Server, count: int) -> Iterator[Row]:
    errors: dict[str, int] = {}
    times: dict[str, list[float]] = {}
    for _ in range(count):
        with pools(server, 8) as three:
            for pool in three.values():
                fill(pool, 8)
            server.restart()
            for name, pool in three.items():
                started = time.monotonic()
                while not succeeds(pool):
                    errors[name] = errors.get(name, 0) + 1
                times.setdefault(name, []).append(time.monotonic() - started)
    yield Row(
        "8 idle, server restarted: first success, errors before it",
        {
            name: f"{statistics.median(values) * 1000:.0f} ms, {errors.get(name, 0) / count:g}"
            for name, values in times.items()
        },
        "no error, ≤ 30 ms",
        OURS not in errors and statistics.median(times[OURS]) <= 0.03,
    )


def restart_while_busy(server: Server, count: int) -> Iterator[Row]:
    errors, firsts = [], []
    for _ in range(count):
        with pools(server, 8) as three:
            pool, stop, failed, successes = three[OURS], threading.Event(), [], []
            fill(pool, 8)

            def work(
                pool: Any = pool, stop: Any = stop, failed: list[Any] = failed, good: list[float] = successes
            ) -> None:
                while not stop.is_set():
                    (good if succeeds(pool) else failed).append(time.monotonic())

            workers = [threading.Thread(target=work) for _ in range(8)]
            for worker in workers:
                worker.start()
            time.sleep(0.3)
            server.stop()
            server.start()
            accepted = time.monotonic()
            time.sleep(0.5)
            stop.set()
            for worker in workers:
                worker.join()
            errors.append(len(failed))
            firsts.append(min(moment for moment in successes if moment > accepted - 0.1) - accepted)
    yield Row(
        "restart under 8 busy threads: errors, first success after accept",
        {OURS: f"{max(errors)} at most, {max(0.0, statistics.median(firsts)) * 1000:.0f} ms"},
        "errors ≤ 8 queries in flight, ≤ 50 ms",
        max(errors) <= 8 and statistics.median(firsts) <= 0.05,
    )


def burst(server: Server, count: int) -> Iterator[Row]:
    times: dict[str, list[float]] = {}
    for _ in range(count):
        with pools(server, 8, delay=0.1) as three:
            for name, pool in three.items():
                barrier, enough = threading.Barrier(9), threading.Barrier(9)

                def take(pool: Any = pool, barrier: Any = barrier, enough: Any = enough) -> None:
                    barrier.wait()
                    with borrow(pool):
                        enough.wait()

                workers = [threading.Thread(target=take) for _ in range(8)]
                for worker in workers:
                    worker.start()
                barrier.wait()
                started = time.monotonic()
                enough.wait()
                times.setdefault(name, []).append(time.monotonic() - started)
                for worker in workers:
                    worker.join()
    yield Row(
        "burst from 1 to 8, a connect takes 100 ms: last served",
        {name: f"{statistics.median(values) * 1000:.0f} ms" for name, values in times.items()},
        "≤ 150 ms",
        statistics.median(times[OURS]) <= 0.15,
    )


def many_idle(number: int, count: int) -> Iterator[Row]:
    """Measure what `number` idle connections cost, beside a pool with four."""
    server = Server(max_connections=number + 20)
    server.start()
    few, many = ConnectionPool(4, 4, server.dsn()), ConnectionPool(number, number, server.dsn())
    try:
        few.open(wait=True)
        many.open(wait=True, timeout=120)
        while len(many._workers.members) > 1:  # those that have connected rest for a while, and end
            time.sleep(0.1)
        by_hand, in_block, looks = (
            rounds(
                {
                    "few": per_call(call(few), calls, time.thread_time_ns),
                    "many": per_call(call(many), calls, time.thread_time_ns),
                },
                count,
            )
            for call, calls in ((borrow_and_return, 20_000), (block, 20_000), (maintain, 100))
        )
        more = ratio(by_hand, "many", "few"), ratio(in_block, "many", "few")
        figures = ", ".join(microseconds(results["many"]) for results in (by_hand, in_block, looks))
        look = microseconds(looks["few"])
        yield Row(
            f"{number} idle instead of 4: getconn + putconn, with pool.connection(), a look of the keeper, CPU",
            {OURS: f"{figures} (with 4: {look})"},
            f"a checkout ≤ 1.05 × that with 4: {more[0]:.2f}, {more[1]:.2f}",
            max(more) <= 1.05,
        )
    finally:
        few.close()
        many.close()
        server.remove()


def borrow_and_return(pool: ConnectionPool) -> Callable[[], None]:
    return lambda: pool.putconn(pool.getconn())


def maintain(pool: ConnectionPool) -> Callable[[], None]:
    return pool._keeper.maintain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="paired rounds of each measurement (default: 9)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a contest of 16 threads (default: 3)")
    parser.add_argument("--idle", type=int, default=0, help="measure this many idle connections too (default: 0)")
    options = parser.parse_args()
    logging.disable()  # every pool logs warnings about the restarts
    server = Server()
    server.start()
    few = max(1, options.rounds // 3)
    columns = (OURS, BARE, PSYCOPG, ALCHEMY)
    print(f"| | {' | '.join(columns)} | goal | |")
    print("|---" * (len(columns) + 3) + "|")
    try:
        for rows in (
            checkouts(server, options.rounds),
            checked_checkouts(server, options.rounds, tcp=True),
            checked_checkouts(server, options.rounds, tcp=False),
            contention(server, few, options.seconds),
            restart_while_idle(server, few),
            restart_while_busy(server, few),
            burst(server, few),
            many_idle(options.idle, options.rounds) if options.idle else (),
        ):
            for row in rows:
                figures = " | ".join(row.figures.get(name, "–") for name in columns)
                print(f"| {row.what} | {figures} | {row.goal} | {'met' if row.met else '**missed**'} |", flush=True)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
