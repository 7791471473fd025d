"""Who votes: the short key that stands for one person in one poll."""

import secrets

from django.utils.crypto import salted_hmac

COOKIE = "voter"
COOKIE_SALT = "polls.voter"
COOKIE_SECONDS = 400 * 24 * 3600  # the longest that browsers keep one


def new_browser_id() -> str:
    """Return a random id for a browser, 128 bits."""
    return secrets.token_urlsafe(16)


def voter_key(slug: str, person: str) -> str:
    """Return the key of a person in the poll at `slug`: 64 hexadecimal digits.

    A keyed hash per poll: the table of votes alone cannot tell that two votes in two polls are one person's.
    """
    return salted_hmac(f"polls.voter/{slug}", person, algorithm="sha256").hexdigest()
