"""The front page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from polls import queries
from polls.forms import SearchForm
from polls.views.common import pool

POLLS_PER_PAGE = 20


@require_safe
def poll_list(request: HttpRequest) -> HttpResponse:
    """Open polls, newest first."""
    form = SearchForm(request.GET)
    valid = form.is_valid()
    search = form.cleaned_data.get("q", "")
    by_votes = form.cleaned_data.get("order") == "votes"
    page = form.cleaned_data.get("page") or 1
    polls: list[queries.PollRow] = []
    if valid:
        with pool().connection(autocommit=True) as conn:
            # One more than is shown, to know whether there is a next page.
            polls = queries.list_polls(
                conn, search=search, by_votes=by_votes, limit=POLLS_PER_PAGE + 1, offset=(page - 1) * POLLS_PER_PAGE
            )
    context = {
        "polls": polls[:POLLS_PER_PAGE],
        "search": search,
        "by_votes": by_votes,
        "page": page,
        "previous_page": page - 1,
        "next_page": page + 1 if len(polls) > POLLS_PER_PAGE else None,
    }
    return render(request, "polls/poll_list.html", context)
