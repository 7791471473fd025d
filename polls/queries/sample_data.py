"""Sample polls, and votes by the million."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from psycopg2.extensions import connection as Connection

from polls.queries.errors import translated_errors
from polls.queries.fetch import fetch_all


class SupportsRead(Protocol):
    """The part of a file that COPY reads from."""

    def read(self, size: int = ..., /) -> str:
        """Return some of the rest, the empty string at its end."""


CREATE_SAMPLE_POLL = """
WITH poll AS (
    INSERT INTO polls_poll (slug, title, description, min_choices, max_choices, opens_at)
    VALUES (%(slug)s, %(title)s, %(description)s, %(min_choices)s, %(max_choices)s, %(opens_at)s)
        ON CONFLICT (slug) DO NOTHING
    RETURNING id
), option AS (
    INSERT INTO polls_option (poll_id, text, position)
    SELECT poll.id, text, position
      FROM poll CROSS JOIN unnest(%(options)s::text[]) WITH ORDINALITY AS wanted (text, position)
     ORDER BY position
    RETURNING id
)
SELECT poll.id, ARRAY(SELECT option.id FROM option ORDER BY option.id) AS option_ids FROM poll
"""


def create_sample_poll(
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
    """Create a poll. Return its id and those of its options in order, or None where `slug` is taken."""
    rows = fetch_all(
        conn,
        CREATE_SAMPLE_POLL,
        slug=slug,
        title=title,
        description=description,
        options=list(options),
        min_choices=min_choices,
        max_choices=max_choices,
        opens_at=opens_at,
    )
    return (rows[0][0], rows[0][1]) if rows else None


COPY_VOTES = """
COPY polls_vote (poll_id, voter, choices) FROM STDIN
"""


def copy_votes(conn: Connection, lines: SupportsRead) -> None:
    """Write votes from `lines`, a file in COPY's text format of poll id, voter and choices.

    The triggers check and count all of them at once. Raises like cast_vote.
    """
    with translated_errors(), conn.cursor() as cursor:
        cursor.copy_expert(COPY_VOTES, lines)  # type: ignore[arg-type] # it calls read, and nothing else
