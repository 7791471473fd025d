"""Taking checkpoints: by a thread of each process in which people vote, and by the first page of a closed poll.

A vote waits for neither. The thread takes checkpoints when a minute of the clock begins, whenever votes were cast: the
time of a checkpoint says in which minute there were votes, and no more. What a process that ends leaves undone is done
by the next one.
"""

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from django.apps import apps

from polls import queries
from polls.background import BackgroundThread
from polls.database import pool

logger = logging.getLogger(__name__)

SWEEP: Final = 10  # minutes: how often all open polls are looked at, and not only those that were noted here


def note_vote(slug: str) -> None:
    """Note that votes of a poll have changed, or that it was closed. A checkpoint follows within a minute or so."""
    taker: CheckpointTaker = apps.get_app_config("polls").checkpoint_taker  # type: ignore[attr-defined]
    taker.note(slug)


def read_results(slug: str, **who: Any) -> queries.Results:
    """Return the results of a poll, like get_results, and take the step that is due and the checkpoint that a closed
    poll lacks.

    Takes a connection of the pool for a moment. Raises PollNotFound.
    """
    with pool().connection(autocommit=True) as conn:
        results = queries.get_results(conn, slug, **who)
        taken = [
            results.step_due and _taken(slug, "step", lambda: queries.take_steps(conn, [results.poll.id])),
            results.unchecked and _taken(slug, "checkpoint", lambda: queries.take_checkpoint(conn, slug)),
        ]
        if any(taken):
            results = queries.get_results(conn, slug, **who)
    return results


def _taken(slug: str, what: str, take: Callable[[], object]) -> bool:
    """Take a step or a checkpoint, where that is possible: a standby shows results too, and writes nothing."""
    try:
        take()
    except queries.READ_ONLY as error:
        logger.warning("no %s can be taken of %s: %s", what, slug, str(error).strip().partition("\n")[0])
        return False
    return True


def until_next_minute() -> float:
    """Return the seconds until the next minute of the clock begins."""
    return 60 - time.time() % 60


class CheckpointTaker:
    """Takes checkpoints of the polls that were noted, in a thread that the first of them starts."""

    def __init__(self) -> None:
        self._noted: set[str] = set()
        self._thread = BackgroundThread("checkpoints", self._rounds)
        self._failing = False

    def note(self, slug: str) -> None:
        """Take a checkpoint of this poll when the next minute begins. Costs the caller nothing worth measuring."""
        self._noted.add(slug)
        self._thread.start()

    def stop(self) -> None:
        """End the thread. What it has not done, another process does, or the first page of the closed poll."""
        self._thread.stop()

    def take(self, *, every: bool = False) -> None:
        """Take the checkpoints that are due, once; with `every`, of polls that were not noted too.

        Where the database is away this logs one line, and the polls stay noted.
        """
        noted = set(self._noted)
        # Before the votes are read: a voter who votes meanwhile notes the poll again.
        self._noted -= noted
        try:
            with pool().connection(autocommit=True) as conn:
                unchecked = queries.list_unchecked(conn, sorted(noted), every=every)
            for slug in unchecked:
                with pool().connection(autocommit=True) as conn:
                    if queries.take_checkpoint(conn, slug) is None:  # too early for the next one
                        self._noted.add(slug)
        except Exception as error:  # the site works even so, and the next minute tries again
            self._noted |= noted
            if not self._failing:
                logger.warning("no checkpoints can be taken at present: %s", str(error).strip().partition("\n")[0])
            self._failing = True
        else:
            self._failing = False

    def _rounds(self) -> Iterator[float]:
        for minutes in itertools.count():
            yield until_next_minute()
            self.take(every=minutes % SWEEP == 0)
