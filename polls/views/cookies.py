"""Signed cookies, which a browser stores and cannot change."""

from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

SECONDS: Final = 400 * 24 * 3600  # the longest that browsers keep one


def read(request: HttpRequest, name: str, salt: str) -> str | None:
    """Return the value of a cookie, None where there is none, or it is too old, or its signature is wrong."""
    value: str | None = request.get_signed_cookie(name, default=None, salt=salt, max_age=SECONDS)
    return value


def write(
    response: HttpResponse, name: str, value: str, salt: str, path: str = "/", seconds: int | None = SECONDS
) -> None:
    """Set a cookie, for pages under `path` only and hidden from scripts. With None it ends with the browser."""
    response.set_signed_cookie(
        name,
        value,
        salt=salt,
        max_age=seconds,
        path=path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
