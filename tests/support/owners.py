"""Users who run polls, and browsers in which they are signed in."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

EVERYTHING = ("manage_poll", "view_results", "view_choices")


def allow(user, *codenames):
    """Give a user permissions of the app."""
    permissions = Permission.objects.filter(content_type__app_label="polls", codename__in=codenames)
    assert len(permissions) == len(codenames)
    user.user_permissions.add(*permissions)
    return user


@pytest.fixture
def users(django_user_model, transactional_db):
    """Users by name: the owner of polls, a stranger, one of the staff with every permission for polls of others, a
    clerk who is staff and has none, and an administrator."""
    make = django_user_model.objects.create_user
    return {
        "owner": make("owner"),
        "stranger": make("stranger"),
        "staff": allow(make("staff", is_staff=True), *EVERYTHING),
        "clerk": make("clerk", is_staff=True),
        "superuser": make("superuser", is_staff=True, is_superuser=True),
    }


@pytest.fixture
def staff_with(django_user_model, transactional_db):
    """Make a browser in which a user of the staff with these permissions is signed in."""

    def sign_in(*codenames):
        name = "-".join(["member", *codenames])
        user = allow(django_user_model.objects.create_user(name, is_staff=True), *codenames)
        client = Client()
        client.force_login(user)
        return client

    return sign_in


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
