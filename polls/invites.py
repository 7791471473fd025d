"""Invitations as text: people as they are pasted or uploaded, and the links that are made for them."""

import base64
import csv
import hmac
import io
import re
import secrets
import unicodedata
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

import segno
from django.utils.translation import gettext as _

MOST_PEOPLE = 10_000
MOST_BYTES = 1_000_000
LONGEST_LABEL = 200

# What the first row of a file may consist of when it names no person, in the languages of the site.
HEADINGS = frozenset(
    {
        *("name", "first name", "last name", "surname", "person", "label", "class", "group", "email", "e-mail"),
        *("vorname", "nachname", "familienname", "klasse", "gruppe"),
        *("nombre", "nombres", "apellido", "apellidos", "persona", "clase", "grupo", "correo"),
        *("nom", "prénom", "nom de famille", "personne", "classe", "groupe", "courriel"),
        *("الاسم", "الاسم الأول", "اسم العائلة", "الشخص", "الصف", "المجموعة", "البريد الإلكتروني"),
    }
)
# They turn the reading direction of what follows; the marks that scripts from right to left need are others.
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Person(NamedTuple):
    """Somebody to be invited, as a line of a list says; `problem` is empty where the line is good."""

    line: int
    label: str
    problem: str


class Link(NamedTuple):
    """The link of one invitation: for whom, and its secret."""

    label: str
    token: str


def new_key() -> str:
    """Return the secret from which the links of one batch are made, 256 bits.

    It is kept nowhere but in the page that shows the links: whoever sent that page again, or asks for its links as a
    file or as slips, sends it along. So a double click makes no second batch, and the server has nothing to hide.
    """
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """Return the secret part of a single link, 128 bits."""
    return secrets.token_urlsafe(16)


def token_of(key: str, slug: str, label: str) -> str:
    """Return the secret part of a person's link in a batch, 128 bits."""
    digest = hmac.digest(key.encode(), f"{slug}\n{label}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def hash_of(token: str) -> str:
    """Return what the database keeps of a link: an unsalted hash, for a random secret cannot be looked up in a list."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def qr_code(url: str) -> str:
    """Return an address as an SVG, black on white in any colour scheme, with the margin that readers need."""
    return segno.make(url, error="m", micro=False).svg_inline(
        omitsize=True, dark="#000", light="#fff", svgclass=None, lineclass=None
    )


def decoded(data: bytes) -> str:
    """Return the text of a file that a spreadsheet or an editor wrote. Raises UnicodeDecodeError."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def lines_of_csv(text: str) -> list[str]:
    """Return one line a row, its cells joined by commas, without a row of headings. Raises csv.Error."""
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    rows = [
        [" ".join(cell.split()) for cell in row]
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    ]
    if rows and {cell.lower() for cell in rows[0]} <= HEADINGS:
        del rows[0]
    return [", ".join(filter(None, row)) for row in rows]


def lines_of(text: str) -> list[str]:
    """Return the lines of a pasted list, without the empty ones at its end."""
    lines = re.split(r"\r\n|\r|\n", text)
    while lines and not lines[-1].strip():
        del lines[-1]
    return lines


def read_people(lines: Iterable[str], invited: Iterable[str]) -> list[Person]:
    """Return who is on a list, each with what is wrong with the line; `invited` are the labels that are taken."""
    seen = {label.casefold(): 0 for label in invited}
    people = []
    for number, line in enumerate(lines, 1):
        label = unicodedata.normalize("NFC", " ".join(line.split()))
        problem = _problem(line, label)
        if not problem and (first := seen.setdefault(label.casefold(), number)) != number:
            problem = _("is the same as line %(first)d") % {"first": first} if first else _("is invited already")
        people.append(Person(number, label, problem))
    return people


def _problem(line: str, label: str) -> str:
    if not label:
        return _("is empty")
    if any(unicodedata.category(character) in ("Cc", "Cs") and not character.isspace() for character in line):
        return _("holds a character that is no text")
    if "\ufffd" in line:
        return _("holds a character that could not be read: save the file as UTF-8")
    if not TURNING.isdisjoint(line):
        return _("holds an invisible character that turns the reading direction")
    if len(label) > LONGEST_LABEL:
        return _("has %(length)d characters, and %(most)d are the most") % {"length": len(label), "most": LONGEST_LABEL}
    return ""
