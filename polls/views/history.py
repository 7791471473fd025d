"""The public history of a poll: what was done to it and as whom, without names, and one hash over all of it."""

from typing import NamedTuple, cast

from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from polls import queries
from polls.database import pool
from polls.event_texts import describe_record
from polls.views.decorators import uncached
from polls.views.poll_texts import is_burst
from polls.views.responses import render_poll, zone_of
from polls.views.viewers import viewer_of

ENTRIES_SHOWN = 500
KEPT_SECONDS = 600  # nothing changes in a poll that has closed


class Stuffing(NamedTuple):
    """What hints at votes that no person cast: the busiest minute, None where it is not suspicious, and in polls for
    accounts how many were made while the poll was open."""

    burst: queries.BusiestMinute | None
    new_accounts: int | None


@uncached
@require_safe
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the public record of a poll; after closing also how many votes were changed, and hints at stuffing."""
    viewer = viewer_of(request, slug)
    try:
        with pool().connection(autocommit=True) as conn:
            outcome = queries.get_results(conn, slug, **viewer.claims, viewer_id=viewer.user_id)
            poll = outcome.poll
            record, entries = queries.get_record(conn, poll.id), queries.list_record(conn, poll.id)
            vote_changes = queries.count_vote_changes(conn, poll.id) if poll.has_ended else None
    except queries.PollNotFound:
        raise Http404 from None
    if poll.is_draft:
        raise Http404
    with timezone.override(zone_of(poll)):
        said = describe_record(entries)
    context: dict[str, object] = {
        "record": record,
        "entries": said[: -ENTRIES_SHOWN - 1 : -1],
        "has_more": len(said) > ENTRIES_SHOWN,
        "vote_changes": vote_changes,
        "stuffing": _stuffing(poll) if poll.has_ended and not poll.is_for_invited else None,
        "visible": outcome.visible,
        "verification": outcome.verification,
    }
    return render_poll(request, "polls/history.html", poll, context)


@uncached
@require_safe
def history_txt(request: HttpRequest, slug: str) -> HttpResponse:
    """Send the record as a file, one line for each entry. The hash of the record is its SHA-256."""
    try:
        with pool().connection(autocommit=True) as conn:
            poll = queries.get_poll(conn, slug).poll
            lines = queries.get_record_file(conn, poll.id)
    except queries.PollNotFound:
        raise Http404 from None
    if poll.is_draft:
        raise Http404
    return HttpResponse(lines, content_type="text/plain; charset=utf-8")


def _stuffing(poll: queries.PollRow) -> Stuffing:
    """Return the hints, read at most every ten minutes, because that reads every vote."""

    def read() -> Stuffing:
        with pool().connection(autocommit=True) as conn:
            busiest = queries.get_busiest_minute(conn, poll.id)
            new_accounts = queries.count_new_accounts(conn, poll.id) if poll.is_for_accounts else None
        return Stuffing(busiest if busiest and is_burst(busiest) else None, new_accounts)

    return cast("Stuffing", cache.get_or_set(f"stuffing/{poll.id}/{poll.revision}", read, KEPT_SECONDS))
