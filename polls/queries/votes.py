"""Casting votes."""

from collections.abc import Sequence

from psycopg2.extensions import connection as Connection

from polls.queries.errors import AlreadyVoted, PollNotFound, translated_errors
from polls.queries.run import fetch_one

CAST_VOTE = """
WITH poll AS (
    SELECT id FROM polls_poll WHERE slug = %(slug)s AND audience = %(audience)s AND opens_at IS NOT NULL
), vote AS (
    INSERT INTO polls_vote (poll_id, voter, choices)
    SELECT id, %(voter)s, %(choices)s::bigint[] FROM poll
        ON CONFLICT (poll_id, voter) DO NOTHING
    RETURNING id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM vote) AS cast
"""


def cast_vote(conn: Connection, slug: str, voter: str, choices: Sequence[int], *, audience: str = "link") -> None:
    """Cast a vote: one statement, one round trip. When this returns, in autocommit, the vote counts.

    `audience` is the kind of voter that `voter` names; a poll for another audience is not found.
    Raises PollNotFound, or the VoteRefused that says why; then nothing was written.
    """
    with translated_errors():
        row = fetch_one(conn, CAST_VOTE, slug=slug, audience=audience, voter=voter, choices=list(choices))
    found, cast = row
    if not found:
        raise PollNotFound(slug)
    if not cast:
        raise AlreadyVoted("This voter has voted in this poll")
