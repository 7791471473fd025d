"""Voters, and their browsers."""

import pytest
from django.test import Client

from polls import queries
from polls.receipts import seal_of


@pytest.fixture
def voter(client, make_poll):
    """A browser that has seen the ballot of a poll, and that poll."""
    poll = make_poll()
    client.get(f"/polls/{poll.slug}/")
    return client, poll


@pytest.fixture
def ann_and_bob(django_user_model, transactional_db):
    """Two users who vote with their accounts."""
    return [django_user_model.objects.create_user(name) for name in ("ann", "bob")]


def keys_of(name):
    """The keys of a voter who holds a receipt."""
    return queries.VoterKeys(f"named {name}", name, seal_of(name))


def claims_of(name):
    """What tells the data layer that this voter is looking, with their receipt."""
    return {"voter_keys": [name], "seals": [seal_of(name)]}


def signed_in(user):
    """A browser in which a user is signed in."""
    client = Client()
    client.force_login(user)
    return client
