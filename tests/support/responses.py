"""Responses of Django's test client."""

from django.http import HttpResponse
from django.test import Client


def text_of(response: HttpResponse) -> str:
    """The page as one line, with single spaces."""
    return " ".join(response.content.decode().split())


def ask(client: Client, poll, view: str) -> HttpResponse:
    """Request a view of a poll's results: results, wall or embed."""
    return client.get(f"/polls/{poll.slug}/{view}/")
