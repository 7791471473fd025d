"""The schedule form: when a poll opens and closes."""

from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from polls import queries
from polls.forms import datetimes

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


class ScheduleForm(forms.Form):
    """When a poll opens and closes, in local time of a time zone.

    `zone` is the current time zone of the poll, `opened` says whether it has opened, and `voted` whether it has votes,
    which freeze its opening.
    """

    time_zone = forms.ChoiceField(label=_("Time zone"), error_messages={"invalid_choice": _("Choose a time zone.")})
    opens = forms.ChoiceField(
        label=_("When does it open?"), choices=list(OPENINGS.items()), initial="now", widget=forms.RadioSelect
    )
    opens_at = datetimes.LocalDateTimeField(
        without_time=time(0, 0),
        widget=datetimes.LocalDateTimeInput(_("Date to open"), _("Time to open")),
        required=False,
    )
    closes = forms.ChoiceField(
        label=_("When does it close?"), choices=CLOSINGS, initial="never", widget=forms.RadioSelect
    )
    closes_at = datetimes.LocalDateTimeField(
        without_time=time(23, 59),
        widget=datetimes.LocalDateTimeInput(_("Date to close"), _("Time to close")),
        required=False,
    )

    def __init__(self, *args: Any, zone: str, opened: bool = False, voted: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = datetimes.time_zones()
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
                    cleaned[name] = datetimes.to_aware(written, ZoneInfo(cleaned["time_zone"]))
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
                # The two contradict each other, and a guess could open or close the poll at a wrong time.
                self.add_error(choice, FORGOTTEN[name])
            else:  # the time was there before, and the user chose something else
                self.cleaned_data[name] = None

    def schedule(self) -> queries.Schedule:
        """Return the schedule, once the form is valid."""
        cleaned = self.cleaned_data
        return queries.Schedule(
            cleaned.get("opens", "keep"), cleaned.get("opens_at"), cleaned["closes_at"], cleaned["time_zone"]
        )
