"""Reading what a page shows, or answering with 404."""

from typing import Any

from django.http import Http404

from polls import checkpoints, queries


def results_or_404(slug: str, **who: Any) -> queries.Results:
    """Return the results of a poll that is no draft, like checkpoints.read_results. Raises Http404."""
    try:
        results = checkpoints.read_results(slug, **who)
    except queries.PollNotFound:
        raise Http404 from None
    if results.poll.is_draft:
        raise Http404
    return results
