"""Draws: the frozen entries, and the winners. The database computes both."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.actors import NAME_ACTOR, NAME_ROLE
from polls.queries.errors import PollNotFound, translated_errors
from polls.queries.fetch import fetch_all
from polls.queries.votes import PROVEN


class EntriesRow(NamedTuple):
    """The frozen entries of an option, or, without one, of all voters: how many there are, and the SHA-256 of
    the file of entries."""

    option_id: int | None
    entries: int
    hash: str
    frozen_at: datetime


class DrawRow(NamedTuple):
    """A draw, with everything that it takes to compute it again. `option` is None where it was among all voters, and
    `own` is the viewer's entry code, None where the viewer has no entry."""

    number: int
    option_id: int | None
    option: str | None
    public_value: str
    reason: str
    commitment: str
    secret: str
    winner: str
    alternates: list[str]
    drawn_at: datetime
    entries: int
    entries_hash: str
    frozen_at: datetime
    own: str | None


FREEZE_ENTRIES = f"""
WITH actor AS (SELECT {NAME_ACTOR}, {NAME_ROLE})
INSERT INTO polls_entries (poll_id, option_id)
SELECT %(poll_id)s, %(option_id)s::bigint
  FROM actor
 WHERE NOT EXISTS (
    SELECT FROM polls_entries WHERE poll_id = %(poll_id)s AND option_id IS NOT DISTINCT FROM %(option_id)s
 )
    -- Of either unique index: without an option it is polls_entries_once_among_all.
    ON CONFLICT DO NOTHING
"""


def freeze_entries(
    conn: Connection, poll_id: int, option_id: int | None, *, actor: str, role: str = "operator"
) -> None:
    """Freeze the entries of an option of a closed poll, or, without one, those of all voters. Does nothing where they
    are frozen already.

    Takes seconds for a million entries. Raises the DrawRefused that says why.
    """
    with translated_errors(), conn.cursor() as cursor:
        cursor.execute(FREEZE_ENTRIES, {"poll_id": poll_id, "option_id": option_id, "name": actor, "role": role})


LIST_ENTRIES = """
SELECT option_id, octet_length(codes) / 32 AS entries, hash, frozen_at
  FROM polls_entries
 WHERE poll_id = %(poll_id)s
 ORDER BY frozen_at, id
"""


def list_entries(conn: Connection, poll_id: int) -> list[EntriesRow]:
    """Return the frozen entries of a poll, the oldest first: a row for each option, and one for all voters.

    There is no gate here: ask get_results first whether the viewer may see counts.
    """
    return [EntriesRow(*row) for row in fetch_all(conn, LIST_ENTRIES, poll_id=poll_id)]


GET_CODES = """
SELECT substr(codes, 32 * %(after)s + 1, 32 * %(limit)s) AS codes
  FROM polls_entries
 WHERE poll_id = %(poll_id)s AND option_id IS NOT DISTINCT FROM %(option_id)s
"""


def get_codes(conn: Connection, poll_id: int, option_id: int | None, *, after: int, limit: int) -> bytes:
    """Return up to `limit` frozen entry codes after the first `after`, 32 bytes each. There is no gate here."""
    rows = fetch_all(conn, GET_CODES, poll_id=poll_id, option_id=option_id, after=after, limit=limit)
    return bytes(rows[0][0]) if rows else b""


DRAW_WINNER = f"""
WITH actor AS (SELECT {NAME_ACTOR}, {NAME_ROLE})
INSERT INTO polls_draw (poll_id, number, option_id, public_value, reason)
SELECT %(poll_id)s, %(number)s, %(option_id)s, %(public_value)s, %(reason)s
  FROM actor
"""


def draw_winner(
    conn: Connection,
    poll_id: int,
    option_id: int | None,
    *,
    number: int,
    public_value: str = "",
    reason: str = "",
    actor: str,
    role: str = "operator",
) -> None:
    """Draw a winner from the frozen entries of an option, or, without one, from those of all voters. The database
    computes the winner.

    `number` is one more than that of the latest draw: of two draws at once, one is made and the other raises
    DrawOvertaken. Takes seconds for a million entries. Raises the DrawRefused that says why.
    """
    parameters = {"poll_id": poll_id, "option_id": option_id, "number": number, "name": actor, "role": role}
    with translated_errors(), conn.cursor() as cursor:
        cursor.execute(DRAW_WINNER, parameters | {"public_value": public_value, "reason": reason})


