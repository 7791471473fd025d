"""Polls and votes by the million, for samples and benchmarks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from psycopg2.extensions import connection as Connection

from polls.queries.errors import translated_errors
from polls.queries.run import fetch_all


class SupportsRead(Protocol):
    """The part of a file that COPY reads from."""

    def read(self, size: int = ..., /) -> str:
        """Return some of the rest, the empty string at its end."""


SEED_POLL = """
INSERT INTO polls_poll (slug, title, description, min_choices, max_choices, opens_at)
VALUES (%(slug)s, %(title)s, %(description)s, %(min_choices)s, %(max_choices)s, %(opens_at)s)
    ON CONFLICT (slug) DO NOTHING
RETURNING id
"""

SEED_OPTIONS = """
INSERT INTO polls_option (poll_id, text, position)
SELECT %(poll_id)s, text, position FROM unnest(%(texts)s::text[]) WITH ORDINALITY AS option (text, position)
RETURNING id
"""


def seed_poll(
    conn: Connection,
    slug: str,
    title: str,
    description: str,
    options: Sequence[str],
    *,
    min_choices: int,
    max_choices: int,
    opens_at: datetime,
) -> tuple[int, list[int]] | None:
    """Create a poll; return its id and those of its options in order, or None where there is one at `slug`."""
    created = fetch_all(
        conn,
        SEED_POLL,
        slug=slug,
        title=title,
        description=description,
        min_choices=min_choices,
        max_choices=max_choices,
        opens_at=opens_at,
    )
    if not created:
        return None
    poll_id = created[0][0]
    return poll_id, [row[0] for row in fetch_all(conn, SEED_OPTIONS, poll_id=poll_id, texts=list(options))]


COPY_VOTES = """
COPY polls_vote (poll_id, voter, choices, cast_at) FROM STDIN
"""


def copy_votes(conn: Connection, lines: SupportsRead) -> None:
    """Write votes by the million: `lines` is a file in COPY's text format of poll id, voter, choices and time.

    The promises are checked and the tally is counted once for all of them. Raises like cast_vote.
    """
    with translated_errors(), conn.cursor() as cursor:
        cursor.copy_expert(COPY_VOTES, lines)  # type: ignore[arg-type] # it calls read, and nothing else
