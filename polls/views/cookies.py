"""Signed cookies, which a browser stores and cannot change.

They are signed with VOTER_KEY, because they say who a voter is: with SECRET_KEY, changing it would make every browser a
new voter, and its fallbacks would have to be kept for as long as any poll is open.
"""

from typing import Final

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

SECONDS: Final = 400 * 24 * 3600  # the longest that browsers keep one


def read(request: HttpRequest, name: str, salt: str) -> str | None:
    """Return the value of a cookie, None where there is none, or it is too old, or its signature is wrong."""
    signed = request.COOKIES.get(name)
    if signed is None:
        return None
    value = _unsign(signed, _salt(name, salt))
    return value if value is not None else _unsign(signed, name + salt)  # as Django signed until 2026


def write(
    response: HttpResponse, name: str, value: str, salt: str, path: str = "/", seconds: int | None = SECONDS
) -> None:
    """Set a cookie, for pages under `path` only and hidden from scripts. With None it ends with the browser."""
    response.set_cookie(
        name,
        _signer(_salt(name, salt)).sign(value),
        max_age=seconds,
        path=path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def read_for_poll(request: HttpRequest, name: str, slug: str) -> str | None:
    """Return the value of a cookie of one poll, like read."""
    return read(request, name, _poll_salt(name, slug))


def write_for_poll(response: HttpResponse, name: str, value: str, slug: str, seconds: int | None = SECONDS) -> None:
    """Set a cookie for the pages of one poll only, like write."""
    write(response, name, value, _poll_salt(name, slug), path=_poll_path(slug), seconds=seconds)


def delete_for_poll(response: HttpResponse, name: str, slug: str) -> None:
    """Let the browser forget a cookie of one poll."""
    response.delete_cookie(name, path=_poll_path(slug), samesite="Lax")


def _poll_path(slug: str) -> str:
    return reverse("polls:poll", args=[slug])


def _poll_salt(name: str, slug: str) -> str:
    return f"polls.{name}/{slug}"


def _signer(salt: str) -> TimestampSigner:
    """Return what Django signs cookies with, but for the key: cookies from before there was a VOTER_KEY stay good."""
    key = b"django.http.cookies" + settings.VOTER_KEY.encode()
    return TimestampSigner(key=key, salt=salt, fallback_keys=[])


def _unsign(signed: str, salt: str) -> str | None:
    try:
        return _signer(salt).unsign(signed, max_age=SECONDS)
    except BadSignature:
        return None


def _salt(name: str, salt: str) -> str:
    """Return the salt that Django makes of a cookie's name and salt, so that no two pairs have the same."""
    return f"django.http.cookies.v2:{len(salt)}:{salt}{name}"
