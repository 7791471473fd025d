"""Votes over time, for those who may see the results."""

from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_all
from polls.queries.results import Results

MOST_STEPS = 60
FEWEST_STEPS = 3
FEWEST_VOTERS = 10
FEWEST_ANONYMOUS_VOTERS = 20
VOTERS_A_STEP = 5  # on average at least, where the poll is anonymous
STEPS = [timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 30, 60, 180, 360, 720, 1440, 2880, 10080, 40320)]
SHORTEST_ANONYMOUS_STEP = timedelta(minutes=10)


class Timeline(NamedTuple):
    """How many of the current votes were cast in each of at most MOST_STEPS equal steps from `start`.

    The last one ends at `end`: in a named poll it may be shorter, and in an anonymous one longer.
    """

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

    It never tells what was chosen. Also None where it would say too little or too much: with too few voters, fewer than
    FEWEST_STEPS steps, all votes in one step, or counts that come in steps of voters. In an anonymous poll no one is
    shown when a single vote was cast: no step is shorter than SHORTEST_ANONYMOUS_STEP, not even the last, and there is
    one step for VOTERS_A_STEP voters at most. Reads every vote of the poll, a million in 0.2 seconds, so the result
    should be cached.
    """
    poll, voters = results.poll, results.voter_count
    start, end = poll.opens_at, min(now, poll.closes_at or now)
    if (
        not results.visible
        or results.in_steps
        or voters < (FEWEST_VOTERS if poll.named else FEWEST_ANONYMOUS_VOTERS)
        or start is None
    ):
        return None
    span = end - start
    most = MOST_STEPS if poll.named else min(MOST_STEPS, voters // VOTERS_A_STEP)
    shortest = STEPS[0] if poll.named else SHORTEST_ANONYMOUS_STEP
    fitting = (step for step in STEPS if step >= shortest and FEWEST_STEPS <= span / step <= most)
    step = next(fitting, max(shortest, span // most))
    # Rounded up where the last step may be short, and down where the one before takes in the rest.
    steps = min(most, -(-span // step) if poll.named else span // step)
    if steps < FEWEST_STEPS:
        return None
    counts = [0] * steps
    rows = fetch_all(conn, COUNT_BY_STEP, poll_id=results.poll.id, start=start, step=step)
    for since, votes in rows:
        counts[min((since - start) // step, steps - 1)] += votes
    return Timeline(start, end, step, counts) if len(rows) > 1 else None
