"""The ballot: showing it, and casting, changing and withdrawing a vote."""

import logging
from collections.abc import Sequence
from functools import partial

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from polls import checkpoints, queries, rate_limits, voters
from polls.database import pool
from polls.forms.ballots import BallotForm
from polls.monitoring import metrics
from polls.receipts import seal_of
from polls.views import cookies
from polls.views.decorators import uncached
from polls.views.invite_cookies import accept_invitation, offered_invitation
from polls.views.poll_texts import choice_rule, chosen_texts, when_visible
from polls.views.responses import render_shared_poll, see_other, too_many_requests
from polls.views.shared_pages import rendered
from polls.views.shortcuts import ballot_or_404, record_of
from polls.views.viewers import Viewer, viewer_of

logger = logging.getLogger("polls")
HAS_VOTED = (queries.AlreadyVoted, queries.NotProven)


@uncached
@require_http_methods(["GET", "HEAD", "POST"])
def poll(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the ballot, or why there is none; cast a vote."""
    viewer = viewer_of(request, slug)
    if request.method == "POST":
        return _vote(request, slug, viewer)
    offered = offered_invitation(request, slug)
    if offered and viewer.invitation and offered.invite_id != viewer.invitation.invite_id:
        return see_other("polls:invitation", slug)
    response = _ballot_page(request, slug, viewer)
    if offered:
        accept_invitation(response, slug, offered)
    return response


def _vote(request: HttpRequest, slug: str, viewer: Viewer) -> HttpResponse:
    form = BallotForm(request.POST)
    if not form.is_valid():
        return _ballot_page(request, slug, viewer, form=form)
    if wait := rate_limits.count("votes", request.META):
        return too_many_requests(request, wait)
    new_browser = None
    if viewer.browser_id is None and (viewer.account or viewer.invite):
        # A link's voter would be another one each time, and gets the ballot again, with a cookie.
        new_browser = voters.new_browser_id()
        viewer = viewer.with_browser(slug, new_browser)
    try:
        _cast(slug, viewer, form.cleaned_data["choices"], form.cleaned_data["ballot"])
    except queries.PollNotFound:
        raise Http404 from None
    except queries.PollNotOpen:
        return see_other("polls:poll", slug)
    except queries.VoteRefused as refusal:
        if isinstance(refusal, queries.OtherVoterKey):
            logger.error("No vote in /polls/%s/: its votes stand under another VOTER_KEY (see docs/keys.md)", slug)
        if isinstance(refusal, HAS_VOTED) and not viewer.invitation:
            return see_other("polls:poll", slug)
        return _ballot_page(request, slug, viewer, form=form, refusal=refusal)
    response = see_other("polls:results", slug)
    if new_browser:
        cookies.write(response, voters.COOKIE, new_browser, voters.COOKIE_SALT)
    return response


def _cast(slug: str, viewer: Viewer, choices: list[int], ballot: str | None) -> None:
    key_id = voters.key_id()
    with metrics.counted_vote(), pool().connection(autocommit=True) as conn:
        if viewer.receipt:
            seal = seal_of(viewer.receipt.code)
            queries.change_sealed_vote(conn, slug, viewer.receipt.vote_id, seal, choices, ballot=ballot)
        elif viewer.invitation and viewer.invite:
            queries.cast_invited_vote(
                conn, slug, *viewer.invitation, viewer.invite, choices, ballot=ballot, key_id=key_id
            )
        else:
            people = {"browser": viewer.browser, "account": viewer.account}
            queries.cast_vote(conn, slug, choices, **people, ballot=ballot, key_id=key_id)
    checkpoints.note_vote(slug)


@uncached
@require_POST
def withdraw(request: HttpRequest, slug: str) -> HttpResponse:
    """Withdraw a vote, where the poll allows it."""
    viewer = viewer_of(request, slug)
    try:
        with pool().connection(autocommit=True) as conn:
            if viewer.receipt:
                queries.withdraw_sealed_vote(conn, slug, viewer.receipt.vote_id, seal_of(viewer.receipt.code))
            elif viewer.invitation and viewer.invite:
                queries.withdraw_invited_vote(conn, slug, *viewer.invitation, viewer.invite)
            else:
                queries.withdraw_vote(conn, slug, viewer.claims["voter_keys"], viewer.claims["seals"])
    except queries.PollNotFound:
        raise Http404 from None
    except queries.VoteRefused:
        pass  # the page of the poll shows its state
    else:
        checkpoints.note_vote(slug)
    return see_other("polls:poll", slug)


def _ballot_page(
    request: HttpRequest,
    slug: str,
    viewer: Viewer,
    *,
    form: BallotForm | None = None,
    refusal: queries.VoteRefused | None = None,
) -> HttpResponse:
    ballot = ballot_or_404(slug, **viewer.claims)
    poll, own = ballot.poll, ballot.own
    keys = viewer.browser if poll.is_for_link else viewer.account if poll.is_for_accounts else viewer.invite
    entitled = poll.is_for_link or (own.invited if poll.is_for_invited else keys is not None) or bool(viewer.receipt)
    votable = poll.is_open and entitled and (not own.voted or (poll.changeable and own.choices is not None))
    new_browser = voters.new_browser_id() if votable and viewer.browser_id is None else None
    if form is not None and isinstance(refusal, HAS_VOTED):
        if not votable:  # the page says that they have voted
            return see_other("polls:poll", slug)
        refusal = _refusal_of_a_first_vote(form, ballot) or refusal
    if form is not None and refusal is not None:
        form.add_error("choices", _what_to_correct(refusal, poll, len(form.cleaned_data["choices"])))
    if poll.shuffled and new_browser and poll.is_for_link:
        keys = viewer.with_browser(slug, new_browser).browser
    options = voters.shuffled_for(keys.hidden, ballot.options) if poll.shuffled and keys else ballot.options
    sent = request.POST.getlist("choices") or [str(choice) for choice in own.choices or ()]
    # Hardly two voters have the same order, so it is their own, and the page around the options is shared.
    apart = form is None and votable and options is not ballot.options
    context: dict[str, object] = {
        "options": ballot.options if apart else options,
        "choice_rule": choice_rule(poll),
        "when_visible": when_visible(poll),
        "own": own._replace(receipt_id=None),
        "chosen": chosen_texts(ballot.options, own.choices),
        "uses_receipt": viewer.receipt is not None,
        "form": form,
        "sent": sent,
        "was_invited": viewer.invitation is not None,
        "votable": votable,
        "verification": ballot.verification,
        "record": record_of(poll, ballot.verification),
    }
    theirs = {
        "receipt": viewer.receipt_of(poll, own),
        "shuffled_options": _html_of(poll, options, sent) if apart else None,
    }
    response = render_shared_poll(request, "polls/poll.html", poll, context, theirs)
    if new_browser:
        cookies.write(response, voters.COOKIE, new_browser, voters.COOKIE_SALT)
    return response


def _html_of(poll: queries.PollRow, options: Sequence[queries.OptionRow], sent: list[str]) -> SafeString:
    """Return the options as a part of the ballot, each rendered once for all orders."""
    template = "polls/_ballot_option.html"
    parts = []
    for option in options:
        context = {"poll": poll, "option": option, "sent": sent}
        parts.append(rendered((template, context), partial(render_to_string, template, context)))
    return mark_safe(b"".join(parts).decode())  # what a template made


def _refusal_of_a_first_vote(form: BallotForm, ballot: queries.Ballot) -> queries.VoteRefused | None:
    """Return why the database would refuse this as the first vote, None where it would not.

    It gave the other reason, that there is a vote. Where who has voted is withheld, a ballot that is no good must not
    tell whether there is one: only to vote would.
    """
    choices, seen = form.cleaned_data["choices"], form.cleaned_data["ballot"]
    if seen is not None and seen != ballot.verification.content_hash:
        return queries.BallotChanged()
    if not ballot.poll.min_choices <= len(choices) <= ballot.poll.max_choices:
        return queries.WrongChoiceCount()
    if len(set(choices)) < len(choices):
        return queries.OptionRepeated()
    if not set(choices) <= {option.id for option in ballot.options}:
        return queries.UnknownOption()
    return None


def _what_to_correct(refusal: queries.VoteRefused, poll: queries.PollRow, number: int) -> str:
    if isinstance(refusal, HAS_VOTED):
        return gettext(
            "A vote was cast with your invitation before, and it stands: this one was not counted. It is shown in the "
            "browser that cast it, and to those who enter its receipt."
        )
    if isinstance(refusal, queries.BallotChanged):
        return gettext(
            "This poll has changed since you opened this page, and your vote was not counted. Read it again, then vote."
        )
    if isinstance(refusal, queries.NotEntitled):
        if poll.is_for_link:
            # Without the cookie, each click of a double click would be another voter.
            return gettext("Your browser had no voting cookie yet. It has one now: please vote again.")
        if poll.is_for_accounts:
            return gettext("You are not signed in any more. Sign in, and vote again.")
        return gettext("Your invitation is not valid any more. Ask for another.")
    if isinstance(refusal, queries.OtherVoterKey):
        return gettext(
            "Your vote was not counted: this site cannot check who has voted in this poll. Please tell the organiser."
        )
    if isinstance(refusal, queries.WrongChoiceCount):
        chosen = ngettext("%(number)d option was chosen.", "%(number)d options were chosen.", number)
        return f"{chosen % {'number': number}} {choice_rule(poll)}."
    if isinstance(refusal, queries.OptionRepeated):
        return gettext("An option was sent twice. Please choose again.")
    return gettext("One of the options sent is none of this poll. Please choose again.")
