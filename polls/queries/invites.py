"""Invitations: made, listed, replaced and revoked by the owner of a poll, and found by the people who follow a link.

Only the SHA-256 of a link's token is stored. Looking it up needs no constant-time comparison: hashes are compared, and
no guess can be chosen so that its hash agrees with a stored one further than by chance.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.actors import MANAGED_POLL, MAY_MANAGE, Actor
from polls.queries.errors import InviteNotFound, InviteUsed, LinksKept, PollNotFound, translated_errors
from polls.queries.fetch import fetch_all, fetch_one
from polls.queries.secrecy import SHOWN_TURNOUT, VOTERS_WITHHELD


class InviteRow(NamedTuple):
    """One invitation; `label` says for whom it is."""

    id: int
    label: str
    token_hash: str
    issued_at: datetime
    revoked_at: datetime | None


class Invites(NamedTuple):
    """Invitations to a poll, in the order in which they were made. `invited`, `revoked` and `voter_count` count all of
    the poll's: its invitations, the revoked ones among them, and the people who have voted, as far as that is shown.

    While `in_steps`, `voter_count` is that of the last step; where `step_due`, take_steps brings it forward. Where
    `voters_withheld`, no one is shown who has voted until the poll has closed, and from the first vote on no link
    is replaced, which `keeps_links` tells: whether one can be would tell it. `is_locked_now` says that the poll is
    locked and has opened, so that no one else is invited.
    """

    poll_id: int
    title: str
    named: bool
    state: str
    invited: int
    revoked: int
    voter_count: int
    in_steps: bool
    step_due: bool
    voters_withheld: bool
    keeps_links: bool
    is_locked_now: bool
    invites: list[InviteRow]


FIND_INVITE = """
SELECT slug, invite.id
  FROM polls_invite AS invite JOIN polls_poll AS poll ON poll.id = invite.poll_id
 WHERE token_hash = %(token_hash)s AND revoked_at IS NULL AND audience = 'invite' AND opens_at IS NOT NULL
"""


def find_invite(conn: Connection, token_hash: str) -> tuple[str, int] | None:
    """Return the poll's slug and the invitation's id for the hash of a token, None where no valid link has it."""
    for slug, invite_id in fetch_all(conn, FIND_INVITE, token_hash=token_hash):
        return slug, invite_id
    return None


GET_INVITES = f"""
WITH poll AS MATERIALIZED (
    SELECT poll.id, title, named, state,
           (SELECT count(*) FROM polls_invite AS invite WHERE invite.poll_id = poll.id) AS invited,
           (SELECT count(*) FROM polls_invite AS invite
             WHERE invite.poll_id = poll.id AND revoked_at IS NOT NULL) AS revoked,
           shown.voters AS voter_count,
           in_steps,
           step_due,
           {VOTERS_WITHHELD} AS voters_withheld,
           {VOTERS_WITHHELD} AND turnout.voters > 0 AS keeps_links,
           locked AND coalesce(opens_at <= clock_timestamp(), false) AS is_locked_now
      FROM polls_poll AS poll
     CROSS JOIN LATERAL polls_state(opens_at, closes_at, archived_at) AS state
     {SHOWN_TURNOUT}
     WHERE slug = %(slug)s AND audience = 'invite' AND {MAY_MANAGE}
)
SELECT poll.id, title, named, state, invited, revoked, voter_count, in_steps, step_due, voters_withheld, keeps_links,
       is_locked_now,
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
    conn: Connection, slug: str, actor: Actor, *, search: str = "", limit: int | None = None, offset: int = 0
) -> Invites:
    """Return the invitations whose label contains `search`, ignoring case: all, or `limit` after the first `offset`.

    Raises PollNotFound where there is no such poll for invited people, or the actor may not manage it.
    """
    rows = fetch_all(
        conn,
        GET_INVITES,
        slug=slug,
        **actor._asdict(),
        search=search,
        limit=limit,
        offset=offset,
    )
    if not rows:
        raise PollNotFound(slug)
    return Invites._make((*rows[0][:12], [InviteRow(*row[12:]) for row in rows if row[12] is not None]))


LIST_VOTERS_AMONG = f"""
SELECT voter
  FROM polls_vote AS vote
  JOIN polls_poll AS poll ON poll.id = vote.poll_id
 CROSS JOIN LATERAL polls_state(opens_at, closes_at, archived_at) AS state
 WHERE poll_id = %(poll_id)s AND voter = ANY (%(voter_keys)s) AND NOT {VOTERS_WITHHELD}
"""


def list_voters_among(conn: Connection, poll_id: int, voter_keys: Collection[str]) -> set[str]:
    """Return those of these keys under which there is a vote; none where that is shown to no one before the poll has
    closed. Never tells what was chosen."""
    return {voter for (voter,) in fetch_all(conn, LIST_VOTERS_AMONG, poll_id=poll_id, voter_keys=list(voter_keys))}


