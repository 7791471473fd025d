"""Polls for invited people, their invitations, and the pages on which these are made."""

import re

import pytest
from django.test import Client

from polls import invite_tokens, queries, voters

MANAGER = queries.Actor(0, True, "staff")


@pytest.fixture
def desk(client, users):
    """The browser in which the owner of the polls is signed in."""
    client.force_login(users["owner"])
    return client


@pytest.fixture
def make_invited_poll(make_poll, users):
    """Make polls for invited people; the user "owner" owns them."""

    def make(**columns):
        return make_poll(audience="invite", owner_id=users["owner"].pk, **columns)

    return make


@pytest.fixture
def poll(make_invited_poll):
    """An open poll for invited people."""
    return make_invited_poll()


def invite(conn, poll, *labels):
    """Invite people; return the secrets of their links."""
    tokens = [invite_tokens.new_token() for _ in labels]
    hashes = [invite_tokens.hash_of(token) for token in tokens]
    queries.make_invites(conn, poll.slug, MANAGER, list(zip(labels, hashes, strict=True)))
    return tokens


def follow(token, client=None):
    """A browser that has followed the link of an invitation."""
    client = client or Client()
    assert client.get(f"/i/{token}/").status_code == 303
    return client


def cast(conn, poll, token, choice=0):
    """Cast the vote of an invited person."""
    _, invite_id = queries.find_invite(conn, invite_tokens.hash_of(token)) or (None, 0)
    person = voters.make_keys(poll.slug, f"invite:{invite_id}")
    queries.cast_invited_vote(conn, poll.slug, invite_id, invite_tokens.hash_of(token), person, [poll.options[choice]])


def add_path(poll):
    """The address of the page on which people are invited."""
    return f"/polls/{poll.slug}/invites/add/"


def create(desk, poll, people, **fields):
    """Check a list of people and then confirm it, as the page does."""
    page = desk.post(add_path(poll), {"people": people, "check": "", **fields})
    key = re.search(r'name="key" value="([^"]*)"', page.content.decode())[1]
    return desk.post(add_path(poll), {"people": people, "key": key, "create": ""})


def links_in(response):
    """The tokens of the links that a page shows."""
    return re.findall(r"/i/([\w-]+)/</code>", response.content.decode())
