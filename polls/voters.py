"""Voters: the keys under which a person's vote is stored in one poll."""

import hmac
import secrets
from collections.abc import Sequence

from django.conf import settings
from django.utils.crypto import salted_hmac

from polls import receipts
from polls.queries import OptionRow, VoterKeys

COOKIE = "voter"
COOKIE_SALT = "polls.voter"


def new_browser_id() -> str:
    """Return a random id for a browser, 128 bits."""
    return secrets.token_urlsafe(16)


def hidden_key(slug: str, person: str) -> str:
    """Return the hidden key of a person in the poll at `slug`: 64 hexadecimal digits.

    A keyed hash: VOTER_KEY and the slug give each poll a key of its own. The database holds neither of these keys, so
    the table of votes alone cannot tell who a person is, nor that two votes in two polls are the same person's. Persons
    are browser:<id>, user:<pk> and invite:<id>. This formula never changes, or the voters of open polls could vote
    again.
    """
    secret = settings.VOTER_KEY
    return salted_hmac(f"polls.voter/{slug}", person, secret=secret, algorithm="sha256").hexdigest()


def key_id(voter_key: str | None = None) -> str:
    """Return an id of VOTER_KEY, or of another key: 16 hexadecimal digits that tell keys apart and give none away."""
    secret = settings.VOTER_KEY if voter_key is None else voter_key
    return salted_hmac("polls.voter_key", "id", secret=secret, algorithm="sha256").hexdigest()[:16]


def make_keys(slug: str, person: str, browser_id: str | None = None) -> VoterKeys:
    """Return the keys of a person in the poll at `slug`, sealed by the receipt that this browser gives them."""
    seal = receipts.seal_of(receipts.make_code(browser_id, slug, person)) if browser_id else None
    return VoterKeys(person, hidden_key(slug, person), seal)


def shuffled_for(voter_key: str, options: Sequence[OptionRow]) -> list[OptionRow]:
    """Return the options in an order that depends on the voter and is the same at each visit."""
    return sorted(options, key=lambda option: hmac.digest(voter_key.encode(), str(option.id).encode(), "sha256"))
