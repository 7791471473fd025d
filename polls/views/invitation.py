"""The cookies by which a browser carries an invitation to one poll, and remembers to have voted with it."""

from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from polls.views import cookies

COOKIE = "invite"
VOTED_COOKIE = "invite_voted"


class Invitation(NamedTuple):
    """An invitation as its bearer showed it: who is invited, and the hash of the link that was followed.

    `voted_here` says that a vote was cast with it from this very browser. Links are made and handed out by those who
    run the poll: in an anonymous one, whoever merely follows a link may not be shown what was chosen with it.
    """

    invite_id: int
    token_hash: str
    voted_here: bool = False


def invited(request: HttpRequest, slug: str) -> Invitation | None:
    """Return the invitation to the poll at `slug`, None where there is none or somebody else signed it."""
    value = _read(request, COOKIE, slug)
    if value is None:
        return None
    invite_id, _, token_hash = value.partition(".")
    return Invitation(int(invite_id), token_hash, _read(request, VOTED_COOKIE, slug) == invite_id)


def remember_invitation(response: HttpResponse, slug: str, invitation: Invitation) -> None:
    """Let the browser carry the invitation, to the pages of this poll only."""
    _write(response, COOKIE, slug, f"{invitation.invite_id}.{invitation.token_hash}")


def remember_vote(response: HttpResponse, slug: str, invitation: Invitation) -> None:
    """Let the browser remember that a vote was cast from it: for the last invitation of those who share the browser."""
    _write(response, VOTED_COOKIE, slug, str(invitation.invite_id))


def _read(request: HttpRequest, cookie: str, slug: str) -> str | None:
    return cookies.read(request, cookie, f"polls.{cookie}/{slug}")


def _write(response: HttpResponse, cookie: str, slug: str, value: str) -> None:
    cookies.write(response, cookie, value, f"polls.{cookie}/{slug}", path=reverse("poll", args=[slug]))
