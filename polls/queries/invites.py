"""Invitations: made, listed, replaced and revoked by those who run a poll, and found by those who follow a link.

Only the SHA-256 of a link's token is stored. Looking it up needs no care about timing: what is compared is the hash,
and nobody can steer how far a guess's hash agrees with a stored one, so the time says nothing about a token.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.errors import InviteNotFound, PollNotFound, translated_errors
from polls.queries.run import fetch_all, fetch_one


class Manager(NamedTuple):
    """Who asks to manage invitations. Only the owner of the poll and staff may; `actor` names them in the trail."""

    user_id: int
    staff: bool
    actor: str


class InviteRow(NamedTuple):
    """One invitation; `label` says for whom it is."""

    id: int
    label: str
    token_hash: str
    issued_at: datetime
    revoked_at: datetime | None


class Invites(NamedTuple):
    """Invitations to a poll, those asked for in the order in which they were made. The numbers are of all: invitations,
    revoked ones among them, and people who have voted."""

    poll_id: int
    title: str
    named: bool
    state: str
    invited: int
    revoked: int
    voters: int
    invites: list[InviteRow]


FIND_INVITE = """
SELECT slug, invite.id
  FROM polls_invite AS invite JOIN polls_poll AS poll ON poll.id = invite.poll_id
 WHERE token_hash = %(token_hash)s AND revoked_at IS NULL AND audience = 'invite' AND opens_at IS NOT NULL
"""


def find_invite(conn: Connection, token_hash: str) -> tuple[str, int] | None:
    """Return the poll's address and the invitation's id for the hash of a link, None where no valid link has it."""
    for slug, invite_id in fetch_all(conn, FIND_INVITE, token_hash=token_hash):
        return slug, invite_id
    return None


GET_INVITES = """
WITH poll AS MATERIALIZED (
    SELECT poll.id, title, named, polls_state(opens_at, closes_at, archived_at) AS state,
           (SELECT count(*) FROM polls_invite AS invite WHERE invite.poll_id = poll.id) AS invited,
           (SELECT count(*) FROM polls_invite AS invite
             WHERE invite.poll_id = poll.id AND revoked_at IS NOT NULL) AS revoked,
           (SELECT coalesce(sum(voters), 0)::bigint FROM polls_turnout AS turnout
             WHERE turnout.poll_id = poll.id) AS voters
      FROM polls_poll AS poll
     WHERE slug = %(slug)s AND audience = 'invite' AND (%(staff)s OR owner_id = %(user_id)s)
)
SELECT poll.id, title, named, state, invited, revoked, voters,
       invite.id, label, token_hash, issued_at, revoked_at
  FROM poll
  LEFT JOIN LATERAL (
    SELECT invite.id, label, token_hash, issued_at, revoked_at
      FROM polls_invite AS invite
     WHERE invite.poll_id = poll.id AND strpos(lower(label), lower(%(search)s)) > 0
     ORDER BY invite.id
     LIMIT %(limit)s OFFSET %(offset)s
  ) AS invite ON true
 ORDER BY invite.id
