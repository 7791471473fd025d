"""Votes over time of the polls that are looked at, counted now and then: to count them reads every vote."""

import time
from datetime import datetime
from threading import Lock
from typing import Final, NamedTuple

from cachetools import LRUCache
from django.utils import timezone

from polls import queries
from polls.database import pool

KEPT_SECONDS: Final = 60  # at least,
SHARE: Final = 0.01  # and for so long that counting takes at most this share of the time
MOST_KEPT: Final = 1000


Key = tuple[int, datetime | None, str]


class _Counted(NamedTuple):
    timeline: queries.Timeline | None
    due: float  # when it is to be counted again, of time.monotonic()


_counted: LRUCache[Key, _Counted] = LRUCache(MOST_KEPT)
_counting: set[Key] = set()
_lock = Lock()


def timeline_of(results: queries.Results) -> queries.Timeline | None:
    """Return when the votes were cast, None where these results do not tell.

    While one thread counts, the others return what was counted before, and None the first time: ten million votes take
    seconds, and no one else should wait for them.
    """
    if not results.visible or results.in_steps:
        return None
    key = (results.poll.id, results.poll.opens_at, results.poll.state)
    with _lock:
        before = _counted.get(key)
        if key in _counting or (before and time.monotonic() < before.due):
            return before.timeline if before else None
        _counting.add(key)
    try:
        started = time.monotonic()
        with pool().connection(autocommit=True) as conn:
            timeline = queries.get_timeline(conn, results, timezone.now())
        took = time.monotonic() - started
        with _lock:
            _counted[key] = _Counted(timeline, time.monotonic() + max(KEPT_SECONDS, took / SHARE))
        return timeline
    finally:
        with _lock:
            _counting.discard(key)


def forget() -> None:
    """Forget what was counted."""
    with _lock:
        _counted.clear()
