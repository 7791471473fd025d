"""What an open poll keeps from everyone, so that no one can tell a vote by comparing.

Parts of statements, and the steps in which counts are shown while few have voted.
"""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_all, fetch_one
from polls.queries.prepared import Prepared

# Of an open poll for invited people that hides who chose what, its owner and staff see who has voted or the counts, and
# never both. Of polls_poll AS poll, with its state beside it.
COUNTS_WITHHELD = """(NOT poll.named AND poll.audience = 'invite' AND poll.results IN ('closed', 'owner')
                      AND state = 'open')"""
COUNTS_SHOWN = "(NOT poll.named AND poll.audience = 'invite' AND poll.results IN ('always', 'voted'))"
VOTERS_WITHHELD = f"({COUNTS_SHOWN} AND state = 'open')"

# From this many voters on, counts are exact.
FEW_VOTERS = 50

# Whether counts come in steps: where voters are persons of whom no choice may become known, and few have voted. Polls
# by link have none: their voters are browsers. Of polls_poll AS poll, with its state and turnout.voters beside it.
IN_STEPS = f"""(NOT poll.named AND poll.audience IN ('invite', 'account') AND state = 'open'
            AND turnout.voters < {FEW_VOTERS})"""

# Whether at least five more have voted than at the last step. Of turnout and step.
STEP_DUE = "turnout.voters >= 5 + coalesce(step.voters, 0)"

# The turnout of a poll as anybody is shown it, in shown.voters. While `in_steps`, it is that of the last step, and a
# step may be due.
SHOWN_TURNOUT = f"""CROSS JOIN LATERAL (
    SELECT coalesce(sum(voters), 0)::bigint AS voters FROM polls_turnout WHERE poll_id = poll.id
 ) AS turnout
 CROSS JOIN LATERAL (
    SELECT {IN_STEPS} AND NOT {COUNTS_WITHHELD} AS in_steps
 ) AS secrecy
  LEFT JOIN LATERAL (
    SELECT voters FROM polls_step WHERE in_steps AND poll_id = poll.id ORDER BY voters DESC LIMIT 1
 ) AS step ON true
 CROSS JOIN LATERAL (
    SELECT CASE WHEN in_steps THEN coalesce(step.voters, 0) ELSE turnout.voters END AS voters,
           in_steps AND {STEP_DUE} AS step_due
 ) AS shown"""


class StepRow(NamedTuple):
    """The counts of the last step: voters, and votes by the option's id as text. Without one, all are 0. `is_due` says
    that at least five more have voted since."""

    voters: int
    votes: dict[str, int]
    is_due: bool


GET_STEP = Prepared(f"""
SELECT coalesce(step.voters, 0) AS voters,
       coalesce(step.votes, '{{}}') AS votes,
       {STEP_DUE} AS is_due
  FROM (SELECT coalesce(sum(voters), 0) AS voters FROM polls_turnout WHERE poll_id = %(poll_id)s) AS turnout
  LEFT JOIN LATERAL (
    SELECT voters, votes FROM polls_step WHERE poll_id = %(poll_id)s ORDER BY voters DESC LIMIT 1
 ) AS step ON true
""")


def get_step(conn: Connection, poll_id: int) -> StepRow:
    """Return the last step of a poll."""
    return StepRow(*fetch_one(conn, GET_STEP, poll_id=poll_id))


TAKE_STEPS = """
INSERT INTO polls_step (poll_id) SELECT unnest(%(poll_ids)s::bigint[]) ORDER BY 1 RETURNING poll_id
"""


def take_steps(conn: Connection, poll_ids: Sequence[int]) -> None:
    """Count the votes of these polls where at least five more people have voted than at the last step.

    What is shown thus never changes by a single vote. The caller that is told that a step is due takes it;
    where others were faster, nothing happens. Waits for the votes under way.
    """
    fetch_all(conn, TAKE_STEPS, poll_ids=list(poll_ids))
