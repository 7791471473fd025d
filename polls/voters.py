"""Who votes: the short key that stands for one person in one poll."""

import hmac
import secrets
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from django.utils.crypto import salted_hmac

COOKIE = "voter"
COOKIE_SALT = "polls.voter"

Item = TypeVar("Item")


class Voter(NamedTuple):
    """The two keys of a person in a poll: `named` where its owner sees who chose what, `hidden` elsewhere."""

    named: str
    hidden: str


def new_browser_id() -> str:
    """Return a random id for a browser, 128 bits."""
    return secrets.token_urlsafe(16)


def voter_key(slug: str, person: str) -> str:
    """Return the hidden key of a person in the poll at `slug`: 64 hexadecimal digits.

    A keyed hash per poll: the table of votes alone cannot tell who a person is, nor that two votes in two polls are
    the same person's. Persons are browser:<id>, user:<pk> and invite:<id>.
    """
    return salted_hmac(f"polls.voter/{slug}", person, algorithm="sha256").hexdigest()


def voter(slug: str, person: str) -> Voter:
    """Return both keys of a person in the poll at `slug`."""
    return Voter(person, voter_key(slug, person))


def shuffled_for(voter_key: str, options: Sequence[tuple[int, Item]]) -> list[Item]:
    """Return the items in an order of this voter's own, the same at each visit. Given with an id each."""
    order = sorted(options, key=lambda option: hmac.digest(voter_key.encode(), str(option[0]).encode(), "sha256"))
    return [item for _, item in order]
