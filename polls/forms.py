"""What a browser sends, checked before a connection is taken."""

import csv
import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_lazy, ngettext

from polls import invites, queries

LARGEST_ID = 2**63 - 1
MOST_CHOICES = 1000
EVERYBODY = "all"  # what a form for draws sends instead of an option's id
TOO_LARGE = gettext_lazy("This is more than 1 MB, the most at once. Send it in parts.")


class ChoicesField(forms.Field):
    """Option ids, sent once or several times. Whether they are options of the poll is the database's to say."""

    widget = forms.MultipleHiddenInput
    default_error_messages = {
        "required": gettext_lazy("Choose an option."),
        "invalid": gettext_lazy("One of the options sent is none of this poll. Please choose again."),
    }

    def to_python(self, value: Any) -> list[int]:
        if not value:
            return []
        if len(value) > MOST_CHOICES or not all(text.isascii() and text.isdecimal() for text in value):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        ids = [int(text) for text in value if len(text) <= 19]
        if len(ids) < len(value) or max(ids) > LARGEST_ID:
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return ids


class BallotForm(forms.Form):
    """A ballot: the ids of the chosen options, in the order chosen."""

    choices = ChoicesField()


class SearchForm(forms.Form):
    """Words to look for in the titles of polls, the order of the list, and its page."""

    q = forms.CharField(required=False, max_length=100)
    order = forms.ChoiceField(required=False, choices=(("newest", "newest"), ("votes", "votes")))
    page = forms.IntegerField(required=False, min_value=1, max_value=10_000)

    def clean_q(self) -> str:
        text: str = self.cleaned_data["q"]
        # Lone surrogates are no text that PostgreSQL could store or compare.
        return text.encode("utf-8", "ignore").decode()


class LinesField(forms.Field):
    """Text as it was sent, NUL and all: what is wrong with a line is said of the line."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        return value or ""


class InviteForm(forms.Form):
    """People to be invited, one a line or row, and the key of the links that will be made for them.

    Cleaned, `people` holds the lines of both, and `key` the one that was sent or a new one.
    """

    people = LinesField(required=False)
    file = forms.FileField(required=False)
    key = forms.CharField(required=False)

    def clean_people(self) -> list[str]:
        text: str = self.cleaned_data["people"]
        if len(text.encode("utf-8", "surrogatepass")) > invites.MOST_BYTES:
            raise ValidationError(TOO_LARGE)
        return invites.lines_of(text)

    def clean_file(self) -> list[str]:
        file = self.cleaned_data["file"]
        if file is None:
            return []
        if file.size > invites.MOST_BYTES:
            raise ValidationError(TOO_LARGE)
        try:
            return invites.lines_of_csv(invites.decoded(file.read()))
        except UnicodeDecodeError:
            raise ValidationError(gettext("This file is no text. Save it as CSV in UTF-8.")) from None
        except csv.Error as error:
            raise ValidationError(gettext("This file is no CSV: %(error)s.") % {"error": error}) from None

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        return key if re.fullmatch(r"[\w-]{43}", key, re.ASCII) else invites.new_key()

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if not self.errors:
            cleaned["people"] += cleaned["file"]
            if not cleaned["people"]:
                raise ValidationError(gettext("Paste a list, or choose a file."))
            if (lines := len(cleaned["people"])) > invites.MOST_PEOPLE:
                text = ngettext(
                    "%(lines)s line was sent, and %(most)s are the most at once. Send them in parts.",
                    "%(lines)s lines were sent, and %(most)s are the most at once. Send them in parts.",
                    lines,
                )
                raise ValidationError(text % {"lines": _grouped(lines), "most": _grouped(invites.MOST_PEOPLE)})
        return cleaned


def _option_id(value: str) -> int | None:
    return None if value == EVERYBODY else int(value)


class DrawForm(forms.Form):
    """What is drawn: the option, the number that the draw will have, the public value, and why it is drawn again.

    The first choice is no option but everybody who voted: cleaned, it is None. `freeze` asks for the entries alone.
    Whether a value or a reason is missing is the database's to say.
    """

    option = forms.TypedChoiceField(
        coerce=_option_id,
        error_messages={
            "required": gettext_lazy("Choose an option."),
            "invalid_choice": gettext_lazy("This is no option of the poll."),
        },
    )
    number = forms.IntegerField(min_value=1, max_value=99, widget=forms.HiddenInput)
    public_value = forms.CharField(required=False, max_length=500)
    reason = forms.CharField(required=False, max_length=200)
    freeze = forms.BooleanField(required=False)

    def __init__(self, options: Sequence[queries.OptionResult], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(EVERYBODY, ""), *((str(option.id), option.text) for option in options)]
        self.fields["option"].choices = choices  # type: ignore[attr-defined]


def _grouped(number: int) -> str:
    return number_format(number, use_l10n=True, force_grouping=True)
