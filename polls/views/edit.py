"""Editing a poll: everything before the first vote; afterwards its closing, who sees the results, and typos."""

from typing import NamedTuple
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods, require_safe

from polls import queries
from polls.choices import State
from polls.database import pool
from polls.event_texts import EventText, describe_events
from polls.forms.changes import Difference, find_differences
from polls.forms.datetimes import to_local
from polls.forms.polls import RECOUNT_NEEDS_RESULTS, CorrectionForm, PollDetailsForm, VisibilityForm
from polls.forms.schedule import ScheduleForm
from polls.views.create import ALIKE, initial_details
from polls.views.decorators import for_poll_managers
from polls.views.poll_texts import LOCKED, LOCKED_WITHOUT_END, choice_rule
from polls.views.responses import render_poll, see_other, zone_of
from polls.views.revisions import sent_revision

EVENTS_SHOWN = 3
RESULTS_FIXED = gettext_noop(
    "This poll is anonymous: while it is open, you see who has voted or the counts, and never both. Which of them is "
    "fixed since the first vote, and can be changed after the poll has closed."
)


class Changed(NamedTuple):
    """A poll that has changed while somebody filled in a form about it: what was done last, and what the form says
    otherwise than what is saved."""

    events: list[EventText]
    differences: list[Difference]


