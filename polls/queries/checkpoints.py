"""Checkpoints: a poll's votes so far as one hash, and what they can be checked by once the poll has closed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_all


class CheckpointRow(NamedTuple):
    """A checkpoint as it is public at any time. It tells no number of votes."""

    number: int
    taken_at: datetime
    hash: str
    closing: bool


class BatchRow(NamedTuple):
    """A checkpoint and what its hash is made of besides its lines, of which there are `entries`."""

    number: int
    taken_at: datetime
    hash: str
    closing: bool
    content_hash: str
    option_ids: list[int]
    entries: int


# Whether polls_poll AS poll has votes after its latest checkpoint AS latest.
HAS_NEW_VOTES = """EXISTS (
    SELECT FROM polls_journal AS journal
     WHERE journal.poll_id = poll.id AND journal.number > coalesce(latest.upto, 0)
 )"""

# Whether that poll is closed and lacks a checkpoint. With AND, the journal would be read if it has no closing time.
UNCHECKED = f"""CASE WHEN closes_at <= clock_timestamp()
           THEN latest.closing IS false OR {HAS_NEW_VOTES} ELSE false END"""

# The latest checkpoint AS latest of polls_poll AS poll.
LATEST_CHECKPOINT = """LEFT JOIN LATERAL (
    SELECT checkpoint.number, taken_at, checkpoint.hash, closing, upto
      FROM polls_checkpoint AS checkpoint
     WHERE checkpoint.poll_id = poll.id
     ORDER BY checkpoint.number DESC
     LIMIT 1
 ) AS latest ON true"""

LATEST_COLUMNS = f"""latest.number, latest.taken_at, latest.hash, latest.closing, {UNCHECKED} AS unchecked"""


def make_checkpoint(
    number: int | None, taken_at: datetime | None, digest: str | None, closing: bool | None
) -> CheckpointRow | None:
    """Return the row for the first of LATEST_COLUMNS, None where there is no checkpoint."""
    if number is None or taken_at is None or digest is None:
        return None
    return CheckpointRow(number, taken_at, digest, bool(closing))


TAKE_CHECKPOINT = """
INSERT INTO polls_checkpoint (poll_id)
SELECT id FROM polls_poll WHERE slug = %(slug)s
RETURNING number, taken_at, hash, closing
"""


def take_checkpoint(conn: Connection, slug: str) -> CheckpointRow | None:
    """Take a checkpoint of the votes since the last one, and return it.

    Returns None where there is nothing new, where an open poll had one in this minute, or where the votes under way did
    not end soon; voters wait for it no longer than for a poll that is being closed.
    """
    rows = fetch_all(conn, TAKE_CHECKPOINT, slug=slug)
    return CheckpointRow(*rows[0]) if rows else None


LIST_UNCHECKED = f"""
SELECT slug
  FROM polls_poll AS poll
  {LATEST_CHECKPOINT}
 WHERE (slug = ANY (%(slugs)s)
        OR closes_at BETWEEN clock_timestamp() - interval '1 hour' AND clock_timestamp()
        OR %(every)s AND opens_at <= clock_timestamp() AND coalesce(closes_at, 'infinity') > clock_timestamp())
   AND (latest.closing IS false AND closes_at <= clock_timestamp()
        OR {HAS_NEW_VOTES})
"""


def list_unchecked(conn: Connection, slugs: Sequence[str], *, every: bool) -> list[str]:
    """Return which of these polls, and of those that closed in the last hour, have votes after their last checkpoint;
    with `every`, of all open polls too."""
    return [slug for (slug,) in fetch_all(conn, LIST_UNCHECKED, slugs=list(slugs), every=every)]


LIST_CHECKPOINTS = """
SELECT number, taken_at, hash, closing
  FROM polls_checkpoint
 WHERE poll_id = %(poll_id)s
 ORDER BY number
"""


def list_checkpoints(conn: Connection, poll_id: int) -> list[CheckpointRow]:
    """Return all checkpoints of a poll, the oldest first."""
    return [CheckpointRow(*row) for row in fetch_all(conn, LIST_CHECKPOINTS, poll_id=poll_id)]


LIST_BATCHES = """
SELECT number, taken_at, hash, closing, content_hash, option_ids, entries
  FROM polls_checkpoint
 WHERE poll_id = %(poll_id)s AND number > %(after)s
 ORDER BY number
 LIMIT %(limit)s
