"""What a browser sends, checked before a connection is taken."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

LARGEST_ID = 2**63 - 1
MOST_CHOICES = 1000


class ChoicesField(forms.Field):
    """Option ids, sent once or several times. Whether they are options of the poll is the database's to say."""

    widget = forms.MultipleHiddenInput
    default_error_messages = {
        "required": "Choose an option.",
        "invalid": "One of the options sent is none of this poll. Please choose again.",
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
