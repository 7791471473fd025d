"""Users who run polls, and browsers in which they are signed in."""

import pytest
from django.test import Client


@pytest.fixture
def users(django_user_model, transactional_db):
    """Three users by name: the owner of polls, a stranger, and one of the staff."""
    make = django_user_model.objects.create_user
    return {"owner": make("owner"), "stranger": make("stranger"), "staff": make("staff", is_staff=True)}


@pytest.fixture
def as_user(users):
    """Make a browser in which one of `users` is signed in, or none of them."""

    def sign_in(name, **options):
        client = Client(**options)
        if name != "anonymous":
            client.force_login(users[name])
        return client

    return sign_in


@pytest.fixture
def owner(as_user):
    """The browser in which the owner of `own_poll` is signed in."""
    return as_user("owner")


@pytest.fixture
def own_poll(make_poll, users):
    """Make polls that the user "owner" owns."""

    def make(options=3, **columns):
        return make_poll(options, **{"owner_id": users["owner"].pk, **columns})

    return make


@pytest.fixture
def olga(django_user_model, transactional_db):
    """A user who owns a poll, where there are no other users."""
    return django_user_model.objects.create_user("olga")


@pytest.fixture
def as_olga(client, olga):
    """The browser in which olga is signed in."""
    client.force_login(olga)
    return client
