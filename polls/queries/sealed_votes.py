"""Votes without their voters, as everyone sees them once the poll has closed: by the hashes of their receipts."""

from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_all


class SealedVote(NamedTuple):
    """A vote without its voter: the hash of the receipt, and the leaf, as 32 bytes each.

    `key` opens the leaf: leaf = SHA-256(receipt || key || choices). Key and choices are None unless anyone can recount
    the poll.
    """

    receipt: bytes
    leaf: bytes
    key: bytes | None
    choices: list[int] | None


# The votes of a closed poll, whose receipts lie between %(low)s and %(high)s.
SEALED_VOTES = """(
    SELECT receipt, leaf,
           CASE WHEN recountable THEN sha256(seal || convert_to(array_to_string(choices, ','), 'UTF8')) END AS key,
           CASE WHEN recountable THEN choices END AS choices
      FROM (
        SELECT sha256(known.seal) AS receipt, known.seal, choices, recountable,
               polls_leaf(poll_id, voter, known.seal, choices) AS leaf
          FROM polls_vote AS vote
          -- For every viewer alike: while votes may change, nothing is shown of them.
          JOIN polls_poll AS poll ON poll.id = poll_id AND closes_at <= clock_timestamp()
         CROSS JOIN LATERAL (SELECT coalesce(vote.seal, polls_seal_of(poll_id, voter)) AS seal) AS known
         WHERE poll_id = %(poll_id)s
      ) AS vote
     WHERE receipt >= %(low)s AND receipt < %(high)s
 ) AS sealed"""

LIST_SEALED_VOTES = f"""
SELECT receipt, leaf, key, choices
  FROM {SEALED_VOTES}
 ORDER BY receipt
 LIMIT %(limit)s OFFSET %(offset)s
"""


def list_sealed_votes(
    conn: Connection,
    poll_id: int,
    *,
    low: bytes = b"",
    high: bytes = b"\xff" * 33,
    limit: int,
    offset: int = 0,
) -> list[SealedVote]:
    """Return the votes of a closed poll in the order of their receipts; of another poll, none.

    `low` and `high` bound the receipts. Reads every vote of the poll: a million in a second or two. Choices are
    results: ask get_results first whether the viewer may see them.
    """
    rows = fetch_all(conn, LIST_SEALED_VOTES, poll_id=poll_id, low=low, high=high, limit=limit, offset=offset)
    return [
        SealedVote(bytes(receipt), bytes(leaf), bytes(key) if key is not None else None, choices)
        for receipt, leaf, key, choices in rows
    ]


class PackedVotes(NamedTuple):
    """Many votes in little memory: receipt, leaf and, where anyone can recount the poll, key of each, 32 bytes each.

    `choices` are then those of each vote, joined with commas; else None.
    """

    hashes: bytes
    choices: list[str] | None


PACK_SEALED_VOTES = f"""
SELECT string_agg(receipt || leaf || coalesce(key, ''), '' ORDER BY receipt) AS hashes,
       string_agg(array_to_string(choices, ','), ' ' ORDER BY receipt) AS choices
  FROM {SEALED_VOTES}
"""


def pack_sealed_votes(conn: Connection, poll_id: int, *, low: bytes, high: bytes) -> PackedVotes:
    """Return what list_sealed_votes does, without limit, for the bundle of a large poll."""
    [(hashes, choices)] = fetch_all(conn, PACK_SEALED_VOTES, poll_id=poll_id, low=low, high=high)
    return PackedVotes(bytes(hashes or b""), choices.split(" ") if choices is not None else None)


COUNT_RECEIPTS = """
SELECT coalesce(sum(voters), 0)::bigint AS votes
  FROM polls_turnout AS turnout
  JOIN polls_poll AS poll ON poll.id = turnout.poll_id AND closes_at <= clock_timestamp()
 WHERE turnout.poll_id = %(poll_id)s
"""


def count_receipts(conn: Connection, poll_id: int) -> int:
    """Return how many votes a closed poll has, 0 for another poll."""
    [(number,)] = fetch_all(conn, COUNT_RECEIPTS, poll_id=poll_id)
    return int(number)
