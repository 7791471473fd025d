"""Casting, changing and withdrawing votes."""

from collections.abc import Sequence

from psycopg2.extensions import connection as Connection

from polls.queries.errors import AlreadyVoted, NotChangeable, NotEntitled, PollNotFound, translated_errors
from polls.queries.fetch import fetch_one

# Tells polls_check_voter_key the id of VOTER_KEY, for this statement; always true, also where key_id is NULL.
UNDER_VOTER_KEY = "set_config('polls.key_id', %(key_id)s::text, true) IS NOT NULL"

CAST_VOTE = f"""
WITH poll AS (
    SELECT id, changeable,
           CASE audience
               WHEN 'link' THEN CASE WHEN named THEN %(named_browser)s ELSE %(hidden_browser)s END
               WHEN 'account' THEN CASE WHEN named THEN %(named_account)s ELSE %(hidden_account)s END
           END AS voter
      FROM polls_poll
     WHERE slug = %(slug)s AND opens_at IS NOT NULL AND {UNDER_VOTER_KEY}
), vote AS (
    INSERT INTO polls_vote AS vote (poll_id, voter, choices)
    SELECT id, voter, %(choices)s::bigint[] FROM poll WHERE voter IS NOT NULL
        ON CONFLICT (poll_id, voter) DO UPDATE
           SET choices = excluded.choices, cast_at = clock_timestamp()
         WHERE (SELECT changeable FROM poll)
    RETURNING id
)
SELECT EXISTS (SELECT FROM poll) AS found,
       EXISTS (SELECT FROM poll WHERE voter IS NOT NULL) AS entitled,
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
    VOTER_KEY that made these keys; with None, it is not compared with that of the poll's earlier votes. Raises
    PollNotFound, or the VoteRefused that says why; nothing is written then.
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


def raise_unless_cast(slug: str, found: bool, entitled: bool, cast: bool) -> None:
    """Raise the error that the result of a statement means, where it cast no vote."""
    if not found:
        raise PollNotFound(slug)
    if not entitled:
        raise NotEntitled("This poll is for others")
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
