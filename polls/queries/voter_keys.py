"""Under which VOTER_KEY the votes of a poll stand."""

from psycopg2.errors import UndefinedTable
from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_all

LIST_POLLS_OF_OTHER_KEYS = """
SELECT slug
  FROM polls_pollkey JOIN polls_poll ON id = poll_id
 WHERE key_id <> %(key_id)s
   AND NOT (named AND audience <> 'link')
   AND polls_state(opens_at, closes_at, archived_at) IN ('scheduled', 'open')
 ORDER BY slug
"""


def list_polls_of_other_keys(conn: Connection, key_id: str) -> list[str]:
    """Return the slugs of the polls that are open, or will be, and whose votes stand under another VOTER_KEY than this.

    Before `migrate` there are none.
    """
    try:
        return [slug for (slug,) in fetch_all(conn, LIST_POLLS_OF_OTHER_KEYS, key_id=key_id)]
    except UndefinedTable:
        return []
