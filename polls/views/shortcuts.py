"""Reading what a page shows, or answering with 404."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from django.http import Http404

from polls import checkpoints, queries
from polls.database import pool
from polls.together import read_together

Look = TypeVar("Look", queries.Ballot, queries.Results)


def ballot_or_404(slug: str, **who: Any) -> queries.Ballot:
    """Return the ballot of a poll that is no draft, like get_poll. Raises Http404."""
    return _look_or_404(_read_ballot, slug, who)


def results_or_404(slug: str, **who: Any) -> queries.Results:
    """Return the results of a poll that is no draft, like checkpoints.read_results. Raises Http404."""
    return _look_or_404(checkpoints.read_results, slug, who)


def _look_or_404(read: Callable[..., Look], slug: str, who: dict[str, Any]) -> Look:
    """Read together with others that know as little of their visitors."""
    try:
        look = read(slug, **who) if any(who.values()) else read_together((read, slug), lambda: read(slug))
    except queries.PollNotFound:
        raise Http404 from None
    if look.poll.is_draft:
        raise Http404
    return look


def _read_ballot(slug: str, **who: Any) -> queries.Ballot:
    with pool().connection(autocommit=True) as conn:
        return queries.get_poll(conn, slug, **who)


def record_of(poll: queries.PollRow, verification: queries.Verification) -> queries.Record:
    """Return the record of a poll, which is read once for each version of it."""
    return _read_record(poll.id, verification.record_version)


@lru_cache(maxsize=1024)
def _read_record(poll_id: int, version: str) -> queries.Record:
    with pool().connection(autocommit=True) as conn:
        return queries.get_record(conn, poll_id)
