"""The cookie with which a browser keeps a receipt that was shown in it, until it is closed."""

from django.http import HttpRequest, HttpResponse

from polls.receipts import Receipt
from polls.views import cookies

COOKIE = "receipt"


def kept_receipt(request: HttpRequest, slug: str) -> tuple[Receipt, str] | None:
    """Return the receipt kept for the poll at `slug`, and the key under which its vote stands."""
    value = cookies.read_for_poll(request, COOKIE, slug)
    if value is None:
        return None
    vote_id, code, voter = value.split(".", 2)
    return Receipt(int(vote_id), code), voter


def keep_receipt(response: HttpResponse, slug: str, receipt: Receipt, voter: str) -> None:
    """Let the browser act for the vote of a receipt, on the pages of this poll, until the browser is closed."""
    value = f"{receipt.vote_id}.{receipt.code}.{voter}"
    cookies.write_for_poll(response, COOKIE, value, slug, seconds=None)


def forget_receipt(response: HttpResponse, slug: str) -> None:
    """Let the browser act for itself again."""
    cookies.delete_for_poll(response, COOKIE, slug)
