"""The events of a poll in words."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from polls.queries import EventGroup
from polls.templatetags.texts import zoned

AT_ONCE = timedelta(seconds=5)  # closing waits for the votes under way

# Names of columns whose values would say little in a sentence.
SETTINGS = {
    "audience": gettext_lazy("who may vote"),
    "named": gettext_lazy("whether the owner sees who chose what"),
    "changeable": gettext_lazy("whether votes can be changed"),
    "shuffled": gettext_lazy("the order of the options"),
    "min_choices": gettext_lazy("the fewest choices"),
    "max_choices": gettext_lazy("the most choices"),
    "results": gettext_lazy("who sees the results"),
    "listed": gettext_lazy("whether the front page shows the poll"),
    "draw_source": gettext_lazy("the public value for a draw"),
    "description": gettext_lazy("the description"),
    "time_zone": gettext_lazy("the time zone"),
    "owner_id": gettext_lazy("the owner"),
}


class EventText(NamedTuple):
    """One line of the history of a poll."""

    at: datetime
    actor: str
    what: SafeString


def describe_events(groups: Iterable[EventGroup]) -> list[EventText]:
    """Return the events in words. Times are in the current time zone, and texts that people wrote are escaped."""
    return [EventText(group.at, group.actor.removeprefix("user "), _sentence(group)) for group in groups]


def _sentence(group: EventGroup) -> SafeString:
    kind, _space, done = group.action.rpartition(" ")
    if kind == "poll":
        return _about_poll(done, group)
    if kind in ("option", "invite"):
        return _about_many(kind, done, group)
    if kind == "secret":
        return _plain(_("published the fingerprint of a secret for draws"))
    if kind == "entries":
        return _plain(_("froze who is in a draw"))
    if kind == "draw":
        number = group.details[0].get("number", [None, None])[1]
        return _plain(_("drew a winner, draw %(number)s") % {"number": number})
    return _plain(group.action)


def _about_poll(done: str, group: EventGroup) -> SafeString:
    if done == "added":
        return _plain(_("made the poll"))
    changes = [_change(group.at, column, *values) for column, values in sorted(group.details[0].items())]
    return _listed(changes)


def _change(at: datetime, column: str, before: Any, after: Any) -> SafeString:
    if column == "title":
        said = _("changed the question from {before} to {after}")
        return format_html(said, before=_quoted(before), after=_quoted(after))
    if column == "opens_at":
        if not after:
            return _plain(_("made it a draft"))
        return _at_once_or_at(at, after, _("opened the poll"), _("set the opening to {time}"))
    if column == "closes_at":
        if not after:
            return _plain(_("took the closing time out"))
        return _at_once_or_at(at, after, _("closed the poll"), _("set the closing to {time}"))
    if column == "archived_at":
        return _plain(_("archived the poll") if after else _("took the poll out of the archive"))
    return _plain(_("changed %(setting)s") % {"setting": SETTINGS.get(column, column)})


def _about_many(kind: str, done: str, group: EventGroup) -> SafeString:
    count = group.events
    if kind == "option":
        said = {
            "added": ngettext("added %(count)d option", "added %(count)d options", count),
            "removed": ngettext("took %(count)d option out", "took %(count)d options out", count),
        }.get(done, ngettext("moved %(count)d option", "moved %(count)d options", count))
        if any("text" in details for details in group.details) and done == "changed":
            said = ngettext("changed %(count)d option", "changed %(count)d options", count)
    elif done == "changed" and _revokes(group.details[0]):
        said = ngettext("revoked %(count)d invitation", "revoked %(count)d invitations", count)
    else:
        said = {
            "added": ngettext("invited %(count)d person", "invited %(count)d people", count),
            "removed": ngettext("took %(count)d invitation out", "took %(count)d invitations out", count),
        }.get(done, ngettext("replaced %(count)d link", "replaced %(count)d links", count))
    names = [name for name in map(_name, group.details) if name]
    what = said % {"count": count}
    if not names:
        return _plain(what)
    end = "…" if count > len(names) else ""
    return format_html(_("{what}: {names}"), what=what, names=format_html("{}{}", _listed(names), end))


def _revokes(details: dict[str, list[Any]]) -> bool:
    return bool(details.get("revoked_at", [None, None])[1])


def _name(details: dict[str, list[Any]]) -> SafeString | None:
    before, after = details.get("text") or details.get("label") or (None, None)
    if before and after:
        return format_html(_("{before} → {after}"), before=_quoted(before), after=_quoted(after))
    text = before or after
    return _quoted(text) if text else None


def _at_once_or_at(at: datetime, text: str, at_once: str, later: str) -> SafeString:
    moment = parse_datetime(text)  # reads what PostgreSQL writes, which datetime.fromisoformat of Python 3.10 does not
    if moment is None or abs(moment - at) < AT_ONCE:
        return _plain(at_once)
    return format_html(later, time=zoned(timezone.localtime(moment)))


def _quoted(text: str) -> SafeString:
    return format_html(_("“{text}”"), text=format_html("<bdi>{}</bdi>", Truncator(text).chars(60)))


def _listed(items: Iterable[SafeString]) -> SafeString:
    return format_html_join(pgettext("between the items of a list", ", "), "{}", ((item,) for item in items))


def _plain(text: str) -> SafeString:
    return format_html("{}", text)
