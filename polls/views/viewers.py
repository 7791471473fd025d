"""Viewers: who is looking at a poll, as a voter, as an owner and as staff."""

from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest

from polls import queries, voters
from polls.permissions import MANAGE_POLL, VIEW_CHOICES, VIEW_RESULTS, holds, is_owner
from polls.receipts import Receipt, make_code, seal_of
from polls.views import cookies
from polls.views.invite_cookies import Invitation, invited
from polls.views.receipt_cookies import kept_receipt

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Viewer(NamedTuple):
    """Who is looking, as a voter in one poll: what is not known of them is None.

    With a receipt that was shown here, the browser acts for that vote and no other. `sealed_key` is the key under which
    that vote stands.
    """

    user_id: int | None
    browser_id: str | None
    browser: queries.VoterKeys | None
    account: queries.VoterKeys | None
    invitation: Invitation | None
    invite: queries.VoterKeys | None
    receipt: Receipt | None = None
    sealed_key: str | None = None

    @property
    def claims(self) -> dict[str, Any]:
        """What tells the data layer who is looking."""
        if self.receipt and self.sealed_key:
            return {"voter_keys": [self.sealed_key], "seals": [seal_of(self.receipt.code)], "invitation": None}
        people = [keys for keys in (self.browser, self.account, self.invite) if keys]
        return {
            "voter_keys": [key for keys in people for key in (keys.named, keys.hidden)],
            "seals": [keys.seal for keys in people if keys.seal],
            "invitation": self.invitation,
        }

    def with_browser(self, slug: str, browser_id: str) -> "Viewer":
        """Return them as they are once their browser has this id."""
        viewer = _viewer(slug, self.user_id, browser_id, self.invitation)
        return viewer._replace(receipt=self.receipt, sealed_key=self.sealed_key)

    def person_in(self, poll: queries.PollRow) -> str | None:
        """Return who they are for this poll, None where they cannot be a voter in it."""
        if poll.is_for_link:
            return f"browser:{self.browser_id}" if self.browser_id else None
        if poll.is_for_accounts:
            return f"user:{self.user_id}" if self.user_id else None
        return f"invite:{self.invitation.invite_id}" if self.invitation else None

    def receipt_of(self, poll: queries.PollRow, own: queries.OwnVote) -> Receipt | None:
        """Return the receipt of their vote, None where there is none that this browser could know."""
        if own.receipt_id is None:
            return None
        if self.receipt:
            return self.receipt
        person = self.person_in(poll)
        if person is None or self.browser_id is None:
            return None
        return Receipt(own.receipt_id, make_code(self.browser_id, poll.slug, person))


def has_session(request: HttpRequest) -> bool:
    """Whether the viewer may be signed in: without a session cookie, no query of the ORM is needed to know."""
    return settings.SESSION_COOKIE_NAME in request.COOKIES


def viewer_of(request: HttpRequest, slug: str) -> Viewer:
    """Return who is looking. Without a session cookie this sends no query of the ORM."""
    user_id = request.user.pk if has_session(request) else None
    viewer = _viewer(slug, user_id, browser_id(request), invited(request, slug))
    receipt, sealed_key = kept_receipt(request, slug) or (None, None)
    return viewer._replace(receipt=receipt, sealed_key=sealed_key)


def _viewer(slug: str, user_id: int | None, browser: str | None, invitation: Invitation | None) -> Viewer:
    return Viewer(
        user_id,
        browser,
        voters.make_keys(slug, f"browser:{browser}", browser) if browser else None,
        voters.make_keys(slug, f"user:{user_id}", browser) if user_id else None,
        invitation,
        voters.make_keys(slug, f"invite:{invitation.invite_id}", browser) if invitation else None,
    )


def browser_id(request: HttpRequest) -> str | None:
    """Return the id in the voting cookie, None where there is none or its signature is wrong."""
    return cookies.read(request, voters.COOKIE, voters.COOKIE_SALT)


def actor_of(user: "User") -> queries.Actor:
    """Return a signed-in user as the data layer knows who changes a poll."""
    return queries.Actor(user.pk, holds(user, MANAGE_POLL), user.get_username(), holds(user, VIEW_RESULTS))


def may_manage(request: HttpRequest, poll: queries.PollRow) -> bool:
    """Whether the viewer may manage this poll, as its owner and staff with the permission may."""
    return has_session(request) and (is_owner(request.user, poll.owner_id) or holds(request.user, MANAGE_POLL))


def sees_all_results(request: HttpRequest) -> bool:
    """Whether the viewer sees the results of every poll, also those that are hidden."""
    return has_session(request) and holds(request.user, VIEW_RESULTS)


def may_see_choices(request: HttpRequest, poll: queries.PollRow) -> bool:
    """Whether the viewer may see who chose what in this poll, provided that it is a named one."""
    return is_owner(request.user, poll.owner_id) or holds(request.user, VIEW_CHOICES)


def role_of(request: HttpRequest, poll: queries.PollRow) -> str:
    """Return as what somebody who may manage this poll acts: owner or staff."""
    return "owner" if request.user.pk == poll.owner_id else "staff"
