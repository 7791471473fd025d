"""The ballot form."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

LARGEST_ID = 2**63 - 1
MOST_CHOICES = 1000
HASH = re.compile("[0-9a-f]{64}")
NO_HASH = "0" * 64


class ChoicesField(forms.Field):
    """Option ids, sent once or several times. The database decides whether they are options of the poll."""

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
    """A ballot: the ids of the chosen options, in the order chosen, and the content hash of the poll that was shown.

    A program that shows no ballot may leave the hash out.
    """

    choices = ChoicesField()
    ballot = forms.CharField(required=False, strip=False, empty_value=None)

    def clean_ballot(self) -> str | None:
        """Return the hash, None where none was sent. What is no hash becomes one that no poll has."""
        sent: str | None = self.cleaned_data["ballot"]
        return sent if sent is None or HASH.fullmatch(sent) else NO_HASH
