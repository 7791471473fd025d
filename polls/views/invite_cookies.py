"""The cookies with which a browser keeps an invitation to one poll, and remembers that it has voted with it."""

from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from polls.views import cookies

COOKIE = "invite"
VOTED_COOKIE = "invite_voted"


class Invitation(NamedTuple):
    """An invitation that a browser keeps: its id, and the hash of the token in the link.

    `voted_here` says that this browser has voted with it. Those who manage a poll make the links: in an anonymous poll,
    someone who only follows a link may not be shown the choices of its vote.
    """

    invite_id: int
    token_hash: str
    voted_here: bool = False


def invited(request: HttpRequest, slug: str) -> Invitation | None:
    """Return the invitation to the poll at `slug`, None where there is none or its signature is wrong."""
    value = _read(request, COOKIE, slug)
    if value is None:
        return None
    invite_id, _, token_hash = value.partition(".")
    return Invitation(int(invite_id), token_hash, _read(request, VOTED_COOKIE, slug) == invite_id)


def remember_invitation(response: HttpResponse, slug: str, invitation: Invitation) -> None:
    """Let the browser keep the invitation, for the pages of this poll only."""
    _write(response, COOKIE, slug, f"{invitation.invite_id}.{invitation.token_hash}")


def remember_vote(response: HttpResponse, slug: str, invitation: Invitation) -> None:
    """Let the browser remember that it has voted, with the last invitation of the people who share it."""
    _write(response, VOTED_COOKIE, slug, str(invitation.invite_id))


def _read(request: HttpRequest, cookie: str, slug: str) -> str | None:
    return cookies.read(request, cookie, f"polls.{cookie}/{slug}")


def _write(response: HttpResponse, cookie: str, slug: str, value: str) -> None:
    cookies.write(response, cookie, value, f"polls.{cookie}/{slug}", path=reverse("polls:poll", args=[slug]))
