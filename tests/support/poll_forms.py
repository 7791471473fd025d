"""Fields of the forms in which polls are made and edited."""

import re
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

LATER = datetime.now(timezone.utc).replace(second=0, microsecond=0) + timedelta(days=30)


def times(*, opens_at="", closes_at="", **fields):
    """The fields for dates and times: the date in one field, the time in another."""
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
    """The fields that the page for a new poll sends."""
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
    """A moment by the clock on the wall of a time zone, as `times` takes it."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


def filled(page):
    """What a browser would send of the `input` elements of a page."""
    fields = {}
    for tag in re.findall(r"<input [^>]+>", page):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if "name" not in attributes:  # a button of the admin
            continue
        if attributes["type"] not in ("radio", "checkbox") or re.search(r"\schecked", tag):
            fields[attributes["name"]] = attributes.get("value", "on" if "checked" in tag else "")
    return fields


def guarded(client, address):
    """What guards the admin's form of a poll: the revision that it was filled in against."""
    return {"seen_revision": filled(client.get(address).content.decode())["seen_revision"]}


def poll_form(options=("Yes", "No"), *, kept=(), **fields):
    """The fields that the admin's form of a poll sends."""
    rows = [*({"id": option.pk, "text": option.text, "position": option.position} for option in kept)]
    rows += [{"text": text, "position": number} for number, text in enumerate(options)]
    form = {
        "title": "Tea?",
        "description": "",
        "owner": "",
        "min_choices": 1,
        "max_choices": 1,
        "opens_at_0": "2026-01-01",
        "opens_at_1": "12:00",
        "closes_at_0": "",
        "closes_at_1": "",
        "audience": "link",
        "results": "always",
        "draw_source": "",
        "time_zone": "",
        "corrections-TOTAL_FORMS": 0,
        "corrections-INITIAL_FORMS": 0,
        "listed": "on",
        "options-TOTAL_FORMS": len(rows),
        "options-INITIAL_FORMS": len(kept),
        **fields,
    }
    for number, row in enumerate(rows):
        form |= {f"options-{number}-{name}": value for name, value in row.items()}
    return form
