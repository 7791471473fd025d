"""Sharing a poll: its short address, and that as a QR code."""

import io

import segno
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from polls import queries
from polls.views.common import code_of, pool, see_other


@require_safe
def short(request: HttpRequest, code: str) -> HttpResponse:
    """Lead to the poll whose address ends in this code."""
    with pool().connection(autocommit=True) as conn:
        slug = queries.find_slug(conn, code)
    if slug is None:
        raise Http404
    return see_other("poll", slug)


@require_safe
def qr(request: HttpRequest, slug: str) -> HttpResponse:
    """Draw the short address. It asks nobody, and so says nothing about which polls there are."""
    url = request.build_absolute_uri(reverse("short", args=[code_of(slug)]))
    drawing = io.BytesIO()
    segno.make(url, error="m", micro=False).save(
        drawing, kind="svg", omitsize=True, xmldecl=False, dark="#000", light="#fff", svgclass=None, lineclass=None
    )
    return HttpResponse(
        drawing.getvalue(), content_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"}
    )
