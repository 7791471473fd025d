"""The vote log of a named poll, for its owner and for staff who may see who chose what."""

import json
from collections.abc import Iterator

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from polls import queries
from polls.csv_export import csv_parts
from polls.database import pool
from polls.views.decorators import uncached
from polls.views.responses import streamed
from polls.views.viewers import may_see_choices

VOTES_A_READ = 5000


@uncached
@require_safe
def votes_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Send who chose what and when, for spreadsheets, with a column for each choice."""
    results = _readable(request, slug)
    if not results.poll.named:
        return _anonymous()
    return streamed(request, csv_parts(_rows(results)), "text/csv", f"{slug}-votes.csv")


@uncached
@require_safe
def votes_json(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Send who chose what and when, for programs."""
    results = _readable(request, slug)
    if not results.poll.named:
        return _anonymous()
    return streamed(request, _json_parts(results), "application/json", f"{slug}-votes.json")


def _rows(results: queries.Results) -> Iterator[list[str]]:
    texts = {option.id: option.text for option in results.options}
    columns = min(results.poll.max_choices, len(texts))
    yield ["time", "voter", *(f"choice {number}" for number in range(1, columns + 1))]
    for votes in _reads(results.poll.id):
        for vote in votes:
            yield [vote.cast_at.isoformat(), vote.person, *(texts.get(choice, "") for choice in vote.choices)]


def _json_parts(results: queries.Results) -> Iterator[bytes]:
    texts = {option.id: option.text for option in results.options}
    head = json.dumps({"slug": results.poll.slug, "title": results.poll.title})
    yield f'{head[:-1]}, "votes": ['.encode()
    separator = "\n"
    for votes in _reads(results.poll.id):
        lines = [
            json.dumps(
                {
                    "time": vote.cast_at.isoformat(),
                    "voter": vote.person,
                    "choices": [{"id": choice, "text": texts.get(choice, "")} for choice in vote.choices],
                }
            )
            for vote in votes
        ]
        yield (separator + ",\n".join(lines)).encode()
        separator = ",\n"
    yield b"\n]}\n"


def _reads(poll_id: int) -> Iterator[list[queries.VoteRow]]:
    """Yield the votes in parts, each read with a connection for a moment.

    This is no snapshot: votes cast meanwhile may be included or not, and none is included twice.
    """
    after = 0
    while True:
        with pool().connection(autocommit=True) as conn:
            votes = queries.list_votes(conn, poll_id, after=after, limit=VOTES_A_READ)
        if not votes:
            return
        yield votes
        after = votes[-1].id


def _readable(request: HttpRequest, slug: str) -> queries.Results:
    if request.user.pk is None:
        raise Http404
    try:
        with pool().connection(autocommit=True) as conn:
            results = queries.get_results(conn, slug)
    except queries.PollNotFound:
        raise Http404 from None
    if not may_see_choices(request, results.poll):
        raise Http404
    return results


def _anonymous() -> HttpResponse:
    return HttpResponse(
        "This poll is anonymous: who chose what is shown to nobody.",
        status=403,
        content_type="text/plain; charset=utf-8",
    )
