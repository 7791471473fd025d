"""Votes over time, for those who may see the results."""

from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_all
from polls.queries.results import Results

MOST_STEPS = 60
FEWEST_STEPS = 3
FEWEST_VOTERS = 10
STEPS = [timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 30, 60, 180, 360, 720, 1440, 2880, 10080, 40320)]
SHORTEST_ANONYMOUS_STEP = timedelta(minutes=10)


class Timeline(NamedTuple):
    """How many of the current votes were cast in each of at most MOST_STEPS equal steps from `start` to `end`. The last
    step may be cut short."""

    start: datetime
    end: datetime
    step: timedelta
    counts: list[int]


COUNT_BY_STEP = """
SELECT date_bin(%(step)s, cast_at, %(start)s) AS since, count(*) AS votes
  FROM polls_vote
 WHERE poll_id = %(poll_id)s
 GROUP BY since
"""


def get_timeline(conn: Connection, results: Results, now: datetime) -> Timeline | None:
    """Return when the votes were cast, for the poll of these results; None where the viewer may not see them.

    It never tells what was chosen. Also None where it would say too little or too much: with fewer than FEWEST_VOTERS
    voters, with fewer than FEWEST_STEPS steps or all votes in one of them, or where counts are those of a step before.
    An anonymous poll has no step shorter than SHORTEST_ANONYMOUS_STEP. Reads every vote of the poll, a million in 0.2
    seconds, so the result should be cached.
    """
    start, end = results.poll.opens_at, min(now, results.poll.closes_at or now)
    if not results.visible or results.in_steps or results.voter_count < FEWEST_VOTERS or start is None:
        return None
    shortest = timedelta() if results.poll.named else SHORTEST_ANONYMOUS_STEP
    allowed = [step for step in STEPS if step >= shortest]
    step = next((step for step in allowed if step * MOST_STEPS >= end - start), (end - start) / MOST_STEPS)
    steps = min(MOST_STEPS, -((start - end) // step))
    if steps < FEWEST_STEPS:
        return None
    counts = [0] * steps
    rows = fetch_all(conn, COUNT_BY_STEP, poll_id=results.poll.id, start=start, step=step)
    for since, votes in rows:
        counts[min((since - start) // step, steps - 1)] += votes
    return Timeline(start, end, step, counts) if len(rows) > 1 else None
