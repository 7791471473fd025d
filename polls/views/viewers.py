"""Viewers: who is looking at a poll, as a voter, as an owner and as staff."""

from typing import TYPE_CHECKING, NamedTuple

from django.http import HttpRequest

from polls import queries, voters
from polls.permissions import MANAGE_POLL, VIEW_CHOICES, VIEW_RESULTS, holds, is_owner
from polls.views import cookies
from polls.views.invite_cookies import Invitation, invited

if TYPE_CHECKING:
    from django.contrib.auth.models import User


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


def actor_of(user: "User") -> queries.Actor:
    """Return a signed-in user as the data layer knows who changes a poll."""
    return queries.Actor(user.pk, holds(user, MANAGE_POLL), user.get_username(), holds(user, VIEW_RESULTS))


def may_manage(request: HttpRequest, poll: queries.PollRow) -> bool:
    """Whether the viewer may manage this poll, as its owner and staff with the permission may."""
    return is_owner(request.user, poll.owner_id) or holds(request.user, MANAGE_POLL)


def sees_all_results(request: HttpRequest) -> bool:
    """Whether the viewer sees the results of every poll, also those that are hidden."""
    return holds(request.user, VIEW_RESULTS)


def may_see_choices(request: HttpRequest, poll: queries.PollRow) -> bool:
    """Whether the viewer may see who chose what in this poll, provided that it is a named one."""
    return is_owner(request.user, poll.owner_id) or holds(request.user, VIEW_CHOICES)


def choices_are_secret(poll: queries.PollRow, viewer: Viewer) -> bool:
    """Whether the choices may not be shown even though there is a vote of this viewer.

    Those who manage a poll make the links: in an anonymous one, only the browser that voted is shown its choices.
    """
    return poll.is_for_invited and not poll.named and not (viewer.invitation and viewer.invitation.voted_here)
