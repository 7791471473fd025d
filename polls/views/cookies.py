"""Signed cookies: what a browser keeps for us, and cannot change."""

from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

SECONDS: Final = 400 * 24 * 3600  # the longest that browsers keep one


def read(request: HttpRequest, name: str, salt: str) -> str | None:
    """Return a cookie's value, None where there is none, or it is too old, or somebody else signed it."""
    value: str | None = request.get_signed_cookie(name, default=None, salt=salt, max_age=SECONDS)
    return value


def write(response: HttpResponse, name: str, value: str, salt: str, path: str = "/") -> None:
    """Let the browser keep a cookie, for pages at `path` only and out of every script's reach."""
    response.set_signed_cookie(
        name,
        value,
        salt=salt,
        max_age=SECONDS,
        path=path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
