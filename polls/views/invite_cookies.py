"""The cookies with which a browser keeps an invitation to one poll, and one that a link has just offered."""

from typing import NamedTuple

from django.http import HttpRequest, HttpResponse

from polls.views import cookies

COOKIE = "invite"
OFFERED = "invite_offered"  # the link's address cannot see whether the browser keeps one already


class Invitation(NamedTuple):
    """An invitation that a browser keeps: its id, and the hash of the token in the link."""

    invite_id: int
    token_hash: str


def invited(request: HttpRequest, slug: str) -> Invitation | None:
    """Return the invitation to the poll at `slug`, or, without one, what a link has offered; None without either.

    A new link of the same invitation takes the place of the old one.
    """
    kept, offered = _read(request, COOKIE, slug), offered_invitation(request, slug)
    return offered if kept is None or (offered and offered.invite_id == kept.invite_id) else kept


def offered_invitation(request: HttpRequest, slug: str) -> Invitation | None:
    """Return the invitation whose link was followed just before, None where there is none."""
    return _read(request, OFFERED, slug)


def offer_invitation(response: HttpResponse, slug: str, invitation: Invitation) -> None:
    """Let the browser show the invitation of a link to the pages of its poll, which accept it or ask."""
    _write(response, OFFERED, slug, invitation)


def accept_invitation(response: HttpResponse, slug: str, invitation: Invitation) -> None:
    """Let the browser keep the invitation, for the pages of this poll only."""
    _write(response, COOKIE, slug, invitation)
    decline_invitation(response, slug)


def decline_invitation(response: HttpResponse, slug: str) -> None:
    """Let the browser forget what a link has offered."""
    cookies.delete_for_poll(response, OFFERED, slug)


def _read(request: HttpRequest, cookie: str, slug: str) -> Invitation | None:
    value = cookies.read_for_poll(request, cookie, slug)
    if value is None:
        return None
    invite_id, _, token_hash = value.partition(".")
    return Invitation(int(invite_id), token_hash)


def _write(response: HttpResponse, cookie: str, slug: str, invitation: Invitation) -> None:
    cookies.write_for_poll(response, cookie, f"{invitation.invite_id}.{invitation.token_hash}", slug)
