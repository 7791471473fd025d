"""The form that draws a winner."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from polls import draws, queries

ALL_VOTERS = "all"  # stands for everyone who voted, where an option's id would be


def _option_id(value: str) -> int | None:
    return None if value == ALL_VOTERS else int(value)


class DrawForm(forms.Form):
    """What to draw: the option, the number that the draw will have, the public value, and why it is drawn again.

    The first choice stands for everyone who voted: cleaned, it is None. `freeze` asks for the entries alone. The
    database decides whether a public value or a reason is missing.
    """

    option = forms.TypedChoiceField(
        coerce=_option_id,
        error_messages={
            "required": gettext_lazy("Choose an option."),
            "invalid_choice": gettext_lazy("This is no option of the poll."),
        },
    )
    number = forms.IntegerField(min_value=1, max_value=draws.MOST_DRAWS, widget=forms.HiddenInput)
    public_value = forms.CharField(required=False, max_length=500)
    reason = forms.CharField(required=False, max_length=200)
    freeze = forms.BooleanField(required=False)

    def __init__(self, options: Sequence[queries.OptionResult], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(ALL_VOTERS, ""), *((str(option.id), option.text) for option in options)]
        self.fields["option"].choices = choices  # type: ignore[attr-defined]
