"""Managing a poll: its page for the owner and staff, and its changes of state."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from polls import checkpoints, queries
from polls.database import pool
from polls.event_texts import describe_events
from polls.views.decorators import for_poll_managers
from polls.views.poll_texts import choice_rule, when_visible
from polls.views.responses import render_poll, see_other, zone_of

EVENTS_SHOWN = 50
MOST_VOTES_READ = 100_000  # for the busiest minute, unless it is asked for: it reads every vote
FEWEST_IN_A_BURST = 20
BURST = 10  # times the average


class StateChange(NamedTuple):
    """A change of state: its query, and the messages when it is done and when the state forbids it."""

    query: Callable[[Any, str, queries.Actor], bool]
    done: Any
    refused: Any


STATE_CHANGES = {
    "open": StateChange(
        queries.open_poll,
        _("The poll is open."),
        _("Only drafts and scheduled polls with enough options can be opened."),
    ),
    "close": StateChange(queries.close_poll, _("The poll is closed."), _("Only an open poll can be closed.")),
    "archive": StateChange(queries.archive_poll, _("The poll is archived."), _("Only a closed poll can be archived.")),
    "unarchive": StateChange(
        queries.unarchive_poll, _("The poll is out of the archive."), _("The poll is not in the archive.")
    ),
}


@require_safe
@for_poll_managers
def manage(request: HttpRequest, actor: queries.Actor, slug: str) -> HttpResponse:
    """Show the state of a poll, its link, what can be done next, and its history."""
    with pool().connection(autocommit=True) as conn:
        managed = queries.get_managed_poll(conn, slug, actor)
        events = queries.list_events(conn, managed.poll.id, limit=EVENTS_SHOWN + 1)
        reads_votes = managed.voter_count <= MOST_VOTES_READ or "pace" in request.GET
        busiest = queries.get_busiest_minute(conn, managed.poll.id) if reads_votes else None
    with timezone.override(zone_of(managed.poll)):
        event_texts = describe_events(events[:EVENTS_SHOWN])
    context: dict[str, object] = {
        "managed": managed,
        "choice_rule": choice_rule(managed.poll),
        "when_visible": when_visible(managed.poll),
        "burst": busiest if busiest and is_burst(busiest) else None,
        "unread": not reads_votes,
        "events": event_texts,
        "has_more_events": len(events) > EVENTS_SHOWN,
    }
    return render_poll(request, "polls/manage.html", managed.poll, context)


def is_burst(busiest: queries.BusiestMinute) -> bool:
    """Whether a minute is suspicious. A class that votes together is not, nor is a poll that lasted minutes."""
    average = busiest.votes / busiest.minutes
    return busiest.votes_then >= FEWEST_IN_A_BURST and busiest.votes_then >= BURST * average


@require_POST
@for_poll_managers
def change_state(request: HttpRequest, actor: queries.Actor, slug: str, action: str) -> HttpResponse:
    """Open, close, archive or unarchive a poll, now."""
    if action not in STATE_CHANGES:
        raise Http404
    query, done, refused = STATE_CHANGES[action]
    try:
        with pool().connection(autocommit=True) as conn:
            changed = query(conn, slug, actor)
    except queries.WrongWindow:
        messages.error(request, _("Its closing time is over: set another one, and the poll can open."))
        return see_other("polls:schedule", slug)
    if changed:
        if action == "close":
            checkpoints.note_vote(slug)
        messages.success(request, done)
    else:
        messages.error(request, refused)
    return see_other("polls:manage", slug)


@require_http_methods(["GET", "HEAD", "POST"])
@for_poll_managers
def delete(request: HttpRequest, actor: queries.Actor, slug: str) -> HttpResponse:
    """Ask for confirmation, then delete a poll that has no votes."""
    with pool().connection(autocommit=True) as conn:
        managed = queries.get_managed_poll(conn, slug, actor)
        if request.method == "POST":
            try:
                queries.delete_poll(conn, slug, actor)
            except queries.PollFrozen:
                messages.error(request, _("The poll has votes: it can be archived, and not deleted."))
                return see_other("polls:manage", slug)
    if request.method == "POST":
        messages.success(request, _("The poll is deleted."))
        return see_other("polls:my_polls")
    if managed.voter_count:
        return see_other("polls:manage", slug)
    return render(request, "polls/delete.html", {"poll": managed.poll})
