"""Opening, closing, archiving and deleting polls, by the database's clock.

A function that returns a bool tells whether the poll was in a state to be changed so; nothing was written otherwise.
"""

from psycopg2.extensions import connection as Connection

from polls.queries.designs import Times
from polls.queries.errors import PollNotFound, translated_errors
from polls.queries.invites import Manager
from polls.queries.run import fetch_one

SET_TIMES = """
WITH poll AS MATERIALIZED (
    SELECT id, set_config('polls.actor', %(actor)s, true) AS actor
      FROM polls_poll
     WHERE slug = %(slug)s AND (%(staff)s OR owner_id = %(user_id)s)
)
UPDATE polls_poll AS changed
   SET opens_at = CASE %(opens)s::text
           WHEN 'keep' THEN opens_at
           WHEN 'now' THEN least(opens_at, clock_timestamp())
           WHEN 'at' THEN greatest(%(opens_at)s::timestamptz, clock_timestamp())
       END,
       closes_at = %(closes_at)s::timestamptz,
       time_zone = %(time_zone)s
  FROM poll
 WHERE changed.id = poll.id
RETURNING changed.id
"""


def set_times(conn: Connection, slug: str, manager: Manager, times: Times) -> None:
    """Say when a poll opens and closes; "now" leaves one that has opened as it is. A closing time to come reopens it.

    Raises PollFrozen where a vote is there and the opening would change, or a draw and the closing would; WrongWindow
    where it would close before it opens; PollNotFound like get_managed.
    """
    with translated_errors():
        fetch_one(conn, SET_TIMES, slug=slug, **manager._asdict(), **times._asdict())


OPEN_POLL = """
WITH poll AS MATERIALIZED (
    SELECT id, set_config('polls.actor', %(actor)s, true) AS actor
      FROM polls_poll
     WHERE slug = %(slug)s AND (%(staff)s OR owner_id = %(user_id)s)
), changed AS (
    UPDATE polls_poll AS changed SET opens_at = clock_timestamp()
      FROM poll
     WHERE changed.id = poll.id
       AND polls_state(opens_at, closes_at, archived_at) IN ('draft', 'scheduled')
       AND (SELECT count(*) FROM polls_option AS option WHERE option.poll_id = poll.id) >= max_choices
    RETURNING changed.id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM changed) AS done
"""


def open_poll(conn: Connection, slug: str, manager: Manager) -> bool:
    """Open a draft or a scheduled poll now; return False where it is none, or has fewer options than may be chosen.

    Raises WrongWindow where its closing time is over, and PollNotFound like get_managed.
    """
    return _change_state(conn, OPEN_POLL, slug, manager)


CLOSE_POLL = """
WITH poll AS MATERIALIZED (
    SELECT id, set_config('polls.actor', %(actor)s, true) AS actor
      FROM polls_poll
     WHERE slug = %(slug)s AND (%(staff)s OR owner_id = %(user_id)s)
), changed AS (
    UPDATE polls_poll AS changed SET closes_at = clock_timestamp()
      FROM poll
     WHERE changed.id = poll.id AND polls_state(opens_at, closes_at, archived_at) = 'open'
    RETURNING changed.id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM changed) AS done
"""


def close_poll(conn: Connection, slug: str, manager: Manager) -> bool:
    """Close an open poll now; return False where it is not open. Votes under way are waited for, and count.

    Raises PollNotFound like get_managed.
    """
    return _change_state(conn, CLOSE_POLL, slug, manager)


ARCHIVE_POLL = """
WITH poll AS MATERIALIZED (
    SELECT id, set_config('polls.actor', %(actor)s, true) AS actor
      FROM polls_poll
     WHERE slug = %(slug)s AND (%(staff)s OR owner_id = %(user_id)s)
), changed AS (
    UPDATE polls_poll AS changed SET archived_at = clock_timestamp()
      FROM poll
     WHERE changed.id = poll.id AND polls_state(opens_at, closes_at, archived_at) = 'closed'
    RETURNING changed.id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM changed) AS done
"""


def archive_poll(conn: Connection, slug: str, manager: Manager) -> bool:
    """Put a closed poll away; return False where it is not closed. Raises PollNotFound like get_managed."""
    return _change_state(conn, ARCHIVE_POLL, slug, manager)


UNARCHIVE_POLL = """
WITH poll AS MATERIALIZED (
    SELECT id, set_config('polls.actor', %(actor)s, true) AS actor
      FROM polls_poll
     WHERE slug = %(slug)s AND (%(staff)s OR owner_id = %(user_id)s)
), changed AS (
    UPDATE polls_poll AS changed SET archived_at = NULL
      FROM poll
     WHERE changed.id = poll.id AND archived_at IS NOT NULL
    RETURNING changed.id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM changed) AS done
"""


def unarchive_poll(conn: Connection, slug: str, manager: Manager) -> bool:
    """Take a poll out of the archive, as it was; return False where it is not in it. Raises like archive_poll."""
    return _change_state(conn, UNARCHIVE_POLL, slug, manager)


# Foreign keys that Django made are checked at the commit, so the order does not matter.
DELETE_POLL = """
WITH poll AS MATERIALIZED (
    -- Held before any row is, as in EDIT_POLL.
    SELECT id, set_config('polls.actor', %(actor)s, true) AS actor, polls_hold_votes(id) AS voted
      FROM polls_poll
     WHERE slug = %(slug)s AND (%(staff)s OR owner_id = %(user_id)s)
), options AS (
    DELETE FROM polls_option AS option USING poll WHERE option.poll_id = poll.id
), invites AS (
    DELETE FROM polls_invite AS invite USING poll WHERE invite.poll_id = poll.id
), deleted AS (
    DELETE FROM polls_poll AS deleted USING poll WHERE deleted.id = poll.id
)
SELECT EXISTS (SELECT FROM poll) AS found, true AS done
"""


def delete_poll(conn: Connection, slug: str, manager: Manager) -> None:
    """Delete a poll without votes, its options and its invitations.

    Raises PollFrozen where it has votes, and PollNotFound like get_managed.
    """
    _change_state(conn, DELETE_POLL, slug, manager)


def _change_state(conn: Connection, statement: str, slug: str, manager: Manager) -> bool:
    with translated_errors():
        found, done = fetch_one(conn, statement, slug=slug, **manager._asdict())
    if not found:
        raise PollNotFound(slug)
    return bool(done)
