"""The cookie by which a browser carries an invitation, for one poll."""

from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

COOKIE = "invite"
COOKIE_SALT = "polls.invite"
COOKIE_SECONDS = 400 * 24 * 3600  # the longest that browsers keep one


class Invitation(NamedTuple):
    """An invitation as its bearer showed it: who is invited, and the hash of the link that was followed."""

    invite_id: int
    token_hash: str


def invited(request: HttpRequest, slug: str) -> Invitation | None:
    """Return the invitation to the poll at `slug`, None where there is none or somebody else signed it."""
    value = request.get_signed_cookie(COOKIE, default=None, salt=f"{COOKIE_SALT}/{slug}", max_age=COOKIE_SECONDS)
    if value is None:
        return None
    invite_id, _, token_hash = value.partition(".")
    return Invitation(int(invite_id), token_hash)


def remember_invitation(response: HttpResponse, slug: str, invitation: Invitation) -> None:
    """Let the browser carry the invitation, to the pages of this poll only."""
    response.set_signed_cookie(
        COOKIE,
        f"{invitation.invite_id}.{invitation.token_hash}",
        salt=f"{COOKIE_SALT}/{slug}",
        max_age=COOKIE_SECONDS,
        path=reverse("poll", args=[slug]),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
