"""The log of votes of a named poll: who chose what, and when."""

from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.run import fetch_all


class VoteRow(NamedTuple):
    """One vote. `person` is a user name, the label of an invitation, or empty for a browser that nobody knows."""

    id: int
    person: str
    cast_at: datetime
    choices: list[int]


LIST_VOTES = """
SELECT vote.id,
       coalesce(account.username, invite.label, '') AS person,
       cast_at,
       choices
  FROM (
    -- Named polls alone, whoever asks: an anonymous one has no log.
    SELECT vote.id, poll_id, voter, cast_at, choices
      FROM polls_vote AS vote JOIN polls_poll AS poll ON poll.id = poll_id AND named
     WHERE poll_id = %(poll_id)s AND vote.id > %(after)s
     ORDER BY vote.id
     LIMIT %(limit)s
  ) AS vote
  LEFT JOIN auth_user AS account
    ON account.id = CASE WHEN voter LIKE 'user:%%' THEN split_part(voter, ':', 2)::bigint END
  LEFT JOIN polls_invite AS invite
    ON invite.id = CASE WHEN voter LIKE 'invite:%%' THEN split_part(voter, ':', 2)::bigint END
   AND invite.poll_id = vote.poll_id
 ORDER BY vote.id
"""


def list_votes(conn: Connection, poll_id: int, *, after: int = 0, limit: int) -> list[VoteRow]:
    """Return votes of a named poll in the order of their ids, after that id; of an anonymous poll, none.

    For a read in parts: each part takes the connection for a moment, and the next goes on after the last id.
    """
    return [VoteRow(*row) for row in fetch_all(conn, LIST_VOTES, poll_id=poll_id, after=after, limit=limit)]
