"""The invitation form: the people on a pasted or uploaded list."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_lazy, ngettext

from polls import invite_tokens

MOST_PEOPLE = 10_000
MOST_BYTES = 1_000_000
LONGEST_LABEL = 200
TOO_LARGE = gettext_lazy("This is more than 1 MB, the most at once. Send it in parts.")

# The words of a first row that is a heading and not a person, in the languages of the site.
HEADINGS = frozenset(
    {
        *("name", "first name", "last name", "surname", "person", "label", "class", "group", "email", "e-mail"),
        *("vorname", "nachname", "familienname", "klasse", "gruppe"),
        *("nombre", "nombres", "apellido", "apellidos", "persona", "clase", "grupo", "correo"),
        *("nom", "prénom", "nom de famille", "personne", "classe", "groupe", "courriel"),
        *("الاسم", "الاسم الأول", "اسم العائلة", "الشخص", "الصف", "المجموعة", "البريد الإلكتروني"),
    }
)
# Characters that override the reading direction. The marks that right-to-left scripts need are others.
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Person(NamedTuple):
    """A person on the list. `problem` says what is wrong with the line, and is empty where nothing is."""

    line: int
    label: str
    problem: str


class LinesField(forms.Field):
    """Text exactly as it was sent, control characters included, so that errors can name the line."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        return value or ""


class InviteForm(forms.Form):
    """The people to invite, one per line of the text and per row of the file, and the key of their links.

    Cleaned, `people` holds the lines of both, and `key` is the one that was sent or a new one.
    """

    people = LinesField(required=False)
    file = forms.FileField(required=False)
    key = forms.CharField(required=False)

    def __init__(self, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files, auto_id="%s")  # as the template names the fields

    def clean_people(self) -> list[str]:
        text: str = self.cleaned_data["people"]
        if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
            raise ValidationError(TOO_LARGE)
        return lines_of(text)

    def clean_file(self) -> list[str]:
        file = self.cleaned_data["file"]
        if file is None:
            return []
        if file.size > MOST_BYTES:
            raise ValidationError(TOO_LARGE)
        try:
            return lines_of_csv(decoded(file.read()))
        except UnicodeDecodeError:
            raise ValidationError(gettext("This file is no text. Save it as CSV in UTF-8.")) from None
        except csv.Error as error:
            raise ValidationError(gettext("This file is no CSV: %(error)s.") % {"error": error}) from None

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        return key if re.fullmatch(r"[\w-]{43}", key, re.ASCII) else invite_tokens.new_key()

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if not self.errors:
            cleaned["people"] += cleaned["file"]
            if not cleaned["people"]:
                raise ValidationError(gettext("Paste a list, or choose a file."))
            if (lines := len(cleaned["people"])) > MOST_PEOPLE:
                text = ngettext(
                    "%(lines)s line was sent, and %(most)s are the most at once. Send them in parts.",
                    "%(lines)s lines were sent, and %(most)s are the most at once. Send them in parts.",
                    lines,
                )
                raise ValidationError(text % {"lines": _grouped(lines), "most": _grouped(MOST_PEOPLE)})
        return cleaned


def decoded(data: bytes) -> str:
    """Return the text of a file, in the encodings that spreadsheets and editors write. Raises UnicodeDecodeError."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def lines_of_csv(text: str) -> list[str]:
    """Return a line for each row, its cells joined by commas, without a heading. Raises csv.Error."""
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
    """Return the lines of a pasted list, without empty lines at its end."""
    lines = re.split(r"\r\n|\r|\n", text)
    while lines and not lines[-1].strip():
        del lines[-1]
    return lines


def read_people(lines: Iterable[str], invited: Iterable[str]) -> list[Person]:
    """Return the people on a list, each with the problem of the line. `invited` are the labels in use already."""
    seen = {label.casefold(): 0 for label in invited}
    people = []
    for number, line in enumerate(lines, 1):
        label = unicodedata.normalize("NFC", " ".join(line.split()))
        problem = _problem(line, label)
        if not problem and (first := seen.setdefault(label.casefold(), number)) != number:
            problem = (
                gettext("is the same as line %(first)d") % {"first": first} if first else gettext("is invited already")
            )
        people.append(Person(number, label, problem))
    return people


def _problem(line: str, label: str) -> str:
    if not label:
        return gettext("is empty")
    if any(unicodedata.category(character) in ("Cc", "Cs") and not character.isspace() for character in line):
        return gettext("holds a character that is no text")
    if "\ufffd" in line:
        return gettext("holds a character that could not be read: save the file as UTF-8")
    if not TURNING.isdisjoint(line):
        return gettext("holds an invisible character that turns the reading direction")
    if len(label) > LONGEST_LABEL:
        return gettext("has %(length)d characters, and %(most)d are the most") % {
            "length": len(label),
            "most": LONGEST_LABEL,
        }
    return ""


def _grouped(number: int) -> str:
    return number_format(number, use_l10n=True, force_grouping=True)