"""


def list_batches(conn: Connection, poll_id: int, *, after: int = 0, limit: int) -> list[BatchRow]:
    """Return up to `limit` checkpoints after number `after`, with what their hashes are made of.

    There is no gate here: while a poll is open, numbers of entries would tell a hidden turnout.
    """
    return [BatchRow(*row) for row in fetch_all(conn, LIST_BATCHES, poll_id=poll_id, after=after, limit=limit)]


LIST_LINES = """
SELECT checkpoint.number, string_agg(line, '' ORDER BY line) AS lines
  FROM (
    SELECT number, upto, lag(upto, 1, 0::bigint) OVER (ORDER BY number) AS after
      FROM polls_checkpoint
     WHERE poll_id = %(poll_id)s AND number BETWEEN %(first)s - 1 AND %(last)s
  ) AS checkpoint
  JOIN polls_journal AS journal
    ON journal.poll_id = %(poll_id)s AND journal.number > after AND journal.number <= upto
 CROSS JOIN LATERAL (VALUES ('+'::bytea || added), ('-'::bytea || removed)) AS entry (line)
 WHERE checkpoint.number >= %(first)s AND line >= %(low)s AND line < %(high)s
 GROUP BY checkpoint.number
 ORDER BY checkpoint.number
"""


def list_lines(
    conn: Connection, poll_id: int, first: int, last: int, *, low: bytes = b"", high: bytes = b"\xff"
) -> dict[int, bytes]:
    """Return the lines of the checkpoints from `first` to `last`, by number: 33 bytes each, sorted, a sign and a leaf.

    `low` and `high` bound the lines, so that a large batch can be read in parts. There is no gate here.
    """
    rows = fetch_all(conn, LIST_LINES, poll_id=poll_id, first=first, last=last, low=low, high=high)
    return {number: bytes(lines) for number, lines in rows}


LIST_CORRECTIONS = """
SELECT field, option_id, before, after
  FROM polls_correction
 WHERE poll_id = %(poll_id)s
 ORDER BY id
"""


class CorrectedText(NamedTuple):
    """A text that was corrected: the field, and which option it was."""

    field: str
    option_id: int | None
    before: str
    after: str


def list_corrections(conn: Connection, poll_id: int) -> list[CorrectedText]:
    """Return the corrections of a poll, the oldest first."""
    return [CorrectedText(*row) for row in fetch_all(conn, LIST_CORRECTIONS, poll_id=poll_id)]


STREAM_LEAVES = """
SELECT polls_leaf(poll_id, voter, seal, choices) AS leaf
  FROM polls_vote
 WHERE poll_id = %(poll_id)s
"""


def stream_leaves(conn: Connection, poll_id: int) -> Iterator[bytes]:
    """Yield the leaves of all votes of a poll, computed from the votes.

    Uses a server-side cursor, and so needs a transaction.
    """
    with conn.cursor("leaves") as cursor:
        cursor.itersize = 20_000
        cursor.execute(STREAM_LEAVES, {"poll_id": poll_id})
        for (leaf,) in cursor:
            yield bytes(leaf)


STREAM_JOURNAL = """
SELECT number, added, removed
  FROM polls_journal
 WHERE poll_id = %(poll_id)s
 ORDER BY number
"""


class JournalRow(NamedTuple):
    """An entry of the journal: the leaf of a vote that was added, of one that was removed, or both."""

    number: int
    added: bytes | None
    removed: bytes | None


def stream_journal(conn: Connection, poll_id: int) -> Iterator[JournalRow]:
    """Yield the entries of a poll's journal in their order. Needs a transaction, like stream_leaves."""
    with conn.cursor("journal") as cursor:
        cursor.itersize = 20_000
        cursor.execute(STREAM_JOURNAL, {"poll_id": poll_id})
        for number, added, removed in cursor:
            yield JournalRow(number, added and bytes(added), removed and bytes(removed))


LIST_CUTS = """
SELECT number, taken_at, hash, closing, content_hash, option_ids, entries, upto
  FROM polls_checkpoint
 WHERE poll_id = %(poll_id)s
 ORDER BY number
"""


def list_cuts(conn: Connection, poll_id: int) -> list[tuple[BatchRow, int]]:
    """Return all checkpoints of a poll, each with the number of the last entry of the journal that it covers."""
    return [(BatchRow(*row), upto) for *row, upto in fetch_all(conn, LIST_CUTS, poll_id=poll_id)]