LIST_DRAWS = f"""
SELECT number, draw.option_id, option.text::text AS option, public_value, reason, commitment, draw.secret,
       winner, alternates, drawn_at,
       octet_length(codes) / 32 AS entries, entries.hash, frozen_at,
       (SELECT polls_entry_code(draw.poll_id, draw.option_id, voter)
          FROM polls_vote AS vote
          JOIN polls_poll AS poll ON poll.id = vote.poll_id
         WHERE vote.poll_id = draw.poll_id
           AND voter = ANY (%(voter_keys)s)
           AND {PROVEN}
           AND (draw.option_id IS NULL OR draw.option_id = ANY (choices))
         LIMIT 1) AS own
  FROM polls_draw AS draw
  LEFT JOIN polls_option AS option ON option.id = draw.option_id
  JOIN polls_entries AS entries
    ON entries.poll_id = draw.poll_id AND entries.option_id IS NOT DISTINCT FROM draw.option_id
  JOIN polls_secret AS secret ON secret.poll_id = draw.poll_id
 WHERE draw.poll_id = %(poll_id)s
 ORDER BY number
"""


def list_draws(
    conn: Connection, poll_id: int, *, voter_keys: Sequence[str] = (), seals: Sequence[bytes] = ()
) -> list[DrawRow]:
    """Return all draws of a poll, each with the entry code of the voter with one of these keys and receipts.

    There is no gate here, and numbers of entries are counts of votes: ask get_results first whether the viewer may see
    counts.
    """
    rows = fetch_all(conn, LIST_DRAWS, poll_id=poll_id, voter_keys=list(voter_keys), seals=list(seals))
    return [DrawRow(*row) for row in rows]


GET_ENTRY_CODES = f"""
SELECT polls_entry_code(poll_id, choice, voter) AS code
  FROM polls_vote AS vote
  JOIN polls_poll AS poll ON poll.id = vote.poll_id
 CROSS JOIN unnest(choices) WITH ORDINALITY AS chosen (choice, place)
 WHERE poll_id = %(poll_id)s AND voter = ANY (%(voter_keys)s) AND {PROVEN}
 ORDER BY place
"""


def get_entry_codes(conn: Connection, poll_id: int, voter_keys: Sequence[str], seals: Sequence[bytes]) -> list[str]:
    """Return the codes of a voter in draws among the voters of an option: one for each choice, in the order chosen.

    Like all that is told of choices, only to who holds the receipt.
    """
    rows = fetch_all(conn, GET_ENTRY_CODES, poll_id=poll_id, voter_keys=list(voter_keys), seals=list(seals))
    return [code for (code,) in rows]


GET_ENTRY_CODE_AMONG_ALL = f"""
SELECT polls_entry_code(poll_id, NULL, voter) AS code
  FROM polls_vote AS vote
  JOIN polls_poll AS poll ON poll.id = vote.poll_id
 WHERE poll_id = %(poll_id)s AND voter = ANY (%(voter_keys)s) AND {PROVEN}
 LIMIT 1
"""


def get_entry_code_among_all(
    conn: Connection, poll_id: int, voter_keys: Sequence[str], seals: Sequence[bytes]
) -> str | None:
    """Return the code of a voter in draws among all voters, None where there is no vote, or its receipt is missing."""
    rows = fetch_all(conn, GET_ENTRY_CODE_AMONG_ALL, poll_id=poll_id, voter_keys=list(voter_keys), seals=list(seals))
    return rows[0][0] if rows else None


GET_SECRET = """
SELECT poll.id, secret, commitment
  FROM polls_poll AS poll
  JOIN polls_secret AS secret ON secret.poll_id = poll.id
 WHERE slug = %(slug)s
"""


class SecretRow(NamedTuple):
    """The root of a poll's chain of secrets, and the commitment to it. For verify_poll only: no page shows the root."""

    poll_id: int
    root: bytes
    commitment: str


def get_secret(conn: Connection, slug: str) -> SecretRow:
    """Return the secret that seeds the draws of a poll. Raises PollNotFound."""
    rows = fetch_all(conn, GET_SECRET, slug=slug)
    if not rows:
        raise PollNotFound(slug)
    poll_id, root, commitment = rows[0]
    return SecretRow(poll_id, bytes(root), commitment)


STREAM_VOTERS = """
SELECT voter
  FROM polls_vote
 WHERE poll_id = %(poll_id)s AND (%(option_id)s::bigint IS NULL OR %(option_id)s = ANY (choices))
"""


def stream_voters(conn: Connection, poll_id: int, option_id: int | None) -> Iterator[str]:
    """Yield the keys of those who chose an option, or, without one, of all voters: a million in a second.

    Uses a server-side cursor, and so needs a transaction.
    """
    with conn.cursor("voters") as cursor:
        cursor.itersize = 20_000
        cursor.execute(STREAM_VOTERS, {"poll_id": poll_id, "option_id": option_id})
        for (voter,) in cursor:
            yield voter
