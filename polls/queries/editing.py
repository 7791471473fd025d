"""Editing polls: question, options and rules until the first vote freezes them, and corrections afterwards."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.actors import MANAGED_POLL, NAME_ACTOR, SEEN, SEES_RESULTS, Actor
from polls.queries.errors import PollChanged, PollNotFound, translated_errors
from polls.queries.fetch import fetch_one


class PollDetails(NamedTuple):
    """Everything about a poll that its owner decides, except its schedule."""

    title: str
    description: str
    options: Sequence[str]
    audience: str
    named: bool
    changeable: bool
    shuffled: bool
    min_choices: int
    max_choices: int
    results: str
    listed: bool
    draw_source: str
    locked: bool = False
    recountable: bool = False


class Schedule(NamedTuple):
    """When a poll opens and closes, and the time zone of its pages.

    `opens` is "now", "at" (the time opens_at), "draft" (not yet) or "keep" (leave it as it is).
    """

    opens: str
    opens_at: datetime | None
    closes_at: datetime | None
    time_zone: str


# One statement, so that no poll is ever without its options. The slug is made from a key in the form, so that a form
# sent twice creates one poll.
CREATE_POLL = f"""
WITH actor AS (
    SELECT {NAME_ACTOR}, set_config('polls.role', 'owner', true)
), made AS (
    INSERT INTO polls_poll (slug, owner_id, title, description, audience, named, changeable, shuffled,
                            min_choices, max_choices, results, listed, draw_source, locked, recountable, time_zone,
                            opens_at, closes_at)
    SELECT %(slug)s, %(user_id)s, %(title)s, %(description)s, %(audience)s, %(named)s, %(changeable)s, %(shuffled)s,
           %(min_choices)s, %(max_choices)s, %(results)s, %(listed)s, %(draw_source)s, %(locked)s, %(recountable)s,
           %(time_zone)s,
           CASE %(opens)s::text
               WHEN 'now' THEN clock_timestamp()
               WHEN 'at' THEN greatest(%(opens_at)s::timestamptz, clock_timestamp())
           END,
           %(closes_at)s::timestamptz
      FROM actor
        ON CONFLICT DO NOTHING
    RETURNING id
), options AS (
    INSERT INTO polls_option (poll_id, text, position)
    SELECT made.id, text, position
      FROM made CROSS JOIN unnest(%(options)s::text[]) WITH ORDINALITY AS wanted (text, position)
     ORDER BY position
    RETURNING id
)
SELECT count(*) FROM options
"""


def create_poll(conn: Connection, slug: str, actor: Actor, details: PollDetails, schedule: Schedule) -> None:
    """Create a poll with its options. Where there is a poll at `slug` already, nothing happens.

    Raises OptionsAlike, WrongWindow where the poll would close before it opens, LockedWithoutEnd where it is locked and
    would open without a closing time, or RecountNeedsResults; nothing is written then.
    """
    with translated_errors():
        fetch_one(conn, CREATE_POLL, slug=slug, **actor._asdict(), **_parameters(details), **schedule._asdict())


EDIT_POLL = f"""
WITH managed AS ({MANAGED_POLL}), poll AS (
    -- Locked before any row: a vote under way holds its poll's lock, and then waits for the rows of its options.
    SELECT id, polls_hold_votes(id) AS voted FROM managed
), edited AS (
    UPDATE polls_poll AS current
       SET title = %(title)s, description = %(description)s, audience = %(audience)s, named = %(named)s,
           changeable = %(changeable)s, shuffled = %(shuffled)s, min_choices = %(min_choices)s,
           max_choices = %(max_choices)s, listed = %(listed)s, draw_source = %(draw_source)s,
           results = CASE WHEN {SEES_RESULTS} THEN %(results)s ELSE results END,
           locked = %(locked)s, recountable = %(recountable)s
      FROM poll
     WHERE current.id = poll.id AND {SEEN}
    RETURNING current.id
), wanted AS (
    SELECT edited.id AS poll_id, text, position
      FROM edited CROSS JOIN unnest(%(options)s::text[]) WITH ORDINALITY AS line (text, position)
), removed AS (
    DELETE FROM polls_option AS option USING edited
     WHERE option.poll_id = edited.id AND option.text <> ALL (%(options)s::text[])
    RETURNING option.id
), moved AS (
    -- An option that stays keeps its id, so that a ballot that is open in a browser remains valid.
    UPDATE polls_option AS option SET position = wanted.position
      FROM wanted
     WHERE option.poll_id = wanted.poll_id AND option.text = wanted.text AND option.position <> wanted.position
    RETURNING option.id
), added AS (
    INSERT INTO polls_option (poll_id, text, position)
    SELECT wanted.poll_id, wanted.text, wanted.position
      FROM (SELECT count(*) FROM removed) AS first -- an option that only looks alike has to be gone
     CROSS JOIN wanted
     WHERE NOT EXISTS (
        SELECT FROM polls_option AS option WHERE option.poll_id = wanted.poll_id AND option.text = wanted.text
     )
     ORDER BY wanted.position
    RETURNING id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM edited) AS edited
