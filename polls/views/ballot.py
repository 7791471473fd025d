"""The ballot: shown, refused, taken."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from polls import queries, voters
from polls.forms import BallotForm
from polls.views.common import browser_id, pool, texts_of


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def poll(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the ballot, or why there is none; take a vote."""
    if request.method == "POST":
        return _vote(request, slug)
    return _ballot_page(request, slug)


def _vote(request: HttpRequest, slug: str) -> HttpResponse:
    form = BallotForm(request.POST)
    browser = browser_id(request)
    if not form.is_valid():
        return _ballot_page(request, slug, form=form)
    if browser is None:
        # Without the cookie, each click of a double click would be somebody else.
        form.add_error("choices", "Your browser had no voting cookie yet. It has one now: please vote again.")
        return _ballot_page(request, slug, form=form)
    choices = form.cleaned_data["choices"]
    try:
        with pool().connection(autocommit=True) as conn:
            queries.cast_vote(conn, slug, voters.voter_key(slug, browser), choices)
    except queries.PollNotFound:
        raise Http404 from None
    except (queries.PollNotOpen, queries.AlreadyVoted):
        return _see_other("poll", slug)
    except queries.VoteRefused as refusal:
        return _ballot_page(request, slug, form=form, refusal=refusal)
    return _see_other("results", slug)


def _ballot_page(
    request: HttpRequest, slug: str, *, form: BallotForm | None = None, refusal: queries.VoteRefused | None = None
) -> HttpResponse:
    browser = browser_id(request)
    voter = voters.voter_key(slug, browser) if browser else ""
    try:
        with pool().connection(autocommit=True) as conn:
            ballot = queries.get_poll(conn, slug, voter=voter)
    except queries.PollNotFound:
        raise Http404 from None
    if ballot.poll.state == "draft" or ballot.poll.audience != "link":
        raise Http404
    if form is not None and refusal is not None:
        form.add_error("choices", _what_to_mend(refusal, ballot.poll))
    context = {
        "poll": ballot.poll,
        "options": ballot.options,
        "choice_rule": choice_rule(ballot.poll),
        "chosen": texts_of(ballot.options, ballot.choices),
        "form": form,
        "sent": request.POST.getlist("choices"),
        "votable": ballot.poll.state == "open" and ballot.choices is None,
    }
    response = render(request, "polls/poll.html", context)
    if browser is None and context["votable"]:
        response.set_signed_cookie(
            voters.COOKIE,
            voters.new_browser_id(),
            salt=voters.COOKIE_SALT,
            max_age=voters.COOKIE_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


def choice_rule(poll: queries.PollRow) -> str:
    """Say in words how many options a ballot of this poll holds."""
    if poll.min_choices == poll.max_choices:
        return "Choose one option" if poll.max_choices == 1 else f"Choose {poll.max_choices} options"
    if poll.min_choices == 1:
        return f"Choose up to {poll.max_choices} options"
    return f"Choose {poll.min_choices} to {poll.max_choices} options"


def _what_to_mend(refusal: queries.VoteRefused, poll: queries.PollRow) -> str:
    if isinstance(refusal, queries.WrongChoiceCount):
        return f"{choice_rule(poll)}."
    if isinstance(refusal, queries.OptionRepeated):
        return "An option was sent twice. Please choose again."
    return "One of the options sent is none of this poll. Please choose again."


def _see_other(view: str, slug: str) -> HttpResponse:
    """Redirect with 303: whatever was sent, the browser now asks with GET."""
    response = redirect(view, slug)
    response.status_code = 303
    return response
