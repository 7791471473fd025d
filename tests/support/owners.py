"""Those who run polls, signed in. A plugin: `pytest_plugins = ("tests.support.owners",)`."""

import re
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

LATER = datetime.now(timezone.utc).replace(second=0, microsecond=0) + timedelta(days=30)


@pytest.fixture
def users(django_user_model, transactional_db):
    make = django_user_model.objects.create_user
    return {"owner": make("owner"), "stranger": make("stranger"), "staff": make("staff", is_staff=True)}


@pytest.fixture
def as_user(users):
    """A browser in which one of these users is signed in, or nobody."""

    def sign_in(name, **options):
        client = Client(**options)
        if name != "anonymous":
            client.force_login(users[name])
        return client

    return sign_in


@pytest.fixture
def owner(as_user):
    return as_user("owner")


@pytest.fixture
def own_poll(make_poll, users):
    def make(options=3, **columns):
        return make_poll(options, **{"owner_id": users["owner"].pk, **columns})

    return make


def times(*, opens_at="", closes_at="", **fields):
    """What the boxes for dates and times send: each date in a box, each time in another."""
    opening, closing = opens_at.split("T"), closes_at.split("T")
    return {
        "opens_at_0": opening[0],
        "opens_at_1": "".join(opening[1:]),
        "closes": "at" if closes_at else "never",
        "closes_at_0": closing[0],
        "closes_at_1": "".join(closing[1:]),
        "time_zone": "UTC",
        **fields,
    }


def sent(**fields):
    """What the page for a new poll sends."""
    return {
        "title": "Tea or coffee?",
        "description": "",
        "options": "Tea\r\nCoffee",
        "audience": "link",
        "min_choices": "1",
        "max_choices": "1",
        "results": "always",
        "draw_source": "",
        "opens": "now",
        "key": "k" * 22,
        **times(**fields),
    }


def wall(moment, zone="UTC"):
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


def state_of(sql, poll):
    return sql("SELECT polls_state(opens_at, closes_at, archived_at) FROM polls_poll WHERE id = %s", poll.id)[0][0]


def filled(page):
    """What a browser would send of a page's inputs: text areas and lists are not among them."""
    fields = {}
    for tag in re.findall(r"<input [^>]+>", page):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if attributes["type"] not in ("radio", "checkbox") or re.search(r"\schecked", tag):
            fields[attributes["name"]] = attributes.get("value", "on" if "checked" in tag else "")
    return fields


def options_of(sql, poll_id=None):
    where = "" if poll_id is None else f"WHERE poll_id = {poll_id}"
    return [text for (text,) in sql(f"SELECT text FROM polls_option {where} ORDER BY position, id")]


def actors(sql, action):
    return {actor for (actor,) in sql("SELECT actor FROM polls_event WHERE action = %s", action)}
