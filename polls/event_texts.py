"""The events of a poll in words: with names for its owner, and with roles on its public record."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from polls.choices import Audience, Visibility
from polls.queries import EventGroup, RecordEntry
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
    "locked": gettext_lazy("whether the poll is locked once it has opened"),
    "recountable": gettext_lazy("whether anyone can recount the votes"),
    "draw_source": gettext_lazy("the public value for a draw"),
    "description": gettext_lazy("the description"),
    "time_zone": gettext_lazy("the time zone"),
    "owner_id": gettext_lazy("the owner"),
}

# Values of columns, in words.
VALUES = {
    ("audience", Audience.LINK): gettext_lazy("anyone with the link"),
    ("audience", Audience.ACCOUNT): gettext_lazy("people with an account"),
    ("audience", Audience.INVITE): gettext_lazy("invited people"),
    ("results", Visibility.ALWAYS): gettext_lazy("everyone, at any time"),
    ("results", Visibility.VOTED): gettext_lazy("those who have voted"),
    ("results", Visibility.CLOSED): gettext_lazy("everyone, after closing"),
    ("results", Visibility.OWNER): gettext_lazy("only the owner"),
}
YES, NO = gettext_lazy("yes"), gettext_lazy("no")

ROLES = {
    "owner": gettext_lazy("The owner"),
    "staff": gettext_lazy("Staff of this site"),
    "operator": gettext_lazy("The operator of the server"),
    "": gettext_lazy("Somebody, before this site wrote down as whom,"),
}


class EventText(NamedTuple):
    """One line of the history of a poll. On the public record the actor is a role."""

    at: datetime
    actor: str
    what: SafeString
    is_unusual: bool = False  # voters should know it


def describe_events(groups: Iterable[EventGroup]) -> list[EventText]:
    """Return the events in words. Times are in the current time zone, and texts that people wrote are escaped."""
    return [EventText(group.at, group.actor.removeprefix("user "), _sentence(group)) for group in groups]


def describe_record(entries: Iterable[RecordEntry]) -> list[EventText]:
    """Return the entries of the public record in words, options together that were changed within a minute."""
    said = []
    for _key, group in groupby(entries, _together):
        run = list(group)
        first = run[0]
        role = str(ROLES.get(first.role, ROLES["operator"]))
        said.append(
            EventText(first.at, role, _public_sentence(first, [entry.details for entry in run]), first.is_unusual)
        )
    return said


def _together(entry: RecordEntry) -> object:
    if entry.action.startswith("option ") and "reason" not in entry.details:
        return entry.role, entry.action, entry.at.replace(second=0, microsecond=0)
    return entry


def _public_sentence(entry: RecordEntry, details: list[dict[str, Any]]) -> SafeString:
    kind, _space, done = entry.action.rpartition(" ")
    changed = dict(entry.details)
    if reason := changed.pop("reason", None):
        return _corrected(changed, reason)
    if kind == "invites":
        count = changed["count"][1]
        what = _about_many("invite", done, EventGroup(entry.at, "", entry.action, count, [changed]))
        return format_html(_("{what}, after the opening"), what=what) if entry.late and done == "added" else what
    if entry.action == "poll added":
        changes = [_plain(_("made the poll"))]
        changed.pop("slug", None)
    elif entry.reopened:
        changes = [_reopened(*changed.pop("closes_at"))]
    elif kind == "poll":
        changes = []
    else:
        return _sentence(EventGroup(entry.at, "", entry.action, len(details), details[:5]))
    for column, values in sorted(changed.items()):
        changes.append(_public_change(entry.at, column, *(values if isinstance(values, list) else (None, None))))
    return _listed(changes)


def _public_change(at: datetime, column: str, before: Any, after: Any) -> SafeString:
    """Say of times what they were before as well."""
    if column not in ("opens_at", "closes_at") or not before:
        return _change(at, column, before, after)
    if column == "opens_at":
        moved, at_once = _("moved the opening from {before} to {after}"), _("opened the poll")
    else:
        moved = _("moved the closing from {before} to {after}")
        at_once = _("closed the poll, which was to close {before}")
        if not after:
            return format_html(_("took the closing time out, which was {before}"), before=_when(before))
    if not after:
        return _change(at, column, before, after)
    moment = parse_datetime(after)
    said = at_once if moment and abs(moment - at) < AT_ONCE else moved
    return format_html(said, before=_when(before), after=_when(after))


def _reopened(before: str, after: str | None) -> SafeString:
    said = _("opened the poll again, which had closed {time}")
    changes = [format_html(said, time=_when(before))]
    if after:
        changes.append(format_html(_("set the closing to {time}"), time=_when(after)))
    return _listed(changes)


def _corrected(changed: dict[str, Any], reason: str) -> SafeString:
    [(column, (before, after))] = changed.items()
    said = {
        "title": _("corrected the question from {before} to {after}: {reason}"),
        "text": _("corrected an option from {before} to {after}: {reason}"),
    }.get(column, _("corrected the description: {reason}"))
    values = {"before": _quoted(before), "after": _quoted(after)}
    return format_html(said, **values, reason=format_html("<bdi>{}</bdi>", reason))


def _when(text: str) -> str:
    moment = parse_datetime(text)
    return zoned(timezone.localtime(moment)) if moment else text


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
    if kind == "hash":
        before, after = group.details[0]["content_hash"]
        said = _("brought an update of this site, which computes the hash of a poll anew: before {before}, now {after}")
        hashes = {"before": format_html("<code>{}</code>", before), "after": format_html("<code>{}</code>", after)}
        return format_html(said, **hashes)
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
    setting = SETTINGS.get(column, column)
    if column in ("description", "owner_id") or "" in (before, after) or None in (before, after):
        return _plain(_("changed %(setting)s") % {"setting": setting})
    values = {"before": _value(column, before), "after": _value(column, after)}
    return format_html(_("changed {setting} from {before} to {after}"), setting=setting, **values)


def _value(column: str, value: Any) -> SafeString:
    """Return a value of a setting in words, quoted."""
    words = VALUES.get((column, value), (YES if value else NO) if isinstance(value, bool) else value)
    return _quoted(str(words))


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
            "revoked": ngettext("revoked %(count)d invitation", "revoked %(count)d invitations", count),
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
