"""What the owner of a poll sends: its question, options and rules, its times, and corrections."""

import re
import secrets
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from polls import queries, wall_clock
from polls.option_lines import LONGEST_OPTION, MOST_OPTIONS, find_problems, is_plain, looks, read_options

LONGEST_TITLE = 200
LONGEST_DESCRIPTION = 5000

AUDIENCES = (
    ("link", _("Anyone with the link, one vote per browser")),
    ("account", _("People with an account here, one vote each")),
    ("invite", _("People whom I invite, with a link for each")),
)
RESULTS = (
    ("always", _("Everyone, at any time")),
    ("voted", _("Those who have voted")),
    ("closed", _("Everyone, after the poll has closed")),
    ("owner", _("Only me")),
)
OPENINGS = {
    "now": _("At once"),
    "at": _("At this time:"),
    "draft": _("Not yet: it stays a draft that only I see"),
}
CLOSINGS = (("never", _("When I close it")), ("at", _("At this time:")))


OVER = {"opens_at": _("The time to open is over."), "closes_at": _("The time to close is over.")}
FORGOTTEN = {
    "opens_at": _("You entered a time to open. Choose “At this time”, or empty it."),
    "closes_at": _("You entered a time to close. Choose “At this time”, or empty it."),
}


def new_key() -> str:
    """Return what the random part of an address is made from, 128 bits."""
    return secrets.token_urlsafe(16)


class TextField(forms.CharField):
    """Text that can be stored and shown. On one line, runs of spaces are one space."""

    def __init__(self, *, lines: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lines = lines

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value))
        if not is_plain(text):
            raise ValidationError(_("Take out the character that is no text."), code="invalid")
        if not looks(text):
            return ""
        return text.replace("\r\n", "\n") if self.lines else " ".join(text.split())


class OptionsField(forms.Field):
    """Options, one a line. Cleaned, a list of texts in order."""

    widget = forms.Textarea(attrs={"rows": 6, "spellcheck": "true"})

    def to_python(self, value: Any) -> list[str]:
        options = read_options(value or "")
        if problems := find_problems(options):
            raise ValidationError(problems)
        return [option.text for option in options]


class VisibilityForm(forms.Form):
    """What is never frozen: who sees the results, and whether the front page shows the poll."""

    results = forms.ChoiceField(
        label=_("Who sees the results?"),
        help_text=_(
            "Whoever watches results change and sees somebody vote can tell what they chose. For a secret ballot, show "
            "them after closing."
        ),
        choices=RESULTS,
        initial="always",
        widget=forms.RadioSelect,
    )
    listed = forms.BooleanField(label=_("Show the poll on the front page of this site"), required=False)


