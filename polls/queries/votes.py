"""Casting, changing and withdrawing votes."""

import secrets
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.errors import AlreadyVoted, NotChangeable, NotEntitled, NotProven, PollNotFound, translated_errors
from polls.queries.fetch import fetch_one
from polls.queries.secrecy import COUNTS_SHOWN


class VoterKeys(NamedTuple):
    """A person as a voter in a poll. Their vote stands under `named` where the owner sees who chose what, and under
    `hidden` in an anonymous poll. `seal` is the hash of their receipt, None where they have none."""

    named: str
    hidden: str
    seal: bytes | None = None


# Whether a vote is shown to those who look, and is theirs to change: they hold its receipt, or it is from before there
# were receipts. In an anonymous poll, others could replace a link or a password, so no one may change such a vote
# there. Of polls_vote AS vote and polls_poll AS poll.
PROVEN = """(vote.seal = ANY (%(seals)s::bytea[])
            OR vote.seal IS NULL AND (poll.audience = 'link' OR poll.named))"""

# What the statements that show a poll say of the viewer's own vote. An invitation that was revoked or replaced shows
# nothing, except to who holds the receipt. None does while who has voted is withheld: others may have kept the link.
OWN_VOTE_JOINS = f"""LEFT JOIN polls_vote AS vote ON vote.poll_id = poll.id AND vote.voter = ANY (%(voter_keys)s)
 CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM polls_invite AS invite
                    WHERE invite.id = %(invite_id)s AND invite.poll_id = poll.id
                      AND token_hash = %(token_hash)s AND revoked_at IS NULL) AS invited,
           coalesce({PROVEN}, false) AS proven
 ) AS claim
 CROSS JOIN LATERAL (
    SELECT vote.id IS NOT NULL AND CASE
               WHEN proven OR poll.audience <> 'invite' THEN true
               WHEN {COUNTS_SHOWN} AND polls_state(poll.opens_at, poll.closes_at, poll.archived_at) = 'open' THEN false
               ELSE invited
           END AS voted
 ) AS own"""

OWN_VOTE_COLUMNS = """invited,
       voted,
       CASE WHEN proven THEN vote.choices END AS choices,
       CASE WHEN proven AND vote.seal IS NOT NULL THEN vote.id END AS receipt_id"""


class OwnVote(NamedTuple):
    """What a viewer is told of their own vote: whether their invitation is valid, and whether they have voted. The
    choices, None where there is no vote, are shown only to who holds the receipt; its number is `receipt_id`."""

    invited: bool
    voted: bool
    choices: list[int] | None
    receipt_id: int | None


def own_vote_parameters(
    voter_keys: Sequence[str], seals: Sequence[bytes], invitation: tuple[int, str] | None
) -> dict[str, Any]:
    """Return the parameters of OWN_VOTE_JOINS."""
    invite_id, token_hash = invitation or (None, None)
    return {"voter_keys": list(voter_keys), "seals": list(seals), "invite_id": invite_id, "token_hash": token_hash}


# Of the random seal that a vote without a receipt is given: here, because the planner would read the function of the
# database that makes one with every vote.
SEAL_BYTES: Final = 32

NO_VOTE: Final = OwnVote(False, False, None, None)

CAST_VOTE = """
SELECT known, entitled, done, may_change
  FROM polls_cast_vote(
    %(slug)s, %(key_id)s, %(ballot)s, %(choices)s::bigint[], %(seals)s::bytea[],
    %(named_browser)s, %(hidden_browser)s, %(browser_seal)s,
    %(named_account)s, %(hidden_account)s, %(account_seal)s
  )
"""


def cast_vote(
    conn: Connection,
    slug: str,
    choices: Sequence[int],
    *,
    browser: VoterKeys | None = None,
    account: VoterKeys | None = None,
    ballot: str | None = None,
    key_id: str | None = None,
) -> None:
    """Cast a vote, or change it where the poll allows that and the voter holds its receipt: one statement, one round
    trip.

    When this returns, in autocommit, the vote counts. `browser` and `account` are the voter as a browser and as an
    account; the poll's audience decides which of them votes. `ballot` is the content hash of the poll as the voter saw
    it, None where no ballot was shown. `key_id` is the id of the VOTER_KEY that made the keys; with None, it is not
    compared with that of the poll's earlier votes. Raises PollNotFound, or the VoteRefused that says why; nothing is
    written then.
    """
    named_browser, hidden_browser, browser_seal = browser or (None, None, None)
    named_account, hidden_account, account_seal = account or (None, None, None)
    with translated_errors():
        row = fetch_one(
            conn,
            CAST_VOTE,
            slug=slug,
            named_browser=named_browser,
            hidden_browser=hidden_browser,
            browser_seal=browser_seal or secrets.token_bytes(SEAL_BYTES),
            named_account=named_account,
            hidden_account=hidden_account,
            account_seal=account_seal or secrets.token_bytes(SEAL_BYTES),
            seals=[seal for seal in (browser_seal, account_seal) if seal],
            key_id=key_id,
            choices=list(choices),
            ballot=ballot,
        )
    raise_unless_cast(slug, *row)


def raise_unless_cast(slug: str, found: bool, entitled: bool, cast: bool, changeable: bool) -> None:
    """Raise the error that the result of a statement means, where it cast no vote."""
    if not found:
        raise PollNotFound(slug)
    if not entitled:
        raise NotEntitled("This poll is for others")
    if not cast and changeable:
        raise NotProven("This vote is changed with its receipt only")
    if not cast:
        raise AlreadyVoted("This voter has voted in this poll")


WITHDRAW_VOTE = f"""
WITH poll AS (
    SELECT id, audience, named, changeable FROM polls_poll WHERE slug = %(slug)s
), own AS (
    SELECT vote.id, {PROVEN} AS proven
      FROM poll JOIN polls_vote AS vote ON vote.poll_id = poll.id AND vote.voter = ANY (%(voter_keys)s)
), vote AS (
    DELETE FROM polls_vote
     WHERE id IN (SELECT id FROM own WHERE proven) AND (SELECT changeable FROM poll)
    RETURNING id
)
SELECT EXISTS (SELECT FROM poll) AS found,
       EXISTS (SELECT FROM poll WHERE changeable) AS changeable,
       NOT EXISTS (SELECT FROM own WHERE NOT proven) AS proven
  FROM (SELECT count(*) FROM vote) AS withdrawn
"""


def withdraw_vote(conn: Connection, slug: str, voter_keys: Sequence[str], seals: Sequence[bytes]) -> None:
    """Withdraw the vote under one of these keys and sealed by one of these receipts. Does nothing where no vote stands
    under the keys.

    Raises PollNotFound, NotChangeable, NotProven or PollNotOpen; nothing is changed then.
    """
    with translated_errors():
        found, changeable, proven = fetch_one(
            conn, WITHDRAW_VOTE, slug=slug, voter_keys=list(voter_keys), seals=list(seals)
        )
    raise_unless_withdrawn(slug, found, changeable, proven)


def raise_unless_withdrawn(slug: str, found: bool, changeable: bool, proven: bool) -> None:
    """Raise the error that the result of a statement means, where it withdrew no vote."""
    if not found:
        raise PollNotFound(slug)
    if not changeable:
        raise NotChangeable("Votes in this poll are final")
    if not proven:
        raise NotProven("This vote is withdrawn with its receipt only")
