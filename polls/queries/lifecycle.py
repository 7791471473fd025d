"""Opening, closing, archiving and deleting polls, by the database's clock.

A function that returns a bool returns False where the state of the poll forbids the change; nothing is written then.
"""

from psycopg2.extensions import connection as Connection

from polls.queries.actors import MANAGED_POLL, SEEN, Actor
from polls.queries.editing import Schedule, raise_unless_done
from polls.queries.errors import PollNotFound, translated_errors
from polls.queries.fetch import fetch_one

SET_SCHEDULE = f"""
WITH poll AS ({MANAGED_POLL}), changed AS (
    UPDATE polls_poll AS current
       SET opens_at = CASE %(opens)s::text
               WHEN 'keep' THEN opens_at
               WHEN 'now' THEN least(opens_at, clock_timestamp())
               WHEN 'at' THEN greatest(%(opens_at)s::timestamptz, clock_timestamp())
           END,
           closes_at = %(closes_at)s::timestamptz,
           time_zone = %(time_zone)s
      FROM poll
     WHERE current.id = poll.id AND {SEEN}
    RETURNING current.id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM changed) AS changed
"""


def set_schedule(conn: Connection, slug: str, actor: Actor, schedule: Schedule, *, revision: int | None = None) -> None:
    """Set when a poll opens and closes. "now" changes nothing for a poll that has opened; a closing time in the future
    reopens a closed one.

    Raises PollFrozen where the poll has votes and its opening would change, or a draw and its closing would;
    WrongWindow where it would close before it opens; PollLocked where it is locked and has opened; LockedWithoutEnd
    where it is locked and would open without a closing time; PollChanged like edit_poll; PollNotFound like
    get_managed_poll.
    """
    with translated_errors():
        found, changed = fetch_one(
            conn, SET_SCHEDULE, slug=slug, **actor._asdict(), **schedule._asdict(), revision=revision
        )
    raise_unless_done(slug, found, changed)


OPEN_POLL = f"""
WITH managed AS ({MANAGED_POLL}), poll AS (
    SELECT current.id FROM managed JOIN polls_poll AS current USING (id) WHERE {SEEN} FOR NO KEY UPDATE OF current
), changed AS (
    UPDATE polls_poll AS changed SET opens_at = clock_timestamp()
      FROM poll
     WHERE changed.id = poll.id
       AND polls_state(opens_at, closes_at, archived_at) IN ('draft', 'scheduled')
       AND (SELECT count(*) FROM polls_option AS option WHERE option.poll_id = poll.id) >= max_choices
    RETURNING changed.id
)
SELECT EXISTS (SELECT FROM managed) AS found,
       EXISTS (SELECT FROM poll) AS seen,
       EXISTS (SELECT FROM changed) AS done
"""


def open_poll(conn: Connection, slug: str, actor: Actor, *, revision: int | None = None) -> bool:
    """Open a draft or a scheduled poll now. Return False for another one, or one with fewer options than may be chosen.

    Raises WrongWindow where its closing time is in the past, LockedWithoutEnd where it is locked and has none,
    PollChanged where the actor saw another `revision` of it, and PollNotFound like get_managed_poll.
    """
    with translated_errors():
        found, seen, done = fetch_one(conn, OPEN_POLL, slug=slug, **actor._asdict(), revision=revision)
    raise_unless_done(slug, found, seen)
    return bool(done)


CLOSE_POLL = f"""
WITH poll AS ({MANAGED_POLL}), changed AS (
    UPDATE polls_poll AS changed SET closes_at = clock_timestamp()
      FROM poll
     WHERE changed.id = poll.id AND polls_state(opens_at, closes_at, archived_at) = 'open'
    RETURNING changed.id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM changed) AS done
"""


def close_poll(conn: Connection, slug: str, actor: Actor) -> bool:
    """Close an open poll now; return False where it is not open. Waits for the votes under way, which count.

    Raises PollLocked where it is locked, and PollNotFound like get_managed_poll.
    """
    return _change_state(conn, CLOSE_POLL, slug, actor)


ARCHIVE_POLL = f"""
WITH poll AS ({MANAGED_POLL}), changed AS (
    UPDATE polls_poll AS changed SET archived_at = clock_timestamp()
      FROM poll
     WHERE changed.id = poll.id AND polls_state(opens_at, closes_at, archived_at) = 'closed'
    RETURNING changed.id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM changed) AS done
"""


def archive_poll(conn: Connection, slug: str, actor: Actor) -> bool:
    """Archive a closed poll; return False where it is not closed. Raises PollNotFound like get_managed_poll."""
    return _change_state(conn, ARCHIVE_POLL, slug, actor)


UNARCHIVE_POLL = f"""
WITH poll AS ({MANAGED_POLL}), changed AS (
    UPDATE polls_poll AS changed SET archived_at = NULL
      FROM poll
     WHERE changed.id = poll.id AND archived_at IS NOT NULL
    RETURNING changed.id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM changed) AS done
"""


def unarchive_poll(conn: Connection, slug: str, actor: Actor) -> bool:
    """Unarchive a poll; return False where it is not archived. Raises like archive_poll."""
    return _change_state(conn, UNARCHIVE_POLL, slug, actor)


# Django's foreign keys are checked at the commit, so the order does not matter.
DELETE_POLL = f"""
WITH managed AS ({MANAGED_POLL}), held AS (
    -- Locked before any row, as in EDIT_POLL.
    SELECT id, polls_hold_votes(id) AS voted FROM managed
), poll AS (
    SELECT current.id FROM held JOIN polls_poll AS current USING (id) WHERE {SEEN} FOR UPDATE OF current
), options AS (
    DELETE FROM polls_option AS option USING poll WHERE option.poll_id = poll.id
), invites AS (
    DELETE FROM polls_invite AS invite USING poll WHERE invite.poll_id = poll.id
), deleted AS (
    DELETE FROM polls_poll AS deleted USING poll WHERE deleted.id = poll.id
)
SELECT EXISTS (SELECT FROM managed) AS found, EXISTS (SELECT FROM poll) AS deleted
"""


def delete_poll(conn: Connection, slug: str, actor: Actor, *, revision: int | None = None) -> None:
    """Delete a poll without votes, with its options and its invitations.

    Raises PollFrozen where it has votes, PollChanged where the actor saw another `revision` of it, and PollNotFound
    like get_managed_poll.
    """
    with translated_errors():
        found, deleted = fetch_one(conn, DELETE_POLL, slug=slug, **actor._asdict(), revision=revision)
    raise_unless_done(slug, found, deleted)


def _change_state(conn: Connection, statement: str, slug: str, actor: Actor) -> bool:
    with translated_errors():
        found, done = fetch_one(conn, statement, slug=slug, **actor._asdict())
    if not found:
        raise PollNotFound(slug)
    return bool(done)
