"""Times as people write them: by the clock on the wall in some time zone, which once a year skips an hour, and once
shows one twice.
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
    """Return the names of time zones that people live in, such as Europe/Berlin, and UTC."""
    historical = ("Etc/", "Brazil/", "Canada/", "Chile/", "Mexico/", "SystemV/", "US/", "posix/", "right/")
    return ["UTC", *sorted(name for name in available_timezones() if "/" in name and not name.startswith(historical))]


class WallClockInput(forms.MultiWidget):
    """A date and a time, each with the browser's own picker. One picker for both sends nothing at all, without a word,
    where somebody chose a date only."""

    def __init__(self, date_label: Any, time_label: Any) -> None:
        date = forms.DateInput(attrs={"type": "date", "aria-label": date_label}, format="%Y-%m-%d")
        clock = forms.TimeInput(attrs={"type": "time", "aria-label": time_label}, format="%H:%M")
        super().__init__([date, clock])

    def decompress(self, value: datetime | None) -> list[Any]:
        return [value.date(), value.time()] if value else [None, None]


class WallClockField(forms.Field):
    """A date and a time without a zone, as the browser's own pickers send them or as somebody types them.

    `without_time` is the time that a date alone stands for.
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
            return None  # a time alone is no moment; whether there had to be one is for the form to say
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


def in_zone(written: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment when clocks in `zone` show this. Raises ValidationError where they never do, or do so twice."""
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


def on_the_wall(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    """Return what clocks in `zone` show then, for a WallClockInput; None stays None."""
    return moment and moment.astimezone(zone).replace(tzinfo=None)