"""


def get_invites(
    conn: Connection, slug: str, manager: Manager, *, search: str = "", limit: int | None = None, offset: int = 0
) -> Invites:
    """Return invitations whose label contains `search` in any case: `limit` of them after the first `offset`, or all.

    Raises PollNotFound where there is no such poll for invited people, or `manager` may not manage it.
    """
    rows = fetch_all(
        conn,
        GET_INVITES,
        slug=slug,
        **manager._asdict(),
        search=search,
        limit=limit,
        offset=offset,
    )
    if not rows:
        raise PollNotFound(slug)
    return Invites._make((*rows[0][:7], [InviteRow(*row[7:]) for row in rows if row[7] is not None]))


LIST_VOTERS_AMONG = """
SELECT voter FROM polls_vote WHERE poll_id = %(poll_id)s AND voter = ANY (%(voters)s)
"""


def list_voters_among(conn: Connection, poll_id: int, voters: Collection[str]) -> set[str]:
    """Return those of these keys under which there is a vote: that somebody has voted, and never what."""
    return {voter for (voter,) in fetch_all(conn, LIST_VOTERS_AMONG, poll_id=poll_id, voters=list(voters))}


MAKE_INVITES = """
WITH poll AS (
    SELECT id, set_config('polls.actor', %(actor)s, true) AS actor
      FROM polls_poll
     WHERE slug = %(slug)s AND audience = 'invite' AND (%(staff)s OR owner_id = %(user_id)s)
), invite AS (
    INSERT INTO polls_invite (poll_id, label, token_hash)
    SELECT poll.id, label, token_hash
      FROM poll
     CROSS JOIN unnest(%(labels)s::text[], %(hashes)s::text[]) WITH ORDINALITY AS person (label, token_hash, line)
     ORDER BY line
    RETURNING id
)
SELECT EXISTS (SELECT FROM poll) AS found FROM (SELECT count(*) FROM invite) AS made
"""


def make_invites(conn: Connection, slug: str, manager: Manager, people: Sequence[tuple[str, str]]) -> None:
    """Invite people, each given as a label and the hash of a link: all of them or, with an error, none.

    Raises InviteExists where one of the labels or hashes is there already, and PollNotFound like get_invites.
    """
    with translated_errors():
        (found,) = fetch_one(
            conn,
            MAKE_INVITES,
            slug=slug,
            **manager._asdict(),
            labels=[label for label, _ in people],
            hashes=[token_hash for _, token_hash in people],
        )
    if not found:
        raise PollNotFound(slug)


REVOKE_INVITE = """
WITH poll AS (
    SELECT id, set_config('polls.actor', %(actor)s, true) AS actor
      FROM polls_poll
     WHERE slug = %(slug)s AND audience = 'invite' AND (%(staff)s OR owner_id = %(user_id)s)
)
UPDATE polls_invite AS invite
   SET revoked_at = coalesce(revoked_at, clock_timestamp())
  FROM poll
 WHERE invite.poll_id = poll.id AND invite.id = %(invite_id)s
RETURNING label
"""


def revoke_invite(conn: Connection, slug: str, manager: Manager, invite_id: int) -> str:
    """Make an invitation's link worthless; a vote cast with it stays. Return its label.

    Raises InviteNotFound where the poll has no such invitation, or `manager` may not manage it.
    """
    rows = fetch_all(
        conn,
        REVOKE_INVITE,
        slug=slug,
        **manager._asdict(),
        invite_id=invite_id,
    )
    return _label_of_the_one(rows, invite_id)


REISSUE_INVITE = """
WITH poll AS (
    SELECT id, set_config('polls.actor', %(actor)s, true) AS actor
      FROM polls_poll
     WHERE slug = %(slug)s AND audience = 'invite' AND (%(staff)s OR owner_id = %(user_id)s)
)
UPDATE polls_invite AS invite
   SET token_hash = %(token_hash)s, issued_at = clock_timestamp(), revoked_at = NULL
  FROM poll
 WHERE invite.poll_id = poll.id AND invite.id = %(invite_id)s
RETURNING label
"""


def reissue_invite(conn: Connection, slug: str, manager: Manager, invite_id: int, token_hash: str) -> str:
    """Give an invitation a new link, also after a revocation; the old link becomes worthless. Return its label.

    The invitation stays the same, and with it the voter: a vote cast before is still the only one. Raises like
    revoke_invite.
    """
    rows = fetch_all(
        conn,
        REISSUE_INVITE,
        slug=slug,
        **manager._asdict(),
        invite_id=invite_id,
        token_hash=token_hash,
    )
    return _label_of_the_one(rows, invite_id)


def _label_of_the_one(rows: list[tuple[str]], invite_id: int) -> str:
    for (label,) in rows:
        return label
    raise InviteNotFound(invite_id)
