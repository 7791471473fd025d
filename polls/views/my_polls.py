"""My polls: the list of a user's own polls."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from polls import queries
from polls.database import pool
from polls.forms.search import SearchForm
from polls.slugs import short_url
from polls.views.decorators import for_users
from polls.views.pagination import Page
from polls.views.responses import origin_of, zone_of

POLLS_PER_PAGE = 20


@require_safe
@for_users
def my_polls(request: HttpRequest, actor: queries.Actor) -> HttpResponse:
    """Show every poll of this user: its state, and its link."""
    form = SearchForm(request.GET)
    form.is_valid()
    page = Page(form.cleaned_data.get("page") or 1, POLLS_PER_PAGE)
    with pool().connection(autocommit=True) as conn:
        polls = queries.list_own_polls(conn, actor.user_id, limit=page.limit, offset=page.offset)
        if due := [poll.id for poll in polls if poll.step_due]:
            queries.take_steps(conn, due)
            polls = queries.list_own_polls(conn, actor.user_id, limit=page.limit, offset=page.offset)
    origin = origin_of(request)
    context = {
        "polls": [(poll, zone_of(poll), short_url(poll.slug, origin)) for poll in page.cut(polls)],
        "page": page,
    }
    return render(request, "polls/my_polls.html", context)
