"""The front page: open polls."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_cookie

from polls import queries
from polls.database import pool
from polls.forms.search import SearchForm
from polls.views.pagination import Page
from polls.views.shared_pages import render_shared

POLLS_PER_PAGE = 20


@vary_on_cookie  # which says who is signed in: this page may be kept
@require_safe
def front_page(request: HttpRequest) -> HttpResponse:
    """Show open polls, newest first or most votes first."""
    form = SearchForm(request.GET)
    valid = form.is_valid()
    search = form.cleaned_data.get("q", "")
    by_votes = form.cleaned_data.get("order") == "votes"
    page = Page(form.cleaned_data.get("page") or 1, POLLS_PER_PAGE, q=search, order="votes" if by_votes else "")
    polls: list[queries.ListedPoll] = []
    if valid:
        with pool().connection(autocommit=True) as conn:
            polls = queries.list_polls(conn, search=search, by_votes=by_votes, limit=page.limit, offset=page.offset)
    context = {"polls": page.cut(polls), "search": search, "by_votes": by_votes, "page": page}
    return render_shared(request, "polls/poll_list.html", context)
