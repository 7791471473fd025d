"""Votes that are found, changed and withdrawn with their receipts, from any browser."""

from collections.abc import Sequence

from psycopg2.extensions import connection as Connection

from polls.queries.errors import AlreadyVoted, NotProven, PollNotFound, translated_errors
from polls.queries.fetch import fetch_all, fetch_one
from polls.queries.votes import raise_unless_withdrawn

FIND_SEALED_VOTE = """
SELECT voter
  FROM polls_vote AS vote
  JOIN polls_poll AS poll ON poll.id = vote.poll_id AND slug = %(slug)s
 WHERE vote.id = %(vote_id)s AND seal = %(seal)s
"""


def find_sealed_vote(conn: Connection, slug: str, vote_id: int, seal: bytes) -> str | None:
    """Return the key under which the vote of a receipt stands, None where there is no such vote."""
    rows = fetch_all(conn, FIND_SEALED_VOTE, slug=slug, vote_id=vote_id, seal=seal)
    return str(rows[0][0]) if rows else None


# The poll at `slug`, and its vote with the receipt.
POLL_AND_OWN = """poll AS (
    SELECT id, changeable FROM polls_poll WHERE slug = %(slug)s
), own AS (
    SELECT vote.id
      FROM poll JOIN polls_vote AS vote ON vote.poll_id = poll.id
     WHERE vote.id = %(vote_id)s AND seal = %(seal)s
)"""

CHANGE_SEALED_VOTE = f"""
WITH {POLL_AND_OWN}, vote AS (
    UPDATE polls_vote AS vote
       SET choices = %(choices)s::bigint[], ballot = decode(%(ballot)s, 'hex')
      FROM poll
     WHERE vote.id = (SELECT id FROM own) AND changeable
    RETURNING vote.id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM own) AS proven, EXISTS (SELECT FROM vote) AS changed
"""


def change_sealed_vote(
    conn: Connection, slug: str, vote_id: int, seal: bytes, choices: Sequence[int], *, ballot: str | None = None
) -> None:
    """Change the vote of a receipt: one statement, one round trip.

    Raises NotProven where no vote has this receipt, AlreadyVoted where votes are final, and otherwise like cast_vote.
    """
    with translated_errors():
        found, proven, changed = fetch_one(
            conn,
            CHANGE_SEALED_VOTE,
            slug=slug,
            vote_id=vote_id,
            seal=seal,
            choices=list(choices),
            ballot=ballot,
        )
    if not found:
        raise PollNotFound(slug)
    if not proven:
        raise NotProven("No vote has this receipt")
    if not changed:
        raise AlreadyVoted("Votes in this poll are final")


WITHDRAW_SEALED_VOTE = f"""
WITH {POLL_AND_OWN}, vote AS (
    DELETE FROM polls_vote WHERE id = (SELECT id FROM own) AND (SELECT changeable FROM poll)
    RETURNING id
)
SELECT EXISTS (SELECT FROM poll) AS found,
       EXISTS (SELECT FROM poll WHERE changeable) AS changeable,
       EXISTS (SELECT FROM own) AS proven
  FROM (SELECT count(*) FROM vote) AS withdrawn
"""


def withdraw_sealed_vote(conn: Connection, slug: str, vote_id: int, seal: bytes) -> None:
    """Withdraw the vote of a receipt. Raises like withdraw_vote, NotProven also where no vote has this receipt."""
    with translated_errors():
        row = fetch_one(conn, WITHDRAW_SEALED_VOTE, slug=slug, vote_id=vote_id, seal=seal)
    raise_unless_withdrawn(slug, *row)
