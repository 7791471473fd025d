"""The polls of whoever is signed in, and making one."""

from random import Random

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods, require_safe

from polls import queries
from polls.forms import SearchForm
from polls.models import make_slug
from polls.poll_forms import PollForm
from polls.views.common import pool, see_other, zone_of
from polls.views.managers import for_users

POLLS_PER_PAGE = 20
ALIKE = gettext_noop(
    "Two of the options look the same. If none do, somebody else saved them at this moment: send them again."
)


@require_safe
@for_users
def my_polls(request: HttpRequest, manager: queries.Manager) -> HttpResponse:
    """Every poll of this user: where it stands, and its link."""
    form = SearchForm(request.GET)
    form.is_valid()
    page = form.cleaned_data.get("page") or 1
    with pool().connection(autocommit=True) as conn:
        # One more than is shown, to know whether there is a next page.
        polls = queries.list_own_polls(
            conn, manager.user_id, limit=POLLS_PER_PAGE + 1, offset=(page - 1) * POLLS_PER_PAGE
        )
    context = {
        "polls": [(poll, zone_of(poll)) for poll in polls[:POLLS_PER_PAGE]],
        "origin": request.build_absolute_uri("/")[:-1],
        "page": page,
        "previous_page": page - 1,
        "next_page": page + 1 if len(polls) > POLLS_PER_PAGE else None,
    }
    return render(request, "polls/my_polls.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_users
def new(request: HttpRequest, manager: queries.Manager) -> HttpResponse:
    """Make a poll: from nothing, or like another one."""
    default_zone = timezone.get_default_timezone_name()
    if request.method != "POST":
        form, guess_zone = _empty_form(request, manager, default_zone)
        return _form_page(request, form, guess_zone=guess_zone)
    form = PollForm(request.POST, zone=default_zone)
    if not form.is_valid():
        return _form_page(request, form)
    slug = make_slug(form.cleaned_data["title"], Random(form.cleaned_data["key"]))
    try:
        with pool().connection(autocommit=True) as conn:
            queries.create_poll(conn, slug, manager, form.design(), form.times())
    except queries.OptionsAlike:
        form.add_error("options", _(ALIKE))
    except queries.WrongWindow:
        form.add_error("closes_at", _("The poll would close before it opens."))
    else:
        messages.success(request, _("Your poll is made."))
        return see_other("manage", slug)
    return _form_page(request, form)


def _empty_form(request: HttpRequest, manager: queries.Manager, default_zone: str) -> tuple[PollForm, bool]:
    """Return the form to begin with, and whether its time zone is nobody's choice so far."""
    like = request.GET.get("like", "")
    with pool().connection(autocommit=True) as conn:
        if like:
            try:
                managed = queries.get_managed(conn, like, manager)
            except queries.PollNotFound:
                pass  # deleted meanwhile, or never theirs: an empty form serves as well
            else:
                return PollForm(zone=managed.poll.time_zone or default_zone, initial=initial_design(managed)), False
        zone = queries.get_last_zone(conn, manager.user_id)
    return PollForm(zone=zone or default_zone), not zone


def initial_design(managed: queries.Managed) -> dict[str, object]:
    """Return what a form shows of a poll that is there."""
    fields = set(queries.Design._fields) - {"options"}
    options = "\n".join(option.text for option in managed.options)
    return {"options": options, **{name: getattr(managed.poll, name) for name in fields}}


def _form_page(request: HttpRequest, form: PollForm, *, guess_zone: bool = False) -> HttpResponse:
    # What is hidden behind "More settings" is shown where something in it needs a look.
    copied = "title" in form.initial
    context = {"form": form, "more": form.is_bound or copied, "copied": copied, "guess_zone": guess_zone}
    return render(request, "polls/new.html", context)
