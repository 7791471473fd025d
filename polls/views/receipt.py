"""Using a receipt: who shows one may see, change and withdraw its vote in any browser."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from polls import queries, rate_limits
from polls.database import pool
from polls.forms.receipts import ReceiptForm
from polls.receipts import Receipt, seal_of
from polls.views.decorators import uncached
from polls.views.receipt_cookies import forget_receipt, keep_receipt
from polls.views.responses import render_poll, see_other, too_many_requests
from polls.views.shortcuts import ballot_or_404


@uncached
@require_http_methods(["GET", "HEAD", "POST"])
def receipt(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a receipt, and let this browser act for its vote; or put a receipt away."""
    if "forget" in request.POST:
        response = see_other("polls:poll", slug)
        forget_receipt(response, slug)
        return response
    poll = ballot_or_404(slug).poll
    form = ReceiptForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if seconds := rate_limits.blocked("guesses", request.META):
            return too_many_requests(request, seconds)
        shown: Receipt = form.cleaned_data["code"]
        with pool().connection(autocommit=True) as conn:
            voter = queries.find_sealed_vote(conn, slug, shown.vote_id, seal_of(shown.code))
        if voter is not None:
            response = see_other("polls:poll", slug)
            keep_receipt(response, slug, shown, voter)
            return response
        if seconds := rate_limits.count("guesses", request.META):
            return too_many_requests(request, seconds)
        form.add_error("code", gettext("No vote in this poll matches this receipt. The vote may have been taken back."))
    return render_poll(request, "polls/receipt.html", poll, {"form": form})
