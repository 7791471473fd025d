"""Casting, changing and withdrawing votes."""

from collections.abc import Sequence

from psycopg2.extensions import connection as Connection

from polls.queries.errors import (
    AlreadyVoted,
    NotChangeable,
    NotEntitled,
    OtherVoterKey,
    PollNotFound,
    translated_errors,
)
from polls.queries.fetch import fetch_one

# Whether VOTER_KEY is the one under which votes in the poll stand; NULL where there are none yet. Accounts and
# invitations of named polls need no key.
RECOGNIZED = """(%(key_id)s::text IS NULL OR named AND audience <> 'link' OR key_id = %(key_id)s::text)"""

CAST_VOTE = f"""
WITH poll AS (
    SELECT id, changeable,
           CASE audience
               WHEN 'link' THEN CASE WHEN named THEN %(named_browser)s ELSE %(hidden_browser)s END
               WHEN 'account' THEN CASE WHEN named THEN %(named_account)s ELSE %(hidden_account)s END
           END AS voter,
           {RECOGNIZED} AS recognized
      FROM polls_poll LEFT JOIN polls_pollkey ON poll_id = id
     WHERE slug = %(slug)s AND opens_at IS NOT NULL
), claim AS (
    -- The first vote of a poll. Of several at once, one claims, and the others do not see yet under which key.
    INSERT INTO polls_pollkey (poll_id, key_id)
    SELECT id, %(key_id)s::text FROM poll WHERE voter IS NOT NULL AND recognized IS NULL
        ON CONFLICT (poll_id) DO NOTHING
    RETURNING poll_id
), vote AS (
    INSERT INTO polls_vote AS vote (poll_id, voter, choices)
    SELECT id, voter, %(choices)s::bigint[] FROM poll
     WHERE voter IS NOT NULL AND (recognized OR EXISTS (SELECT FROM claim))
        ON CONFLICT (poll_id, voter) DO UPDATE
           SET choices = excluded.choices, cast_at = clock_timestamp()
         WHERE (SELECT changeable FROM poll)
    RETURNING id
)
SELECT EXISTS (SELECT FROM poll) AS found,
       EXISTS (SELECT FROM poll WHERE voter IS NOT NULL) AS entitled,
       EXISTS (SELECT FROM poll WHERE recognized) OR EXISTS (SELECT FROM claim) AS recognized,
       EXISTS (SELECT FROM vote) AS cast
"""


def cast_vote(
    conn: Connection,
    slug: str,
    choices: Sequence[int],
    *,
    browser: tuple[str, str] | None = None,
    account: tuple[str, str] | None = None,
    key_id: str | None = None,
) -> None:
    """Cast a vote, or change it where the poll allows that: one statement, one round trip.

    When this returns, in autocommit, the vote counts. `browser` and `account` are the named and the hidden key of the
    voter as a browser and as an account; the poll's audience decides which of them votes. `key_id` is the id of the
    VOTER_KEY that made these keys, and None compares none. Raises PollNotFound, or the VoteRefused that says why;
    nothing is written then. Of the first votes of a poll, all but one may raise OtherVoterKey: send them once more.
    """
    named_browser, hidden_browser = browser or (None, None)
    named_account, hidden_account = account or (None, None)
    with translated_errors():
        row = fetch_one(
            conn,
            CAST_VOTE,
            slug=slug,
            named_browser=named_browser,
            hidden_browser=hidden_browser,
            named_account=named_account,
            hidden_account=hidden_account,
            key_id=key_id,
            choices=list(choices),
        )
    raise_unless_cast(slug, *row)


def raise_unless_cast(slug: str, found: bool, entitled: bool, recognized: bool, cast: bool) -> None:
    """Raise the error that the result of a statement means, where it cast no vote."""
    if not found:
        raise PollNotFound(slug)
    if not entitled:
        raise NotEntitled("This poll is for others")
    if not recognized:
        raise OtherVoterKey("Votes in this poll stand under another VOTER_KEY")
    if not cast:
        raise AlreadyVoted("This voter has voted in this poll")


WITHDRAW_VOTE = """
WITH poll AS (
    SELECT id, changeable FROM polls_poll WHERE slug = %(slug)s
), vote AS (
    DELETE FROM polls_vote
     WHERE poll_id = (SELECT id FROM poll WHERE changeable) AND voter = ANY (%(voter_keys)s)
    RETURNING id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM poll WHERE changeable) AS changeable
  FROM (SELECT count(*) FROM vote) AS withdrawn
"""


def withdraw_vote(conn: Connection, slug: str, voter_keys: Sequence[str]) -> None:
    """Withdraw the vote under one of these keys. Does nothing where there is none.

    Raises PollNotFound, NotChangeable or PollNotOpen; nothing is changed then.
    """
    with translated_errors():
        found, changeable = fetch_one(conn, WITHDRAW_VOTE, slug=slug, voter_keys=list(voter_keys))
    if not found:
        raise PollNotFound(slug)
    if not changeable:
        raise NotChangeable("Votes in this poll are final")
