"""The revision of a poll that a form carries along: what the one who filled it in has seen."""

from django.http import HttpRequest

LONGEST = 9  # digits
NO_REVISION = -1  # of no poll


def sent_revision(request: HttpRequest) -> int | None:
    """Return the revision that a form was filled in against, None where the form names none.

    Every form of these pages names it. A program may send none, and then changes the poll as it finds it.
    """
    text = request.POST.get("revision")
    if text is None:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST else NO_REVISION
