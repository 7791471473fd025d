"""Running a poll: one page that says where it stands, and what can be done next."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from polls import queries, trail
from polls.views.ballot import choice_rule
from polls.views.common import pool, render_poll, see_other, when_visible, zone_of
from polls.views.managers import for_managers

EVENTS_SHOWN = 50
VOTES_READ_AT_ONCE = 100_000  # for the busiest minute: it reads every vote
FEWEST_IN_A_BURST = 20
BURST = 10  # times the average


class Action(NamedTuple):
    """Something that one button does: by which query, what is said then, and what if the poll's state forbids it."""

    query: Callable[[Any, str, queries.Manager], bool]
    done: Any
    otherwise: Any


ACTIONS = {
    "open": Action(
        queries.open_poll,
        _("The poll is open."),
        _("Only drafts and scheduled polls with enough options can be opened."),
    ),
    "close": Action(queries.close_poll, _("The poll is closed."), _("Only an open poll can be closed.")),
    "archive": Action(queries.archive_poll, _("The poll is archived."), _("Only a closed poll can be archived.")),
    "unarchive": Action(
        queries.unarchive_poll, _("The poll is out of the archive."), _("The poll is not in the archive.")
    ),
}


@require_safe
@for_managers
def manage(request: HttpRequest, manager: queries.Manager, slug: str) -> HttpResponse:
    """Where a poll stands, its link, every next action, and what was done to it so far."""
    with pool().connection(autocommit=True) as conn:
        managed = queries.get_managed(conn, slug, manager)
        events = queries.list_events(conn, managed.poll.id, limit=EVENTS_SHOWN + 1)
        look = managed.voters <= VOTES_READ_AT_ONCE or "pace" in request.GET
        busiest = queries.get_busiest_minute(conn, managed.poll.id) if look else None
    with timezone.override(zone_of(managed.poll)):
        told = trail.tell(events[:EVENTS_SHOWN])
    context: dict[str, object] = {
        "managed": managed,
        "choice_rule": choice_rule(managed.poll),
        "when_visible": when_visible(managed.poll),
        "burst": busiest if busiest and is_burst(busiest) else None,
        "unread": not look,
        "trail": told,
        "more_trail": len(events) > EVENTS_SHOWN,
    }
    return render_poll(request, "polls/manage.html", managed.poll, context)


def is_burst(busiest: queries.Busiest) -> bool:
    """Tell whether a minute stands out: a fifth of a class that votes together does not, nor does a poll of minutes."""
    average = busiest.votes / busiest.minutes
    return busiest.votes_then >= FEWEST_IN_A_BURST and busiest.votes_then >= BURST * average


@require_POST
@for_managers
def act(request: HttpRequest, manager: queries.Manager, slug: str, action: str) -> HttpResponse:
    """Open, close, archive or unarchive a poll, now."""
    if action not in ACTIONS:
        raise Http404
    query, done, otherwise = ACTIONS[action]
    try:
        with pool().connection(autocommit=True) as conn:
            changed = query(conn, slug, manager)
    except queries.WrongWindow:
        messages.error(request, _("Its closing time is over: set another one, and the poll can open."))
        return see_other("times", slug)
    if changed:
        messages.success(request, done)
    else:
        messages.error(request, otherwise)
    return see_other("manage", slug)


@require_http_methods(["GET", "HEAD", "POST"])
@for_managers
def delete(request: HttpRequest, manager: queries.Manager, slug: str) -> HttpResponse:
    """Ask, and then delete a poll that has no votes."""
    with pool().connection(autocommit=True) as conn:
        managed = queries.get_managed(conn, slug, manager)
        if request.method == "POST":
            try:
                queries.delete_poll(conn, slug, manager)
            except queries.PollFrozen:
                messages.error(request, _("The poll has votes: it can be archived, and not deleted."))
                return see_other("manage", slug)
    if request.method == "POST":
        messages.success(request, _("The poll is deleted."))
        return see_other("my-polls")
    if managed.voters:
        return see_other("manage", slug)
    return render(request, "polls/delete.html", {"poll": managed.poll})
