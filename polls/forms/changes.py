"""What a form says otherwise than what is saved, for those who have to decide between the two."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django import forms
from django.utils.translation import gettext as _


class Difference(NamedTuple):
    """A field of a form: what is saved now, and what was typed."""

    label: str
    saved: str
    typed: str


def find_differences(form: forms.BaseForm, saved: Mapping[str, Any]) -> list[Difference]:
    """Return the fields of a valid form that say something else than `saved`, which holds values as the form cleans
    them."""
    return [
        Difference(str(field.label), _text(field.field, saved[field.name]), _text(field.field, typed))
        for field in form.visible_fields()
        if field.name in saved and (typed := form.cleaned_data[field.name]) != saved[field.name]
    ]


def _text(field: forms.Field, value: Any) -> str:
    if isinstance(field, forms.ChoiceField):
        return str(dict(field.choices).get(value, value))  # type: ignore[arg-type]
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, list):
        return "\n".join(value)
    return str(value) if value not in (None, "") else _("(none)")
