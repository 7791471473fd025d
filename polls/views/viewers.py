"""Viewers: who is looking at a poll, as a voter and as an owner."""

from typing import NamedTuple

from django.http import HttpRequest

from polls import queries, voters
from polls.views import cookies
from polls.views.invite_cookies import Invitation, invited


class Viewer(NamedTuple):
    """Who is looking, as a voter in one poll: what is not known of them is None."""

    user_id: int | None
    browser: voters.VoterKeys | None
    account: voters.VoterKeys | None
    invitation: Invitation | None
    invite: voters.VoterKeys | None

    @property
    def voter_keys(self) -> list[str]:
        """Every key under which a vote of theirs may stand."""
        return [key for keys in (self.browser, self.account, self.invite) if keys for key in keys]


def viewer_of(request: HttpRequest, slug: str) -> Viewer:
    """Return who is looking. Without a session cookie this sends no query of the ORM."""
    user_id = request.user.pk
    browser = browser_id(request)
    invitation = invited(request, slug)
    return Viewer(
        user_id,
        voters.make_keys(slug, f"browser:{browser}") if browser else None,
        voters.make_keys(slug, f"user:{user_id}") if user_id else None,
        invitation,
        voters.make_keys(slug, f"invite:{invitation.invite_id}") if invitation else None,
    )


def browser_id(request: HttpRequest) -> str | None:
    """Return the id in the voting cookie, None where there is none or its signature is wrong."""
    return cookies.read(request, voters.COOKIE, voters.COOKIE_SALT)


def may_manage(request: HttpRequest, poll: queries.PollRow) -> bool:
    """Whether the viewer may manage this poll, as its owner and staff may."""
    user = request.user
    return user.is_staff or (user.pk is not None and user.pk == poll.owner_id)


def choices_are_secret(poll: queries.PollRow, viewer: Viewer) -> bool:
    """Whether the choices may not be shown even though there is a vote of this viewer.

    Owners and staff make the links: in an anonymous poll, only the browser that voted is shown its choices.
    """
    return poll.is_for_invited and not poll.named and not (viewer.invitation and viewer.invitation.voted_here)
