"""What the views share: the pool, and who is asking."""

from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.apps import apps
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from polls import queries, voters
from polls.apps import Connector
from polls.pool import ConnectionPool
from polls.views import cookies
from polls.views.invitation import Invitation, invited


class Viewer(NamedTuple):
    """Who is asking, as a voter in one poll: what is not known of them is None."""

    user_id: int | None
    browser: voters.Voter | None
    account: voters.Voter | None
    invitation: Invitation | None
    invite: voters.Voter | None

    @property
    def keys(self) -> list[str]:
        """Every key under which a vote of theirs may stand."""
        return [key for voter in (self.browser, self.account, self.invite) if voter for key in voter]


def pool() -> ConnectionPool:
    """Return the pool of this process."""
    connection_pool: ConnectionPool = apps.get_app_config("polls").pool  # type: ignore[attr-defined]
    return connection_pool


def connector() -> Connector:
    """Return what makes the pool's connections, and knows how that goes."""
    found: Connector = apps.get_app_config("polls").connector  # type: ignore[attr-defined]
    return found


def viewer_of(request: HttpRequest, slug: str) -> Viewer:
    """Return who is asking. Without a session cookie the ORM is asked nothing."""
    user_id = request.user.pk
    browser = browser_id(request)
    invitation = invited(request, slug)
    return Viewer(
        user_id,
        voters.voter(slug, f"browser:{browser}") if browser else None,
        voters.voter(slug, f"user:{user_id}") if user_id else None,
        invitation,
        voters.voter(slug, f"invite:{invitation.invite_id}") if invitation else None,
    )


def browser_id(request: HttpRequest) -> str | None:
    """Return the id in the voting cookie, None where there is none or somebody else signed it."""
    return cookies.read(request, voters.COOKIE, voters.COOKIE_SALT)


def render_poll(
    request: HttpRequest, template: str, poll: queries.PollRow, context: dict[str, object], status: int = 200
) -> HttpResponse:
    """Render a page of a poll, with times in the poll's zone."""
    context = {
        "poll": poll,
        # For templates that ask: a page that does not asks the ORM nothing.
        "may_manage": partial(may_manage, request, poll),
        "origin": request.build_absolute_uri("/")[:-1],
        "short_url": request.build_absolute_uri(reverse("short", args=[code_of(poll.slug)])),
        **context,
    }
    with timezone.override(zone_of(poll)):
        return render(request, template, context, status=status)


def code_of(slug: str) -> str:
    """Return the random part of a poll's address: enough to find it."""
    return slug[-10:]


def may_manage(request: HttpRequest, poll: queries.PollRow) -> bool:
    """Whether who asks runs this poll: its owner and staff do."""
    user = request.user
    return user.is_staff or (user.pk is not None and user.pk == poll.owner_id)


def when_visible(poll: queries.PollRow) -> str:
    """Say in words who sees the results of a poll, and when."""
    return {
        "always": gettext("The results are shown to everybody, at any time."),
        "voted": gettext("The results are shown to those who have voted."),
        "closed": gettext("The results are shown after the poll has closed."),
    }.get(poll.results, gettext("The results are shown to the owner of the poll."))


def zone_of(poll: queries.PollRow | queries.OwnPoll) -> ZoneInfo | None:
    """Return the zone in which a poll's times are shown: its own, or None for the site's."""
    try:
        return ZoneInfo(poll.time_zone) if poll.time_zone else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def choices_are_secret(poll: queries.PollRow, viewer: Viewer) -> bool:
    """Whether what was chosen may not be shown even though there is a vote of this viewer.

    Links are made by those who run the poll: in an anonymous one, only the browser that voted is shown its choice.
    """
    return poll.audience == "invite" and not poll.named and not (viewer.invitation and viewer.invitation.voted_here)


def texts_of(
    options: list[queries.OptionRow] | list[queries.OptionResult], choices: list[int] | None
) -> list[str] | None:
    """Return the texts of the chosen options in the order chosen, None where there is no vote."""
    if choices is None:
        return None
    texts = {option.id: option.text for option in options}
    return [texts[choice] for choice in choices]


def see_other(to: str, *arguments: object) -> HttpResponse:
    """Redirect with 303 to a view or an address: whatever was sent, the browser now asks with GET."""
    response = redirect(to, *arguments)
    response.status_code = 303
    return response
