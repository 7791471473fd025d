"""Too often in a minute: what a visitor is told."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from polls import limits


def too_many_requests(request: HttpRequest, seconds: int) -> HttpResponse:
    """Answer 429, and say when to come again."""
    response = render(request, "429.html", {"seconds": seconds}, status=429)
    response["Retry-After"] = str(seconds)
    return response


def client_address(request: HttpRequest) -> str:
    """Return the address that sign-in attempts are counted by, for django-axes."""
    return limits.address_of(request.META)
