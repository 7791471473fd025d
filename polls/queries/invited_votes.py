"""Votes that are cast with an invitation."""

import secrets
from collections.abc import Sequence

from psycopg2.extensions import connection as Connection

from polls.queries.errors import NotEntitled, translated_errors
from polls.queries.fetch import fetch_one
from polls.queries.votes import (
    PROVEN,
    SEAL_BYTES,
    VoterKeys,
    raise_unless_cast,
    raise_unless_withdrawn,
)

CAST_INVITED_VOTE = """
SELECT known, entitled, done, may_change
  FROM polls_cast_invited_vote(
    %(slug)s, %(key_id)s, %(ballot)s, %(choices)s::bigint[], %(seals)s::bytea[],
    %(invite_id)s, %(token_hash)s, %(named_voter)s, %(hidden_voter)s, %(seal)s
  )
"""


def cast_invited_vote(
    conn: Connection,
    slug: str,
    invite_id: int,
    token_hash: str,
    voter: VoterKeys,
    choices: Sequence[int],
    *,
    ballot: str | None = None,
    key_id: str | None = None,
) -> None:
    """Cast a vote with an invitation, or change it where the poll allows that and the voter holds its receipt: one
    statement, one round trip.

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
            named_voter=voter.named,
            hidden_voter=voter.hidden,
            seal=voter.seal or secrets.token_bytes(SEAL_BYTES),
            seals=[voter.seal] if voter.seal else [],
            key_id=key_id,
            choices=list(choices),
            ballot=ballot,
        )
    raise_unless_cast(slug, *row)


WITHDRAW_INVITED_VOTE = f"""
WITH poll AS (
    SELECT id, audience, named, changeable FROM polls_poll WHERE slug = %(slug)s AND audience = 'invite'
), invite AS (
    SELECT invite.id
      FROM poll JOIN polls_invite AS invite ON invite.poll_id = poll.id
     WHERE invite.id = %(invite_id)s AND token_hash = %(token_hash)s AND revoked_at IS NULL
       FOR SHARE OF invite
), own AS (
    SELECT vote.id, {PROVEN} AS proven
      FROM poll JOIN polls_vote AS vote ON vote.poll_id = poll.id AND vote.voter = ANY (%(voter_keys)s)
), vote AS (
    DELETE FROM polls_vote
     WHERE id IN (SELECT id FROM own WHERE proven)
       AND (SELECT changeable FROM poll)
       AND EXISTS (SELECT FROM invite)
    RETURNING id
)
SELECT EXISTS (SELECT FROM poll) AS found,
       EXISTS (SELECT FROM poll WHERE changeable) AS changeable,
       NOT EXISTS (SELECT FROM own WHERE NOT proven) AS proven,
       EXISTS (SELECT FROM invite) AS entitled
  FROM (SELECT count(*) FROM vote) AS withdrawn
"""


def withdraw_invited_vote(conn: Connection, slug: str, invite_id: int, token_hash: str, voter: VoterKeys) -> None:
    """Withdraw the vote of this voter, cast with an invitation. Does nothing where there is none.

    Raises NotEntitled where the link was revoked or replaced, and otherwise like withdraw_vote.
    """
    with translated_errors():
        found, changeable, proven, entitled = fetch_one(
            conn,
            WITHDRAW_INVITED_VOTE,
            slug=slug,
            invite_id=invite_id,
            token_hash=token_hash,
            voter_keys=[voter.named, voter.hidden],
            seals=[voter.seal] if voter.seal else [],
        )
    raise_unless_withdrawn(slug, found, changeable, proven)
    if not entitled:
        raise NotEntitled("This invitation is not valid any more")
