"""The public list of receipts: after closing, everyone counts the votes, and voters find theirs."""

import re
from typing import Final, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from polls import queries
from polls.database import pool
from polls.forms.search import SearchForm
from polls.receipts import public_hash, seal_of
from polls.views.decorators import uncached
from polls.views.pagination import Page
from polls.views.responses import render_poll
from polls.views.shortcuts import results_or_404
from polls.views.viewers import viewer_of

RECEIPTS_PER_PAGE: Final = 100
MOST_LISTED: Final = 100_000  # votes: in a larger poll, a list is made of those that are searched for
FEWEST_DIGITS: Final = 4  # that make a search narrow enough there


class ListedReceipt(NamedTuple):
    """A receipt on the list, what was chosen, where that is public, and whether it is the viewer's."""

    receipt: str
    chosen: list[str]
    own: bool


@uncached
@require_safe
def receipt_list(request: HttpRequest, slug: str) -> HttpResponse:
    """List the hashes of all receipts of a closed poll, and the choices where anyone can recount them."""
    viewer = viewer_of(request, slug)
    results = results_or_404(slug, **viewer.claims, viewer_id=viewer.user_id)
    poll = results.poll
    if not poll.has_ended:
        return render_poll(request, "polls/receipts.html", poll, {}, status=409)
    form = SearchForm(request.GET)
    form.is_valid()
    digits = re.sub("[^0-9a-f]", "", form.cleaned_data.get("q", "").lower())[:64]
    page = Page(form.cleaned_data.get("page") or 1, RECEIPTS_PER_PAGE, q=digits)
    receipt = viewer.receipt_of(poll, results.own)
    own = public_hash(seal_of(receipt.code)) if receipt else ""
    with pool().connection(autocommit=True) as conn:
        number = queries.count_receipts(conn, poll.id)
        listed = number <= MOST_LISTED or len(digits) >= FEWEST_DIGITS
        votes = []
        if listed:
            low, high = bytes.fromhex(digits.ljust(64, "0")), bytes.fromhex(digits.ljust(66, "f"))
            votes = queries.list_sealed_votes(conn, poll.id, low=low, high=high, limit=page.limit, offset=page.offset)
    rows = [_row(vote, results, own) for vote in page.cut(votes)]
    context: dict[str, object] = {
        "number": number,
        "listed": listed,
        "rows": rows,
        "page": page,
        "digits": digits,
        "own_receipt": own,
        "shows_choices": poll.recountable and results.visible,
        "checkpoint": results.checkpoint,
    }
    return render_poll(request, "polls/receipts.html", poll, context)


def _row(vote: queries.SealedVote, results: queries.Results, own: str) -> ListedReceipt:
    texts = {option.id: option.text for option in results.options}
    choices = vote.choices if results.visible and vote.choices else []
    receipt = vote.receipt.hex()
    return ListedReceipt(receipt, [texts.get(choice, "?") for choice in choices], receipt == own)
