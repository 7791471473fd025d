"""Votes that are cast with an invitation."""

from collections.abc import Sequence

from psycopg2.extensions import connection as Connection

from polls.queries.errors import NotChangeable, NotEntitled, PollNotFound, translated_errors
from polls.queries.fetch import fetch_one
from polls.queries.votes import UNDER_VOTER_KEY, raise_unless_cast

CAST_INVITED_VOTE = f"""
WITH poll AS (
    SELECT id, changeable, CASE WHEN named THEN %(named_voter)s ELSE %(hidden_voter)s END AS voter
      FROM polls_poll
     WHERE slug = %(slug)s AND audience = 'invite' AND opens_at IS NOT NULL AND {UNDER_VOTER_KEY}
), invite AS (
    -- Waits for a revocation or a new link under way and then reads the row again; makes later ones wait.
    SELECT invite.id
      FROM poll JOIN polls_invite AS invite ON invite.poll_id = poll.id
     WHERE invite.id = %(invite_id)s AND token_hash = %(token_hash)s AND revoked_at IS NULL
       FOR SHARE OF invite
), vote AS (
    INSERT INTO polls_vote AS vote (poll_id, voter, choices)
    SELECT poll.id, voter, %(choices)s::bigint[] FROM poll CROSS JOIN invite
        ON CONFLICT (poll_id, voter) DO UPDATE
           SET choices = excluded.choices, cast_at = clock_timestamp()
         WHERE (SELECT changeable FROM poll)
    RETURNING id
)
SELECT EXISTS (SELECT FROM poll) AS found,
       EXISTS (SELECT FROM invite) AS entitled,
       EXISTS (SELECT FROM vote) AS cast
"""


def cast_invited_vote(
    conn: Connection,
    slug: str,
    invite_id: int,
    token_hash: str,
    named_voter: str,
    hidden_voter: str,
    choices: Sequence[int],
    key_id: str | None = None,
) -> None:
    """Cast a vote with an invitation, or change it where the poll allows that: one statement, one round trip.

    When this returns, in autocommit, the vote counts. It raises NotEntitled where a revocation or a new link was
    committed before the vote; a later one waits for the vote. Raises like cast_vote otherwise.
    """
    with translated_errors():
        row = fetch_one(
            conn,
            CAST_INVITED_VOTE,
            slug=slug,
            invite_id=invite_id,
            token_hash=token_hash,
            named_voter=named_voter,
            hidden_voter=hidden_voter,
            key_id=key_id,
            choices=list(choices),
        )
    raise_unless_cast(slug, *row)


WITHDRAW_INVITED_VOTE = """
WITH poll AS (
    SELECT id, changeable FROM polls_poll WHERE slug = %(slug)s AND audience = 'invite'
), invite AS (
    SELECT invite.id
      FROM poll JOIN polls_invite AS invite ON invite.poll_id = poll.id
     WHERE invite.id = %(invite_id)s AND token_hash = %(token_hash)s AND revoked_at IS NULL
       FOR SHARE OF invite
), vote AS (
    DELETE FROM polls_vote
     WHERE poll_id = (SELECT id FROM poll WHERE changeable)
       AND voter = ANY (%(voter_keys)s)
       AND EXISTS (SELECT FROM invite)
    RETURNING id
)
SELECT EXISTS (SELECT FROM poll) AS found,
       EXISTS (SELECT FROM poll WHERE changeable) AS changeable,
       EXISTS (SELECT FROM invite) AS entitled
  FROM (SELECT count(*) FROM vote) AS withdrawn
"""


def withdraw_invited_vote(
    conn: Connection, slug: str, invite_id: int, token_hash: str, voter_keys: Sequence[str]
) -> None:
    """Withdraw the vote under one of these keys, cast with an invitation. Does nothing where there is none.

    Raises NotEntitled where the link was revoked or replaced, and otherwise like withdraw_vote.
    """
    with translated_errors():
        found, changeable, entitled = fetch_one(
            conn,
            WITHDRAW_INVITED_VOTE,
            slug=slug,
            invite_id=invite_id,
            token_hash=token_hash,
            voter_keys=list(voter_keys),
        )
    if not found:
        raise PollNotFound(slug)
    if not changeable:
        raise NotChangeable("Votes in this poll are final")
    if not entitled:
        raise NotEntitled("This invitation is not valid any more")