GET_INVITE_LABELS = """
SELECT id, label FROM polls_invite WHERE poll_id = %(poll_id)s AND id = ANY (%(invite_ids)s)
"""


def get_invite_labels(conn: Connection, poll_id: int, invite_ids: Sequence[int]) -> dict[int, str]:
    """Return the labels of invitations by id, without those that the poll does not have."""
    return dict(fetch_all(conn, GET_INVITE_LABELS, poll_id=poll_id, invite_ids=list(invite_ids)))


MAKE_INVITES = f"""
WITH managed AS ({MANAGED_POLL}), poll AS (
    SELECT id FROM managed WHERE audience = 'invite'
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


def make_invites(conn: Connection, slug: str, actor: Actor, people: Sequence[tuple[str, str]]) -> None:
    """Invite people, each given as a label and the hash of a token: all of them or none.

    Raises InviteExists where one of the labels or hashes exists already, PollLocked where the poll is locked and has
    opened, and PollNotFound like get_invites.
    """
    with translated_errors():
        (found,) = fetch_one(
            conn,
            MAKE_INVITES,
            slug=slug,
            **actor._asdict(),
            labels=[label for label, _ in people],
            hashes=[token_hash for _, token_hash in people],
        )
    if not found:
        raise PollNotFound(slug)


REVOKE_INVITE = f"""
WITH managed AS ({MANAGED_POLL}), poll AS (
    SELECT id FROM managed WHERE audience = 'invite'
)
UPDATE polls_invite AS invite
   SET revoked_at = coalesce(revoked_at, clock_timestamp())
  FROM poll
 WHERE invite.poll_id = poll.id AND invite.id = %(invite_id)s
RETURNING label
"""


def revoke_invite(conn: Connection, slug: str, actor: Actor, invite_id: int) -> str:
    """Revoke an invitation, so that its link stops working. A vote cast with it stays. Return its label.

    Raises InviteNotFound where the poll has no such invitation, or the actor may not manage it.
    """
    rows = fetch_all(
        conn,
        REVOKE_INVITE,
        slug=slug,
        **actor._asdict(),
        invite_id=invite_id,
    )
    return _label_of_the_one(rows, invite_id)


REISSUE_INVITE = f"""
WITH managed AS ({MANAGED_POLL}), poll AS (
    SELECT poll.id, {VOTERS_WITHHELD} AND EXISTS (SELECT FROM polls_vote WHERE poll_id = poll.id) AS kept
      FROM managed
      JOIN polls_poll AS poll ON poll.id = managed.id AND poll.audience = 'invite'
     CROSS JOIN LATERAL polls_state(opens_at, closes_at, archived_at) AS state
), wanted AS (
    SELECT invite.id, kept,
           EXISTS (SELECT FROM polls_vote AS vote
                     JOIN polls_poll AS anonymous ON anonymous.id = vote.poll_id AND NOT named
                    WHERE vote.poll_id = poll.id AND voter = %(hidden_voter)s) AS used
      FROM poll JOIN polls_invite AS invite ON invite.poll_id = poll.id
     WHERE invite.id = %(invite_id)s
), invite AS (
    UPDATE polls_invite AS invite
       SET token_hash = %(token_hash)s, issued_at = clock_timestamp(), revoked_at = NULL
      FROM wanted
     WHERE invite.id = wanted.id AND NOT used AND NOT kept
    RETURNING label
)
SELECT (SELECT label FROM invite) AS label, used, kept FROM wanted
"""


def reissue_invite(
    conn: Connection, slug: str, actor: Actor, invite_id: int, token_hash: str, hidden_voter: str
) -> str:
    """Give an invitation a new link, also after a revocation; the old link stops working. Return its label.

    The invitation and its voter stay the same: a vote cast before remains the only one. `hidden_voter` is the key of
    its vote in an anonymous poll. Raises InviteUsed where there is one: a new link would let others look at it or
    replace it. Raises LinksKept, whether there is one or not, while no one is shown who has voted. Raises like
    revoke_invite otherwise.
    """
    rows = fetch_all(
        conn,
        REISSUE_INVITE,
        slug=slug,
        **actor._asdict(),
        invite_id=invite_id,
        token_hash=token_hash,
        hidden_voter=hidden_voter,
    )
    for label, used, kept in rows:
        if kept:
            raise LinksKept(invite_id)
        if used:
            raise InviteUsed(invite_id)
        return str(label)
    raise InviteNotFound(invite_id)


def _label_of_the_one(rows: list[tuple[str]], invite_id: int) -> str:
    for (label,) in rows:
        return label
    raise InviteNotFound(invite_id)
