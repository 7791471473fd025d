"""Managing a poll: its page, and its changes of state."""

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
from polls.views.poll_texts import LOCKED, LOCKED_WITHOUT_END, choice_rule, is_burst, when_visible
from polls.views.responses import render_poll, see_other, zone_of
from polls.views.revisions import sent_revision
from polls.views.viewers import may_see_choices

EVENTS_SHOWN = 50
MOST_VOTES_READ = 100_000  # for the busiest minute, unless it is asked for: it reads every vote


class StateChange(NamedTuple):
    """A change of state: its query, and the messages when it is done and when the state forbids it."""

    query: Callable[[Any, str, queries.Actor], bool]
    done: Any
    refused: Any


# Only opening asks for the revision: it shows others what the owner believes the poll to be. The others act on a state,
# and an urgent one, closing, is not refused because of a typo that was corrected.
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
        if managed.step_due:
            queries.take_steps(conn, [managed.poll.id])
            managed = queries.get_managed_poll(conn, slug, actor)
        events = queries.list_events(conn, managed.poll.id, limit=EVENTS_SHOWN + 1)
        reads_votes = managed.voter_count <= MOST_VOTES_READ or "pace" in request.GET
        # It counts all votes, and would tell how many there are since the last step.
        busiest = queries.get_busiest_minute(conn, managed.poll.id) if reads_votes and not managed.in_steps else None
    with timezone.override(zone_of(managed.poll)):
        event_texts = describe_events(events[:EVENTS_SHOWN])
    context: dict[str, object] = {
        "managed": managed,
        "choice_rule": choice_rule(managed.poll),
        "when_visible": when_visible(managed.poll),
        "sees_results": actor.sees_results_of(managed.poll.owner_id),
        "sees_choices": may_see_choices(request, managed.poll),
        "burst": busiest if busiest and is_burst(busiest) else None,
        "unread": not reads_votes,
        "events": event_texts,
        "has_more_events": len(events) > EVENTS_SHOWN,
    }
    return render_poll(request, "polls/manage.html", managed.poll, context)


@require_POST
@for_poll_managers
def change_state(request: HttpRequest, actor: queries.Actor, slug: str, action: str) -> HttpResponse:
    """Open, close, archive or unarchive a poll, now."""
    if action not in STATE_CHANGES:
        raise Http404
    query, done, refused = STATE_CHANGES[action]
    try:
        with pool().connection(autocommit=True) as conn:
            if action == "open":
                changed = queries.open_poll(conn, slug, actor, revision=sent_revision(request))
            else:
                changed = query(conn, slug, actor)
    except queries.PollChanged:
        messages.error(request, _("This poll has changed since you opened this page. Look at it, and open it then."))
        return see_other("polls:manage", slug)
    except queries.WrongWindow:
        messages.error(request, _("Its closing time is over: set another one, and the poll can open."))
        return see_other("polls:schedule", slug)
    except queries.LockedWithoutEnd:
        messages.error(request, _(LOCKED_WITHOUT_END))
        return see_other("polls:schedule", slug)
    except queries.PollLocked:
        messages.error(request, _(LOCKED))
        return see_other("polls:manage", slug)
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
                queries.delete_poll(conn, slug, actor, revision=sent_revision(request))
            except queries.PollChanged:
                messages.error(request, _("This poll has changed since you opened this page, and was not deleted."))
                return see_other("polls:manage", slug)
            except queries.PollFrozen:
                messages.error(request, _("The poll has votes: it can be archived, and not deleted."))
                return see_other("polls:manage", slug)
    if request.method == "POST":
        messages.success(request, _("The poll is deleted."))
        return see_other("polls:my_polls")
    if managed.has_votes:
        return see_other("polls:manage", slug)
    return render(request, "polls/delete.html", {"poll": managed.poll})
