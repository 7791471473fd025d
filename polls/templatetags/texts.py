"""Filters for texts that people wrote, for times and for short addresses, inside the sentences of a page."""

from collections.abc import Sequence
from datetime import datetime

from django import template
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import pgettext

from polls.slugs import short_url

register = template.Library()
register.filter(short_url)


@register.filter
def listed(texts: Sequence[str]) -> SafeString:
    """Join texts in the viewer's language, as in a, b and c. None changes the reading direction of the others."""
    shown = [format_html("<strong><bdi>{}</bdi></strong>", text) for text in texts]
    if len(shown) < 2:
        return shown[0] if shown else SafeString()
    first = format_html_join(pgettext("between the items of a list", ", "), "{}", ((text,) for text in shown[:-1]))
    return format_html(pgettext("the end of a list", "{first} and {last}"), first=first, last=shown[-1])


@register.filter(expects_localtime=True)
def zoned(time: datetime) -> SafeString:
    """Return a time with its zone named, for people and for programs."""
    # Translators: the format of a date and a time, in the letters of Django's date filter; T names the zone.
    shown = date_format(time, pgettext("format of a date and time", "j F Y, H:i T"))
    return format_html('<time datetime="{}">{}</time>', time.isoformat(timespec="seconds"), shown)