"""


def edit_poll(conn: Connection, slug: str, actor: Actor, details: PollDetails, *, revision: int | None = None) -> None:
    """Replace the details of a poll: all of them or none. Who may not see its results does not change who does.

    `revision` is that of the poll as the actor saw it, None where it does not matter. Raises PollChanged where the poll
    has another one by now, PollFrozen where the poll has votes and something frozen would change, PollLocked where it
    is locked, has opened, and a rule would change, or like create_poll; PollNotFound where there is no such poll or the
    actor may not manage it.
    """
    with translated_errors():
        found, edited = fetch_one(
            conn, EDIT_POLL, slug=slug, **actor._asdict(), **_parameters(details), revision=revision
        )
    raise_unless_done(slug, found, edited)


EDIT_VISIBILITY = f"""
WITH poll AS ({MANAGED_POLL}), edited AS (
    UPDATE polls_poll AS current
       SET results = CASE WHEN {SEES_RESULTS} THEN %(results)s ELSE results END, listed = %(listed)s
      FROM poll
     WHERE current.id = poll.id AND {SEEN}
    RETURNING current.id
)
SELECT EXISTS (SELECT FROM poll) AS found, EXISTS (SELECT FROM edited) AS edited
"""


def edit_visibility(
    conn: Connection, slug: str, actor: Actor, *, results: str, listed: bool, revision: int | None = None
) -> None:
    """Change who sees the results, which those do who see them themselves, and whether the front page shows the poll.

    Raises PollChanged, PollLocked, RecountNeedsResults, ResultsFixed or PollNotFound like edit_poll.
    """
    with translated_errors():
        found, edited = fetch_one(
            conn,
            EDIT_VISIBILITY,
            slug=slug,
            **actor._asdict(),
            results=results,
            listed=listed,
            revision=revision,
        )
    raise_unless_done(slug, found, edited)


CORRECT_TEXT = f"""
WITH managed AS ({MANAGED_POLL}), held AS (
    -- Locked before any row, as in EDIT_POLL.
    SELECT id, polls_hold_votes(id) AS voted FROM managed
), poll AS (
    SELECT current.id FROM held JOIN polls_poll AS current USING (id) WHERE {SEEN} FOR NO KEY UPDATE OF current
), corrected AS (
    INSERT INTO polls_correction (poll_id, field, option_id, after, reason)
    SELECT id, %(field)s, %(option_id)s::bigint, %(after)s, %(reason)s FROM poll
    RETURNING id
)
SELECT EXISTS (SELECT FROM managed) AS found, EXISTS (SELECT FROM corrected) AS corrected
"""


def correct_text(
    conn: Connection,
    slug: str,
    actor: Actor,
    *,
    field: str,
    option_id: int | None,
    after: str,
    reason: str,
    revision: int | None = None,
) -> None:
    """Correct a typo after the first vote, in public. `field` is title, description, or option with its id.

    Raises BadCorrection, OptionsAlike, or PollChanged and PollNotFound like edit_poll; nothing is written then.
    """
    with translated_errors():
        found, corrected = fetch_one(
            conn,
            CORRECT_TEXT,
            slug=slug,
            **actor._asdict(),
            field=field,
            option_id=option_id,
            after=after,
            reason=reason,
            revision=revision,
        )
    raise_unless_done(slug, found, corrected)


def raise_unless_done(slug: str, found: bool, done: bool) -> None:
    """Raise PollNotFound or PollChanged where a statement with the guard of forms has written nothing."""
    if not found:
        raise PollNotFound(slug)
    if not done:
        raise PollChanged("The poll has changed meanwhile")


def _parameters(details: PollDetails) -> dict[str, object]:
    return {**details._asdict(), "options": list(details.options)}