@require_http_methods(["GET", "HEAD", "POST"])
@for_poll_managers
def edit(request: HttpRequest, actor: queries.Actor, slug: str) -> HttpResponse:
    """Change question, options and rules. Once there are votes, change only what is never frozen."""
    managed = _get_managed(slug, actor)
    if managed.poll.is_locked_now:
        return _refuse_locked(request, slug)
    data = request.POST if request.method == "POST" else None
    # A form opened before the first vote is taken for what it is, and refused with the reason.
    editable = not managed.has_votes or (data is not None and "title" in data)
    form = (PollDetailsForm if editable else VisibilityForm)(data, initial=initial_details(managed))
    if not actor.sees_results_of(managed.poll.owner_id):
        form.keep_results()
    seen, changed = sent_revision(request), None
    if form.is_valid():
        try:
            with pool().connection(autocommit=True) as conn:
                if isinstance(form, PollDetailsForm):
                    queries.edit_poll(conn, slug, actor, form.details(), revision=seen)
                else:
                    queries.edit_visibility(conn, slug, actor, **form.cleaned_data, revision=seen)
        except queries.PollChanged:
            managed, events = _get_changed(slug, actor)
            seen = managed.poll.revision
            options = [option.text for option in managed.options]
            changed = _refuse(form, events, {**initial_details(managed), "options": options})
            if not changed.differences:  # a form that was sent twice
                messages.success(request, _("Your changes are saved."))
                return see_other("polls:manage", slug)
        except queries.ResultsFixed:
            form.add_error("results", _(RESULTS_FIXED))
        except queries.PollFrozen:
            form.add_error(
                None,
                _(
                    "The first vote came in while you were editing. Nothing was saved, for voters were asked what "
                    "stood here before. You can still correct typos, in sight of everyone."
                ),
            )
        except queries.OptionsAlike:
            form.add_error("options", _(ALIKE))
        except queries.LockedWithoutEnd:
            form.add_error("locked", _(LOCKED_WITHOUT_END))
        except queries.PollLocked:
            return _refuse_locked(request, slug)
        except queries.RecountNeedsResults:
            form.add_error("results", RECOUNT_NEEDS_RESULTS)
        else:
            messages.success(request, _("Your changes are saved."))
            return see_other("polls:manage", slug)
    context: dict[str, object] = {
        "form": form,
        "managed": managed,
        "editable": editable,
        "revision": managed.poll.revision if seen is None else seen,
        "changed": changed,
    }
    return render_poll(request, "polls/edit.html", managed.poll, context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_poll_managers
def schedule(request: HttpRequest, actor: queries.Actor, slug: str) -> HttpResponse:
    """Change when a poll opens and closes, or reopen a closed one."""
    managed = _get_managed(slug, actor)
    poll = managed.poll
    if managed.has_draws:
        messages.error(request, _("A winner was drawn, or is about to be: the poll stays closed."))
        return see_other("polls:manage", slug)
    if poll.is_locked_now:
        return _refuse_locked(request, slug)
    zone = zone_of(poll) or ZoneInfo(timezone.get_default_timezone_name())
    form = ScheduleForm(
        request.POST if request.method == "POST" else None,
        zone=zone.key,
        opened=poll.has_opened,
        voted=managed.has_votes,
        initial={
            "opens": {State.SCHEDULED: "at", State.DRAFT: "draft"}.get(State(poll.state), "now"),
            "opens_at": to_local(poll.opens_at, zone) if poll.is_scheduled else None,
            # A closing time in the past cannot be kept, and is what the user wants to change.
            "closes": "at" if poll.closes_at and not poll.is_closed else "never",
            "closes_at": None if poll.is_closed else to_local(poll.closes_at, zone),
        },
    )
    seen, changed = sent_revision(request), None
    if form.is_valid():
        try:
            with pool().connection(autocommit=True) as conn:
                queries.set_schedule(conn, slug, actor, form.schedule(), revision=seen)
        except queries.PollChanged:
            managed, events = _get_changed(slug, actor)
            poll = managed.poll  # the page says when it opens and closes
            if _is_saved(form.schedule(), poll):
                messages.success(request, _("The times are saved."))
                return see_other("polls:manage", slug)
            seen = poll.revision
            changed = _refuse(form, events, {})
        except queries.PollFrozen:
            message = _("Nothing was saved: since the first vote its opening is fixed, and since a draw its closing.")
            form.add_error(None, message)
        except queries.WrongWindow:
            form.add_error("closes_at", _("The poll would close before it opens."))
        except queries.LockedWithoutEnd:
            form.add_error("closes", _(LOCKED_WITHOUT_END))
        except queries.PollLocked:
            return _refuse_locked(request, slug)
        else:
            messages.success(request, _("The times are saved."))
            return see_other("polls:manage", slug)
    context: dict[str, object] = {
        "form": form,
        "managed": managed,
        "revision": poll.revision if seen is None else seen,
        "changed": changed,
    }
    return render_poll(request, "polls/schedule.html", poll, context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_poll_managers
def correct(request: HttpRequest, actor: queries.Actor, slug: str) -> HttpResponse:
    """Choose a text, and correct a typo in it after the first vote. Everyone is shown the old text and the reason."""
    managed = _get_managed(slug, actor)
    if not managed.has_votes:
        return see_other("polls:edit", slug)
    texts = _texts(managed)
    what = request.GET.get("what", "")
    if what not in texts:
        if what:
            raise Http404
        return render_poll(request, "polls/correct.html", managed.poll, {"texts": texts, "managed": managed})
    field, _dash, option_id = what.partition("-")
    form = CorrectionForm(request.POST if request.method == "POST" else None, field=field, before=texts[what])
    seen, changed = sent_revision(request), None
    if form.is_valid():
        try:
            with pool().connection(autocommit=True) as conn:
                queries.correct_text(
                    conn,
                    slug,
                    actor,
                    field=field,
                    option_id=int(option_id or 0) or None,
                    **form.cleaned_data,
                    revision=seen,
                )
        except queries.PollChanged:
            managed, events = _get_changed(slug, actor)
            texts = texts | _texts(managed)
            seen = managed.poll.revision
            changed = _refuse(form, events, {"after": texts[what]})
        except queries.OptionsAlike:
            form.add_error("after", _("Another option looks like this."))
        except queries.BadCorrection:
            form.add_error(None, _("Nothing was saved: the votes were taken back, so the poll can be edited again."))
        else:
            messages.success(request, _("The text is corrected."))
            return see_other("polls:manage", slug)
    context: dict[str, object] = {
        "form": form,
        "before": texts[what],
        "managed": managed,
        "revision": managed.poll.revision if seen is None else seen,
        "changed": changed,
    }
    return render_poll(request, "polls/correct.html", managed.poll, context)


@require_safe
@for_poll_managers
def preview(request: HttpRequest, actor: queries.Actor, slug: str) -> HttpResponse:
    """Show the ballot as voters will see it."""
    managed = _get_managed(slug, actor)
    context: dict[str, object] = {"options": managed.options, "choice_rule": choice_rule(managed.poll)}
    return render_poll(request, "polls/preview.html", managed.poll, context)


def _refuse_locked(request: HttpRequest, slug: str) -> HttpResponse:
    messages.error(request, _(LOCKED))
    return see_other("polls:manage", slug)


def _get_managed(slug: str, actor: queries.Actor) -> queries.ManagedPoll:
    with pool().connection(autocommit=True) as conn:
        return queries.get_managed_poll(conn, slug, actor)


def _get_changed(slug: str, actor: queries.Actor) -> tuple[queries.ManagedPoll, list[EventText]]:
    """Return a poll as it is now, and what was done to it last."""
    with pool().connection(autocommit=True) as conn:
        managed = queries.get_managed_poll(conn, slug, actor)
        events = queries.list_events(conn, managed.poll.id, limit=EVENTS_SHOWN)
    with timezone.override(zone_of(managed.poll)):
        return managed, describe_events(events)


def _is_saved(schedule: queries.Schedule, poll: queries.PollRow) -> bool:
    """Whether a poll has this schedule already: the form was sent twice."""
    if (schedule.closes_at, schedule.time_zone) != (poll.closes_at, poll.time_zone):
        return False
    return {
        "now": poll.has_opened,
        "at": schedule.opens_at == poll.opens_at,
        "draft": poll.is_draft,
    }.get(schedule.opens, True)


def _refuse(form: forms.Form, events: list[EventText], saved: dict[str, object]) -> Changed:
    """Say on the form that the poll has changed, and return what to show of that."""
    differences = find_differences(form, saved)
    form.add_error(
        None,
        _(
            "This poll has changed since you opened this page, and nothing was saved. What you typed is still here: "
            "compare it with what is saved now, and save again."
        ),
    )
    return Changed(events, differences)


def _texts(managed: queries.ManagedPoll) -> dict[str, str]:
    """Return the texts that can be corrected, by the names that the page gives them."""
    texts = {"title": managed.poll.title, "description": managed.poll.description}
    return texts | {f"option-{option.id}": option.text for option in managed.options}
