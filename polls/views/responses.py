"""Responses that several views give: a page of a poll, 303, 429, and a file sent in parts."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from polls import queries
from polls.views.shared_pages import render_shared
from polls.views.viewers import has_session, may_manage


def render_poll(
    request: HttpRequest, template: str, poll: queries.PollRow, context: dict[str, object], status: int = 200
) -> HttpResponse:
    """Render a page of a poll, with times in the poll's zone."""
    with timezone.override(zone_of(poll)):
        return render(request, template, {**_about(request, poll), **context}, status=status)


def render_shared_poll(
    request: HttpRequest,
    template: str,
    poll: queries.PollRow,
    context: dict[str, object],
    own: Mapping[str, object] | None = None,
) -> HttpResponse:
    """Render a page of a poll that visitors share, like render_poll and render_shared."""
    return render_shared(request, template, {**_about(request, poll), **context}, own, zone_of(poll))


def _about(request: HttpRequest, poll: queries.PollRow) -> dict[str, object]:
    return {
        "poll": poll,
        # A callable: a page that does not use it sends no query of the ORM for the user.
        "may_manage": has_session(request) and partial(may_manage, request, poll),
        "origin": origin_of(request),
    }


def origin_of(request: HttpRequest) -> str:
    """Return the scheme and host that the visitor sees, as in https://example.org."""
    return f"{request.scheme}://{request.get_host()}"


def zone_of(poll: queries.PollRow | queries.OwnedPoll) -> ZoneInfo | None:
    """Return the zone in which a poll's times are shown: its own, or None for the site's."""
    try:
        return ZoneInfo(poll.time_zone) if poll.time_zone else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def see_other(to: str, *arguments: object) -> HttpResponse:
    """Redirect to a view or an address with 303, so that the browser sends a GET whatever it sent before."""
    response = redirect(to, *arguments)
    response.status_code = 303
    return response


def too_many_requests(request: HttpRequest, seconds: int) -> HttpResponse:
    """Answer 429, with the seconds to wait."""
    response = render(request, "429.html", {"seconds": seconds}, status=429)
    response["Retry-After"] = str(seconds)
    return response


def streamed(
    request: HttpRequest, parts: Iterator[bytes], content_type: str, filename: str, *, length: int | None = None
) -> StreamingHttpResponse:
    """Answer with a file to save, sent in parts.

    The generator of the parts takes a connection of the pool to read one part, and never while it yields: a slow
    client holds a thread of the server, and no connection. The first part is read now: where the database is away,
    the answer is 503.
    """
    first = next(parts, b"")
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    if length is not None:
        headers["Content-Length"] = str(length)
    body = iter(()) if request.method == "HEAD" else chain((first,), parts)
    return StreamingHttpResponse(body, content_type=f"{content_type}; charset=utf-8", headers=headers)
