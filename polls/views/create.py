"""Creating a poll: from nothing, or like another one."""

from random import Random

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods

from polls import queries
from polls.database import pool
from polls.forms.polls import PollForm
from polls.slugs import make_slug
from polls.views.decorators import for_users
from polls.views.poll_texts import LOCKED_WITHOUT_END
from polls.views.responses import see_other

ALIKE = gettext_noop(
    "Two of the options look the same. If none do, somebody else saved them at this moment: send them again."
)


@require_http_methods(["GET", "HEAD", "POST"])
@for_users
def create(request: HttpRequest, actor: queries.Actor) -> HttpResponse:
    """Show the form of a new poll, and create it."""
    default_zone = timezone.get_default_timezone_name()
    if request.method != "POST":
        form, guess_zone = _empty_form(request, actor, default_zone)
        return _form_page(request, form, guess_zone=guess_zone)
    form = PollForm(request.POST, zone=default_zone)
    if not form.is_valid():
        return _form_page(request, form)
    slug = make_slug(form.cleaned_data["title"], Random(form.cleaned_data["key"]))
    try:
        with pool().connection(autocommit=True) as conn:
            queries.create_poll(conn, slug, actor, form.details(), form.schedule())
    except queries.OptionsAlike:
        form.add_error("options", _(ALIKE))
    except queries.WrongWindow:
        form.add_error("closes_at", _("The poll would close before it opens."))
    except queries.LockedWithoutEnd:
        form.add_error("closes", _(LOCKED_WITHOUT_END))
    else:
        messages.success(request, _("Your poll is made."))
        return see_other("polls:manage", slug)
    return _form_page(request, form)


def _empty_form(request: HttpRequest, actor: queries.Actor, default_zone: str) -> tuple[PollForm, bool]:
    """Return the form to begin with, and whether the browser may guess its time zone."""
    like = request.GET.get("like", "")
    with pool().connection(autocommit=True) as conn:
        if like:
            try:
                managed = queries.get_managed_poll(conn, like, actor)
            except queries.PollNotFound:
                pass  # deleted meanwhile, or not theirs: an empty form will do
            else:
                return PollForm(zone=managed.poll.time_zone or default_zone, initial=initial_details(managed)), False
        zone = queries.get_last_time_zone(conn, actor.user_id)
    return PollForm(zone=zone or default_zone), not zone


def initial_details(managed: queries.ManagedPoll) -> dict[str, object]:
    """Return the initial values of a form for the details of an existing poll."""
    fields = set(queries.PollDetails._fields) - {"options"}
    options = "\n".join(option.text for option in managed.options)
    return {"options": options, **{name: getattr(managed.poll, name) for name in fields}}


def _form_page(request: HttpRequest, form: PollForm, *, guess_zone: bool = False) -> HttpResponse:
    # "More settings" is unfolded where something in it may need a look.
    copied = "title" in form.initial
    context = {"form": form, "more": form.is_bound or copied, "copied": copied, "guess_zone": guess_zone}
    return render(request, "polls/create.html", context)
