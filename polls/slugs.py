"""The slugs of polls, which are their addresses, and the codes at their ends, which are their short addresses."""

from random import Random, SystemRandom

from django.urls import reverse
from django.utils.text import slugify

from polls.queries import CODE_LENGTH

# No vowels and no look-alikes: a code spells no word and survives being read aloud.
CODE_ALPHABET = "23456789bcdfghjkmnpqrstvwxz"


def make_slug(title: str, random: Random | None = None) -> str:
    """Return an address for a poll: its title, and a random code that makes it unguessable (47 bits).

    `random` replaces the operating system's source, to get the same address again.
    """
    code = "".join((random or SystemRandom()).choices(CODE_ALPHABET, k=CODE_LENGTH))
    return f"{slugify(title)[:60].strip('-') or 'poll'}-{code}"


def code_of(slug: str) -> str:
    """Return the random end of a poll's address, which is enough to find the poll."""
    return slug[-CODE_LENGTH:]


def short_url(slug: str, origin: str) -> str:
    """Return the short address of a poll, with the scheme and host in `origin`."""
    return origin + reverse("polls:short_link", args=[code_of(slug)])
