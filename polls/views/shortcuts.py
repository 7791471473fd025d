"""Reading what a page shows, or answering with 404."""

from functools import lru_cache
from typing import Any

from django.http import Http404

from polls import checkpoints, queries
from polls.database import pool
from polls.together import read_together


def results_or_404(slug: str, **who: Any) -> queries.Results:
    """Return the results of a poll that is no draft, like checkpoints.read_results. Raises Http404."""
    try:
        results = (
            checkpoints.read_results(slug, **who)
            if any(who.values())
            else read_together(("results", slug), lambda: checkpoints.read_results(slug))
        )
    except queries.PollNotFound:
        raise Http404 from None
    if results.poll.is_draft:
        raise Http404
    return results


def record_of(poll: queries.PollRow, verification: queries.Verification) -> queries.Record:
    """Return the record of a poll, which is read once for each version of it."""
    return _read_record(poll.id, verification.record_version)


@lru_cache(maxsize=1024)
def _read_record(poll_id: int, version: str) -> queries.Record:
    with pool().connection(autocommit=True) as conn:
        return queries.get_record(conn, poll_id)
