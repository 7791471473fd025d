"""The redirect of Django's admin from an id to a page, closed."""

from typing import NoReturn

from django.http import Http404, HttpRequest


def shortcut(request: HttpRequest, rest: str) -> NoReturn:
    """Find nothing. Django would lead all staff, without any permission, from the id of a poll to its address.

    Ids can be counted through, and lead to polls that are not listed.
    """
    raise Http404
