"""Sharing a poll: its short address, and that address as a QR code."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from polls import queries
from polls.database import pool
from polls.qr_codes import qr_file
from polls.slugs import short_url
from polls.views.responses import origin_of, see_other


@require_safe
def short_link(request: HttpRequest, code: str) -> HttpResponse:
    """Redirect to the poll whose address ends in this code."""
    with pool().connection(autocommit=True) as conn:
        slug = queries.find_slug(conn, code)
    if slug is None:
        raise Http404
    return see_other("polls:poll", slug)


@require_safe
def qr_code(request: HttpRequest, slug: str) -> HttpResponse:
    """Draw the short address. It sends no query, and so does not tell which polls exist."""
    return HttpResponse(
        qr_file(short_url(slug, origin_of(request))),
        content_type="image/svg+xml",
        headers={"Cache-Control": "public, max-age=86400"},
    )
