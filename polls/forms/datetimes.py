"""Local date and time fields.

People enter local time, which in many time zones skips an hour once a year, and repeats one.
"""

import re
from datetime import datetime, time, timezone
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

FIRST_YEAR, LAST_YEAR = 2000, 2999


@cache
def time_zones() -> list[str]:
    """Return the names of the time zones to choose from, such as Europe/Berlin, and UTC."""
    historical = ("Etc/", "Brazil/", "Canada/", "Chile/", "Mexico/", "SystemV/", "US/", "posix/", "right/")
    return ["UTC", *sorted(name for name in available_timezones() if "/" in name and not name.startswith(historical))]


class LocalDateTimeInput(forms.MultiWidget):
    """A date and a time, each with the picker of the browser. A single picker for both silently sends nothing at all
    where only a date was chosen."""

    def __init__(self, date_label: Any, time_label: Any) -> None:
        date = forms.DateInput(attrs={"type": "date", "aria-label": date_label}, format="%Y-%m-%d")
        clock = forms.TimeInput(attrs={"type": "time", "aria-label": time_label}, format="%H:%M")
        super().__init__([date, clock])

    def decompress(self, value: datetime | None) -> list[Any]:
        return [value.date(), value.time()] if value else [None, None]


class LocalDateTimeField(forms.Field):
    """A date and a time without a zone, as the pickers of a browser send them or as people type them.

    `without_time` is the time of a date that is given without one.
    """

    default_error_messages = {
        "invalid": _("Enter a date and a time such as 2027-05-01 18:00."),
        "year": _("Enter a year between %(first)s and %(last)s."),
    }

    def __init__(self, *, without_time: time, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.without_time = without_time

    def to_python(self, value: Any) -> datetime | None:
        date, clock = (str(part or "").strip() for part in value)
        if not date:
            return None  # also for a time alone: the form knows whether a date is required
        text = f"{date} {clock or self.without_time}"
        if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", text, re.ASCII):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        try:
            written = datetime.fromisoformat(text)
        except ValueError:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None
        if not FIRST_YEAR <= written.year <= LAST_YEAR:
            years = {"first": FIRST_YEAR, "last": LAST_YEAR}
            raise ValidationError(self.error_messages["year"], code="year", params=years)
        return written


def to_aware(written: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a local time in `zone`. Raises ValidationError where clocks skip or repeat that time."""
    first, second = written.replace(tzinfo=zone, fold=0), written.replace(tzinfo=zone, fold=1)
    between = first.utcoffset() - second.utcoffset()  # type: ignore[operator] # a ZoneInfo knows its offset
    if not between:
        return first
    moved = {"time": f"{written:%H:%M}", "zone": zone.key}
    if first.astimezone(timezone.utc).astimezone(zone).replace(tzinfo=None) != written:
        moved["other"] = f"{written - between:%H:%M}"
        raise ValidationError(
            _("Clocks in %(zone)s are put forward then, and skip %(time)s. Choose %(other)s instead."),
            params=moved,
        )
    moved |= {"before": f"{written - between:%H:%M}", "after": f"{written + between:%H:%M}"}
    raise ValidationError(
        _("Clocks in %(zone)s are put back then, and show %(time)s twice. Choose %(before)s or %(after)s instead."),
        params=moved,
    )


def to_local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    """Return the local time in `zone` at that moment, for a LocalDateTimeInput. None stays None."""
    return moment and moment.astimezone(zone).replace(tzinfo=None)