class DesignForm(VisibilityForm):
    """All of a poll that its owner decides, without its times."""

    field_order = ("title", "description", "options")

    title = TextField(
        label=_("Question"),
        max_length=LONGEST_TITLE,
        error_messages={"required": _("Write a question.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    description = TextField(
        label=_("More about it, if needed"),
        lines=True,
        required=False,
        max_length=LONGEST_DESCRIPTION,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    options = OptionsField(
        label=_("Options"),
        help_text=_("One a line, in the order in which voters see them."),
        required=False,  # or the answer to an empty box would not say what to write
    )
    audience = forms.ChoiceField(label=_("Who may vote?"), choices=AUDIENCES, initial="link", widget=forms.RadioSelect)
    named = forms.BooleanField(
        label=_("I see who chose what"), help_text=_("The ballot tells voters so."), required=False
    )
    changeable = forms.BooleanField(label=_("Votes can be changed while the poll is open"), required=False)
    shuffled = forms.BooleanField(
        label=_("Each voter sees the options in another order"),
        help_text=_("Then no option gains from standing first."),
        required=False,
    )
    min_choices = forms.IntegerField(label=_("Fewest choices"), min_value=1, max_value=MOST_OPTIONS, initial=1)
    max_choices = forms.IntegerField(label=_("Most choices"), min_value=1, max_value=MOST_OPTIONS, initial=1)
    draw_source = TextField(
        label=_("Public value for a draw"),
        help_text=_(
            "If a winner will be drawn among the voters: a number that nobody knows yet and everybody can look up "
            "later, such as “the lottery numbers of 1 May”. Empty: draws do without one."
        ),
        required=False,
        max_length=200,
    )

    def clean(self) -> dict[str, Any]:
        super().clean()
        options = self.cleaned_data.get("options")
        fewest, most = self.cleaned_data.get("min_choices"), self.cleaned_data.get("max_choices")
        if options and most and most > len(options):
            problem = ngettext("There is only %(options)d option.", "There are only %(options)d options.", len(options))
            self.add_error("max_choices", problem % {"options": len(options)})
        elif fewest and most and fewest > most:
            self.add_error("min_choices", _("The fewest choices are no more than the most."))
        return self.cleaned_data

    def design(self) -> queries.Design:
        """Return what was sent, once it is valid."""
        return queries.Design(**{name: self.cleaned_data[name] for name in queries.Design._fields})


class TimesForm(forms.Form):
    """When a poll opens and closes, by the clock of a time zone.

    `zone` is the one it has so far, `opened` whether it has opened, and `voted` whether its opening is frozen.
    """

    time_zone = forms.ChoiceField(label=_("Time zone"), error_messages={"invalid_choice": _("Choose a time zone.")})
    opens = forms.ChoiceField(
        label=_("When does it open?"), choices=list(OPENINGS.items()), initial="now", widget=forms.RadioSelect
    )
    opens_at = wall_clock.WallClockField(
        without_time=time(0, 0),
        widget=wall_clock.WallClockInput(_("Date to open"), _("Time to open")),
        required=False,
    )
    closes = forms.ChoiceField(
        label=_("When does it close?"), choices=CLOSINGS, initial="never", widget=forms.RadioSelect
    )
    closes_at = wall_clock.WallClockField(
        without_time=time(23, 59),
        widget=wall_clock.WallClockInput(_("Date to close"), _("Time to close")),
        required=False,
    )

    def __init__(self, *args: Any, zone: str, opened: bool = False, voted: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = wall_clock.time_zones()
        self.zones = zones if zone in zones else [zone, *zones]
        self.fields["time_zone"].choices = [(name, name) for name in self.zones]  # type: ignore[attr-defined]
        self.fields["time_zone"].initial = zone
        if voted:
            del self.fields["opens"], self.fields["opens_at"]
        elif opened:
            choices = OPENINGS | {"now": _("It has opened already")}
            self.fields["opens"].choices = list(choices.items())  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned = self.cleaned_data
        if "time_zone" not in cleaned:
            return cleaned
        now = timezone.now()
        for name in ("opens_at", "closes_at"):
            if written := cleaned.get(name):
                try:
                    cleaned[name] = wall_clock.in_zone(written, ZoneInfo(cleaned["time_zone"]))
                except ValidationError as error:
                    self.add_error(name, error)
                else:
                    if cleaned[name] <= now:
                        self.add_error(name, OVER[name])
        for choice, name in (("opens", "opens_at"), ("closes", "closes_at")):
            self._clean_choice(choice, name)
        opens_at, closes_at = cleaned.get("opens_at"), cleaned.get("closes_at")
        if opens_at and closes_at and closes_at <= opens_at:
            self.add_error("closes_at", _("The poll would close before it opens."))
        return cleaned

    def _clean_choice(self, choice: str, name: str) -> None:
        chosen, moment = self.cleaned_data.get(choice), self.cleaned_data.get(name)
        if chosen == "at" and not moment and name not in self.errors:
            self.add_error(name, _("Enter a date."))
        elif chosen and chosen != "at" and moment:
            if name in self.changed_data:
                # One of the two was forgotten, and guessing which would open or close a poll at a wrong time.
                self.add_error(choice, FORGOTTEN[name])
            else:  # what stood there is not meant any more
                self.cleaned_data[name] = None

    def times(self) -> queries.Times:
        """Return what was sent, once it is valid."""
        cleaned = self.cleaned_data
        return queries.Times(
            cleaned.get("opens", "keep"), cleaned.get("opens_at"), cleaned["closes_at"], cleaned["time_zone"]
        )


class PollForm(DesignForm, TimesForm):
    """A new poll. `key` makes its address: the same form sent twice is one poll."""

    key = forms.CharField(widget=forms.HiddenInput, required=False, initial=new_key)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_bound:
            self.fields["title"].widget.attrs["autofocus"] = True

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        return key if re.fullmatch("[A-Za-z0-9_-]{22}", key) else new_key()


class CorrectionForm(forms.Form):
    """A typo mended after the first vote: `field` is title, description or option, `before` what stands there."""

    reason = TextField(
        label=_("Why?"),
        help_text=_("Everyone is shown this, and what stood there before."),
        max_length=200,
        error_messages={"required": _("Say why.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, field: str, before: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before = before
        lines = field == "description"
        self.fields["after"] = TextField(
            label=_("Correct text"),
            lines=lines,
            required=not lines,
            max_length={"title": LONGEST_TITLE, "description": LONGEST_DESCRIPTION}.get(field, LONGEST_OPTION),
            initial=before,
            error_messages={"required": _("Write the correct text.")},
            widget=forms.Textarea(attrs={"rows": 6}) if lines else forms.TextInput(attrs={"autocomplete": "off"}),
        )
        self.order_fields(["after"])

    def clean_after(self) -> str:
        after: str = self.cleaned_data["after"]
        if after == self.before:
            raise ValidationError(_("This is what stands there already."))
        return after
