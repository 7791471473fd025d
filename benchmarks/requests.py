"""The requests to measure: how each turn prepares them, and how their answers are checked."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.candidates import POLLS, Poll, Site
from benchmarks.cpu import cpu_seconds
from benchmarks.load import Answer, drive, get, post
from benchmarks.visitors import Visitor, read_ballot

CLIENTS = 16
MANY_CLIENTS = 64


class Row(NamedTuple):
    """A row of the table. `prepare` makes requests, `right` says whether an answer is the page that was asked for."""

    name: str
    what: str
    goal: float | None
    prepare: Callable[[Site, Poll, int], list[bytes]]
    right: Callable[[Answer, Poll], bool]
    clients: int = CLIENTS
    by_p99: bool = False
    times: int = 1  # so many times as many requests, where they are short


class Turn(NamedTuple):
    """What a turn measured; the CPU time is that of one request."""

    cpu_ms: float
    per_second: float
    p99_ms: float


def take_turn(site: Site, row: Row, count: int, root: int, postmaster: int, poll: Poll | None = None) -> Turn:
    """Send so many requests, and return what they took. Raises ValueError where an answer is wrong.

    `root` is the process at the root of the web server's tree; `poll` is another one than the site's own.
    """
    poll = poll or site.poll
    requests = row.prepare(site, poll, count)

    def see(answer: Answer) -> None:
        if not row.right(answer, poll):
            raise ValueError(f"{site.name}, {row.what}: {answer.head!r} {answer.body[:500]!r}")

    before = cpu_seconds(root) + cpu_seconds(postmaster)
    load = drive(site.port, requests, row.clients, see)
    cpu = cpu_seconds(root) + cpu_seconds(postmaster) - before
    return Turn(1000 * cpu / count, load.per_second, 1000 * load.p99)


def meet(site: Site, poll: Poll, count: int) -> list[Visitor]:
    """Return so many visitors who have seen the ballot."""
    visitors: list[Visitor] = []
    requests = [get(site.port, poll.address)] * count
    drive(site.port, requests, CLIENTS, lambda answer: visitors.append(read_ballot(answer, poll.address)))
    return visitors


def votes(site: Site, poll: Poll, count: int) -> list[bytes]:
    return [post(site.port, who.action, who.vote(), who.cookie) for who in meet(site, poll, count)]


def first_visits(path: Callable[[Site, Poll], str]) -> Callable[[Site, Poll, int], list[bytes]]:
    """Return what prepares requests of visitors without cookies."""
    return lambda site, poll, count: [get(site.port, path(site, poll))] * count


def later_visits(path: str, voted: bool) -> Callable[[Site, Poll, int], list[bytes]]:
    """Return what prepares requests of a few visitors who have seen the ballot, and perhaps voted."""

    def prepare(site: Site, poll: Poll, count: int) -> list[bytes]:
        visitors = meet(site, poll, CLIENTS)
        if voted:
            ballots = [post(site.port, who.action, who.vote(), who.cookie) for who in visitors]
            drive(site.port, ballots, CLIENTS, lambda answer: None)
        requests = (get(site.port, poll.address + path, who.cookie) for who in itertools.cycle(visitors))
        return list(itertools.islice(requests, count))

    return prepare


def is_empty_page(answer: Answer, poll: Poll) -> bool:
    return answer.status == 200 and answer.body.strip() == b"ok"


def is_ballot(answer: Answer, poll: Poll) -> bool:
    return _shows(answer, poll) and answer.body.count(b'type="radio"') == len(poll.options)


def is_results(answer: Answer, poll: Poll) -> bool:
    return _shows(answer, poll) and b'type="radio"' not in answer.body


def _shows(answer: Answer, poll: Poll) -> bool:
    return answer.status == 200 and all(text.encode() in answer.body for text in (poll.title, *poll.options))


def is_front_page(answer: Answer, poll: Poll) -> bool:
    links = answer.body.count(b'<a href="/polls/')
    return answer.status == 200 and poll.title.encode() in answer.body and links >= POLLS


def is_redirect(answer: Answer, poll: Poll) -> bool:
    return answer.status in (302, 303) and f"{poll.address}results/".encode() in answer.head


ROWS = (
    Row(
        "middleware",
        "nothing but the middleware",
        1.2,
        first_visits(lambda site, poll: "/healthz"),
        is_empty_page,
        times=4,
    ),
    Row("results", "results", 0.6, first_visits(lambda site, poll: f"{poll.address}results/"), is_results),
    Row("results-again", "results, came back after voting", None, later_visits("results/", True), is_results),
    Row("ballot", "ballot", 0.6, first_visits(lambda site, poll: poll.address), is_ballot),
    Row("ballot-again", "ballot, came back", None, later_visits("", False), is_ballot),
    Row("front", "front page", 0.7, first_visits(lambda site, poll: site.front_page), is_front_page),
    Row("vote", "vote", 0.5, votes, is_redirect),
    Row("vote-64", "vote, 64 clients", 1.0, votes, is_redirect, MANY_CLIENTS, by_p99=True),
)
