"""Changing a poll: all of it before the first vote; then its closing, who sees the results, and typos in sight."""

from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from polls import queries, wall_clock
from polls.poll_forms import CorrectionForm, DesignForm, TimesForm, VisibilityForm
from polls.views.ballot import choice_rule
from polls.views.common import pool, render_poll, see_other, zone_of
from polls.views.managers import for_managers
from polls.views.my_polls import ALIKE, initial_design


@require_http_methods(["GET", "HEAD", "POST"])
@for_managers
def edit(request: HttpRequest, manager: queries.Manager, slug: str) -> HttpResponse:
    """Change question, options and rules; with votes, only what is never frozen."""
    managed = _managed(slug, manager)
    data = request.POST if request.method == "POST" else None
    # A form that was opened before the first vote is answered as what it is.
    design = not managed.voters or (data is not None and "title" in data)
    form = (DesignForm if design else VisibilityForm)(data, initial=initial_design(managed))
    if form.is_valid():
        try:
            with pool().connection(autocommit=True) as conn:
                if isinstance(form, DesignForm):
                    queries.edit_poll(conn, slug, manager, form.design())
                else:
                    queries.edit_audience_of_results(conn, slug, manager, **form.cleaned_data)
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
        else:
            messages.success(request, _("Your changes are saved."))
            return see_other("manage", slug)
    return render_poll(request, "polls/edit.html", managed.poll, {"form": form, "managed": managed, "design": design})


@require_http_methods(["GET", "HEAD", "POST"])
@for_managers
def times(request: HttpRequest, manager: queries.Manager, slug: str) -> HttpResponse:
    """Change when a poll opens and closes; a closed one is opened again."""
    managed = _managed(slug, manager)
    poll = managed.poll
    if managed.drawn:
        messages.error(request, _("A winner was drawn, or is about to be: the poll stays closed."))
        return see_other("manage", slug)
    zone = zone_of(poll) or ZoneInfo(timezone.get_default_timezone_name())
    scheduled = poll.state == "scheduled"
    form = TimesForm(
        request.POST if request.method == "POST" else None,
        zone=zone.key,
        opened=poll.state in ("open", "closed", "archived"),
        voted=bool(managed.voters),
        initial={
            "opens": {"scheduled": "at", "draft": "draft"}.get(poll.state, "now"),
            "opens_at": wall_clock.on_the_wall(poll.opens_at, zone) if scheduled else None,
            # A time that is over cannot be kept, and is what whoever comes here wants to change.
            "closes": "at" if poll.closes_at and poll.state != "closed" else "never",
            "closes_at": None if poll.state == "closed" else wall_clock.on_the_wall(poll.closes_at, zone),
        },
    )
    if form.is_valid():
        try:
            with pool().connection(autocommit=True) as conn:
                queries.set_times(conn, slug, manager, form.times())
        except queries.PollFrozen:
            message = _("Nothing was saved: since the first vote its opening is fixed, and since a draw its closing.")
            form.add_error(None, message)
        except queries.WrongWindow:
            form.add_error("closes_at", _("The poll would close before it opens."))
        else:
            messages.success(request, _("The times are saved."))
            return see_other("manage", slug)
    return render_poll(request, "polls/times.html", poll, {"form": form, "managed": managed})


@require_http_methods(["GET", "HEAD", "POST"])
@for_managers
def correct(request: HttpRequest, manager: queries.Manager, slug: str) -> HttpResponse:
    """Choose a text, and mend a typo in it after the first vote; everybody is shown what it was before, and why."""
    managed = _managed(slug, manager)
    if not managed.voters:
        return see_other("edit", slug)
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
                queries.correct(
                    conn, slug, manager, field=field, option_id=int(option_id or 0) or None, **form.cleaned_data
                )
        except queries.OptionsAlike:
            form.add_error("after", _("Another option looks like this."))
        except queries.BadCorrection:
            form.add_error(None, _("Nothing was saved: the votes were taken back, so the poll can be edited again."))
        else:
            messages.success(request, _("The text is corrected."))
            return see_other("manage", slug)
    context: dict[str, object] = {"form": form, "before": texts[what], "managed": managed}
    return render_poll(request, "polls/correct.html", managed.poll, context)


@require_safe
@for_managers
def preview(request: HttpRequest, manager: queries.Manager, slug: str) -> HttpResponse:
    """The ballot as voters will see it."""
    managed = _managed(slug, manager)
    context: dict[str, object] = {"options": managed.options, "choice_rule": choice_rule(managed.poll)}
    return render_poll(request, "polls/preview.html", managed.poll, context)


def _managed(slug: str, manager: queries.Manager) -> queries.Managed:
    with pool().connection(autocommit=True) as conn:
        return queries.get_managed(conn, slug, manager)
