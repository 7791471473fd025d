"""What an open poll keeps from everyone, so that nobody can tell a vote by comparing.

Parts of statements, and the steps in which counts are shown while few have voted.
"""

from collections.abc import Sequence

from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_all

# Of an open poll for invited people that hides who chose what, its owner and staff see who has voted or the counts, and
# never both. Of polls_poll AS poll, with its state beside it.
COUNTS_WITHHELD = """(NOT poll.named AND poll.audience = 'invite' AND poll.results IN ('closed', 'owner')
                      AND state = 'open')"""
COUNTS_SHOWN = "(NOT poll.named AND poll.audience = 'invite' AND poll.results IN ('always', 'voted'))"
VOTERS_WITHHELD = f"({COUNTS_SHOWN} AND state = 'open')"

# From this many voters on, counts are exact.
FEW_VOTERS = 50

# The turnout of a poll as anybody is shown it, in shown.voters. While `in_steps`, it is that of the last step, and a
# step may be due. For all other polls, this reads the turnout and nothing else. Polls by link are among these: their
# voters are browsers, and no persons.
SHOWN_TURNOUT = f"""CROSS JOIN LATERAL (
    SELECT coalesce(sum(voters), 0)::bigint AS voters FROM polls_turnout WHERE poll_id = poll.id
 ) AS turnout
 CROSS JOIN LATERAL (
    SELECT NOT poll.named AND poll.audience IN ('invite', 'account') AND state = 'open'
           AND NOT {COUNTS_WITHHELD} AND turnout.voters < {FEW_VOTERS} AS in_steps
 ) AS secrecy
  LEFT JOIN LATERAL (
    SELECT voters, votes FROM polls_step WHERE in_steps AND poll_id = poll.id ORDER BY voters DESC LIMIT 1
 ) AS step ON true
 CROSS JOIN LATERAL (
    SELECT CASE WHEN in_steps THEN coalesce(step.voters, 0) ELSE turnout.voters END AS voters,
           in_steps AND turnout.voters >= 5 + coalesce(step.voters, 0) AS step_due
 ) AS shown"""


TAKE_STEPS = """
INSERT INTO polls_step (poll_id) SELECT unnest(%(poll_ids)s::bigint[]) ORDER BY 1 RETURNING poll_id
"""


def take_steps(conn: Connection, poll_ids: Sequence[int]) -> None:
    """Count the votes of these polls where at least five more people have voted than at the last step.

    What is shown thus never changes by a single vote. Whoever is told that a step is due takes it; where others were
    faster, nothing happens. Waits for the votes under way.
    """
    fetch_all(conn, TAKE_STEPS, poll_ids=list(poll_ids))
