"""Pages that visitors without a session share: rendered once for all of them who are shown the same.

A page is kept under everything that its template is given. So what shows anything else is another page, and none is out
of date. What belongs to one visitor alone is put in afterwards.
"""

import secrets
import sys
from collections.abc import Callable, Mapping
from datetime import tzinfo
from threading import Lock
from typing import Any, Final, NamedTuple

from cachetools import LRUCache
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import conditional_escape
from django.utils.safestring import mark_safe
from django.utils.translation import get_language

from polls.views.viewers import has_session

KEPT_BYTES: Final = 32 * 2**20  # in each process

# Stands where something is put in afterwards. No one can write it into a poll, because no one is ever sent it.
MARK: Final = secrets.token_hex(16)
TOKEN: Final = "csrf_token"


class _Kept(NamedTuple):
    html: bytes
    size: int  # with its key


_kept: LRUCache[str, _Kept] = LRUCache(KEPT_BYTES, getsizeof=lambda kept: kept.size)
_lock = Lock()


def rendered(shown: object, render: Callable[[], str]) -> bytes:
    """Return what `render` returns, called once for each language and each value of `shown`.

    It must depend on nothing else. `shown` is made of tuples, lists, dictionaries, strings, numbers and times, which
    tell themselves apart when they are written out; with anything else in it, nothing is kept.
    """
    key = repr((get_language(), shown))
    with _lock:
        kept = _kept.get(key)
    if kept is None:
        html = render().encode()
        kept = _Kept(html, len(html) + sys.getsizeof(key))
        if kept.size <= KEPT_BYTES and " at 0x" not in key:
            with _lock:
                _kept[key] = kept
    return kept.html


def render_shared(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    own: Mapping[str, object] | None = None,
    zone: tzinfo | None = None,
) -> HttpResponse:
    """Render a page from its `context`, and from `own`: values that are text, and the visitor's own or None.

    The template of a shared page is given these, the address of the page and no request. `zone` is that of the times in
    `context`, or None for the site's; it depends on the context too.
    """
    own = own or {}
    if has_session(request) or request.method not in ("GET", "HEAD"):
        with timezone.override(zone):
            return render(request, template, {**context, **own})
    context = {**context, **page_address(request)}
    marks = {name: mark_safe(MARK + name) for name, value in own.items() if value is not None}
    given = {**context, **marks, TOKEN: MARK + TOKEN}

    def render_once() -> str:
        with timezone.override(zone):
            return render_to_string(template, given)

    html = rendered((template, context, list(marks)), render_once)
    for name, mark in marks.items():
        html = html.replace(mark.encode(), conditional_escape(str(own[name])).encode())
    if given[TOKEN].encode() in html:
        html = html.replace(given[TOKEN].encode(), get_token(request).encode())
    return HttpResponse(html)


def forget() -> None:
    """Forget all that was rendered."""
    with _lock:
        _kept.clear()


def page_address(request: HttpRequest) -> dict[str, str]:
    """Give templates the address of the page, for links that lead back to it. What answers a form has none."""
    return {"page_address": request.get_full_path()} if request.method in ("GET", "HEAD") else {}
