"""Compare pages of this site with those of a polls app as in Django's tutorial, on a private PostgreSQL.

Run with scripts/bench site. CPU time is that of the web server's processes and of PostgreSQL, for one request; it is
valid on a busy machine too, while requests per second and latencies are not. The sites take turns in each round, the
figures are medians of the rounds, and a ratio is the median of those of each round, to the mode of the tutorial's app
that is the best in that row.
"""

import argparse
import contextlib
import dataclasses
import math
import statistics
import sys
from collections.abc import Iterator

from benchmarks import data_layer
from benchmarks.candidates import EACH, MODES, OURS, SERVERS, Poll, Site, make_ours, make_tutorial, seed, serving
from benchmarks.report import describe
from benchmarks.requests import CLIENTS, ROWS, Row, Turn, take_turn
from benchmarks.rounds import ratio, rounds
from tests.support.ports import free_port
from tests.support.servers import Server

FEW_VOTES, MORE_VOTES = 1_000, 100_000
MOST_VOTES_GOAL = 1.2


def compare(row: Row, sites: dict[Site, int], postmaster: int, count: int, requests: int) -> Iterator[str]:
    """Yield the line of a table: what a request takes on each of these sites, with the roots of their processes."""
    # The mode that connects anew takes several times as long for a page, and is never the best there.
    numbers = dict.fromkeys(sites, row.times * requests)
    numbers |= {site: max(2, requests // 4) for site in sites if site.name == EACH and row.times == 1}
    results = rounds(
        {site.name: lambda site=site: take_turn(site, row, numbers[site], sites[site], postmaster) for site in sites},  # type: ignore[misc]
        count,
    )
    cells = [cell(turns) for turns in results.values()]
    figures = {name: [turn.p99_ms if row.by_p99 else turn.cpu_ms for turn in turns] for name, turns in results.items()}
    modes = [name for name in figures if name != OURS]
    best = min(modes, key=lambda name: statistics.median(figures[name]))
    to_best = ratio(figures, OURS, best)
    what = "p99 " if row.by_p99 else ""
    goal = f"{what}≤ {row.goal:.1f} × the best: {to_best:.2f}" if row.goal else f"{to_best:.2f} × the best"
    yield f"| {row.what} | {' | '.join(cells)} | {goal} | {verdict(to_best, row.goal)} |"


def cell(turns: list[Turn]) -> str:
    """Return the medians of some turns."""
    cpu, per_second, p99 = (statistics.median(values) for values in zip(*turns, strict=True))
    return f"{cpu:.2f} ms, {per_second:.0f}/s, {p99:.0f} ms"


def verdict(figure: float, goal: float | None) -> str:
    """Say whether a goal is met, or nothing where there is none."""
    return "" if goal is None else "met" if figure <= goal else "**missed**"


def compare_sizes(
    site: Site, polls: dict[int, Poll], root: int, postmaster: int, count: int, requests: int
) -> Iterator[str]:
    """Yield the lines of a table: what the results page takes in polls of so many votes."""
    [row] = [row for row in ROWS if row.name == "results"]
    results = rounds(
        {
            f"{votes:,}": lambda poll=poll: take_turn(site, row, requests, root, postmaster, poll)  # type: ignore[misc]
            for votes, poll in polls.items()
        },
        count,
    )
    figures = {name: [turn.cpu_ms for turn in turns] for name, turns in results.items()}
    fewest, *_, most = figures
    yield "| results page, votes in the poll | CPU of a request | requests/s | p99 | goal | |"
    yield "|---|---|---|---|---|---|"
    for name, turns in results.items():
        to_fewest = ratio(figures, name, fewest)
        goal = MOST_VOTES_GOAL if name == most else None
        text = f"≤ {goal} × that with {fewest}: {to_fewest:.2f}" if goal else f"{to_fewest:.2f} ×"
        yield f"| {name} | {cell(turns).replace(', ', ' | ')} | {text} | {verdict(to_fewest, goal)} |"


def compare_servers(ours: Site, postmaster: int, count: int, requests: int) -> Iterator[str]:
    """Yield the lines of a table: what requests take on each web server."""
    with contextlib.ExitStack() as stack:
        copies = {server: dataclasses.replace(ours, name=server, port=free_port()) for server in SERVERS}
        roots = {server: stack.enter_context(serving(copy, server)) for server, copy in copies.items()}
        yield f"| this site on | {' | '.join(SERVERS)} | |"
        yield "|---" * (len(SERVERS) + 2) + "|"
        for row in ROWS:
            turns = {
                server: lambda server=server, row=row: take_turn(  # type: ignore[misc]
                    copies[server], row, requests, roots[server], postmaster
                )
                for server in SERVERS
            }
            results = rounds(turns, count)
            figures = {server: [turn.cpu_ms for turn in turns] for server, turns in results.items()}
            default, *others = SERVERS
            to_default = ", ".join(f"{ratio(figures, other, default):.2f} × {default}" for other in others)
            yield f"| {row.what} | {' | '.join(cell(turns) for turns in results.values())} | {to_default} |"


def report(server: Server, options: argparse.Namespace, wanted: set[str]) -> Iterator[str]:
    """Yield the lines of all tables."""
    assert server.process
    postmaster = server.process.pid
    yield describe(server, " ".join(["scripts/bench site", *sys.argv[1:]]))
    yield (
        f"gunicorn, 2 processes of 8 threads each; {CLIENTS} clients that keep their connections; medians of "
        f"{options.rounds} rounds of {options.requests} requests. CPU time of a request, requests per second, p99:"
    )
    with contextlib.ExitStack() as stack:  # which ends the sites
        ours = make_ours(server)
        ours.manage("collectstatic", "--no-input", "--verbosity", "0")
        rows = [row for row in ROWS if row.name in wanted]
        tutorials = [make_tutorial(server, name, ours.poll) for name in MODES] if rows else []
        sites = {site: stack.enter_context(serving(site)) for site in [ours, *tutorials]}
        if rows:
            yield ""
            yield f"| | {' | '.join(site.name for site in sites)} | goal | |"
            yield "|---" * (len(sites) + 3) + "|"
        for row in rows:
            yield from compare(row, sites, postmaster, options.rounds, options.requests)
        if "data-layer" in wanted:
            yield ""
            yield from data_layer.compare(server, ours, options.rounds, options.seconds)
        if "most-votes" in wanted:
            polls = {
                votes: seed(server, ours.environment, 1, votes, seed=2)
                for votes in sorted({FEW_VOTES, MORE_VOTES, options.most_votes})
            }
            yield ""
            yield from compare_sizes(ours, polls, sites[ours], postmaster, options.rounds, options.requests)
        if "servers" in wanted:
            yield ""
            yield from compare_servers(ours, postmaster, options.rounds, options.requests)


def main() -> None:
    names = [*(row.name for row in ROWS), "data-layer", "most-votes", "servers"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds in which the sites take turns (5)")
    parser.add_argument("--requests", type=int, default=1000, help="requests of a turn (1000)")
    parser.add_argument("--seconds", type=float, default=3, help="length of a turn of the data layer (3)")
    parser.add_argument("--most-votes", type=int, default=1_000_000, help="votes in the largest poll (1,000,000)")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"some of: {', '.join(names)}")
    options = parser.parse_args()
    if options.rounds < 1 or options.requests < 2 or not math.isfinite(options.seconds):
        parser.error("one round, two requests and a second are the least")
    server = Server(max_connections=120)
    try:
        server.start()
        for line in report(server, options, set(options.only or names)):
            print(line, flush=True)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
