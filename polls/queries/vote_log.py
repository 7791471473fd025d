"""The log of votes of a named poll: who chose what, and when."""

from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_all


class VoteRow(NamedTuple):
    """One vote. `person` is a user name or the label of an invitation, and empty for a browser, which has no name."""

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
    -- For every viewer alike: an anonymous poll has no log.
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
    """Return votes of a named poll whose ids come after `after`, in the order of their ids; of an anonymous poll, none.

    Meant to be read in parts, each with a connection for a moment: the next part begins after the last id.
    """
    return [VoteRow(*row) for row in fetch_all(conn, LIST_VOTES, poll_id=poll_id, after=after, limit=limit)]
