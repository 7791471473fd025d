"""Editing a poll: everything before the first vote; afterwards its closing, who sees the results, and typos."""

from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from polls import queries
from polls.choices import State
from polls.database import pool
from polls.forms.datetimes import to_local
from polls.forms.polls import RECOUNT_NEEDS_RESULTS, CorrectionForm, PollDetailsForm, VisibilityForm
from polls.forms.schedule import ScheduleForm
from polls.views.create import ALIKE, initial_details
from polls.views.decorators import for_poll_managers
from polls.views.poll_texts import LOCKED, LOCKED_WITHOUT_END, choice_rule
from polls.views.responses import render_poll, see_other, zone_of


@require_http_methods(["GET", "HEAD", "POST"])
@for_poll_managers
def edit(request: HttpRequest, actor: queries.Actor, slug: str) -> HttpResponse:
    """Change question, options and rules. Once there are votes, change only what is never frozen."""
    managed = _get_managed(slug, actor)
    if managed.poll.is_locked_now:
        return _refuse_locked(request, slug)
    data = request.POST if request.method == "POST" else None
    # A form opened before the first vote is taken for what it is, and refused with the reason.
    editable = not managed.voter_count or (data is not None and "title" in data)
    form = (PollDetailsForm if editable else VisibilityForm)(data, initial=initial_details(managed))
    if form.is_valid():
        try:
            with pool().connection(autocommit=True) as conn:
                if isinstance(form, PollDetailsForm):
                    queries.edit_poll(conn, slug, actor, form.details())
                else:
                    queries.edit_visibility(conn, slug, actor, **form.cleaned_data)
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
    context: dict[str, object] = {"form": form, "managed": managed, "editable": editable}
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
        voted=bool(managed.voter_count),
        initial={
            "opens": {State.SCHEDULED: "at", State.DRAFT: "draft"}.get(State(poll.state), "now"),
            "opens_at": to_local(poll.opens_at, zone) if poll.is_scheduled else None,
            # A closing time in the past cannot be kept, and is what the user wants to change.
            "closes": "at" if poll.closes_at and not poll.is_closed else "never",
            "closes_at": None if poll.is_closed else to_local(poll.closes_at, zone),
        },
    )
    if form.is_valid():
        try:
            with pool().connection(autocommit=True) as conn:
                queries.set_schedule(conn, slug, actor, form.schedule())
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
    return render_poll(request, "polls/schedule.html", poll, {"form": form, "managed": managed})


@require_http_methods(["GET", "HEAD", "POST"])
@for_poll_managers
def correct(request: HttpRequest, actor: queries.Actor, slug: str) -> HttpResponse:
    """Choose a text, and correct a typo in it after the first vote. Everyone is shown the old text and the reason."""
    managed = _get_managed(slug, actor)
    if not managed.voter_count:
        return see_other("polls:edit", slug)
    texts = {"title": managed.poll.title, "description": managed.poll.description}
    texts |= {f"option-{option.id}": option.text for option in managed.options}
    what = request.GET.get("what", "")
    if what not in texts:
        if what:
            raise Http404
        return render_poll(request, "polls/correct.html", managed.poll, {"texts": texts, "managed": managed})
    field, _dash, option_id = what.partition("-")
    form = CorrectionForm(request.POST if request.method == "POST" else None, field=field, before=texts[what])
    if form.is_valid():
        try:
            with pool().connection(autocommit=True) as conn:
                queries.correct_text(
                    conn, slug, actor, field=field, option_id=int(option_id or 0) or None, **form.cleaned_data
                )
        except queries.OptionsAlike:
            form.add_error("after", _("Another option looks like this."))
        except queries.BadCorrection:
            form.add_error(None, _("Nothing was saved: the votes were taken back, so the poll can be edited again."))
        else:
            messages.success(request, _("The text is corrected."))
            return see_other("polls:manage", slug)
    context: dict[str, object] = {"form": form, "before": texts[what], "managed": managed}
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
