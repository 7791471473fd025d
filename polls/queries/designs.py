"""What a poll asks and by which rules: written by those who run it, until the first vote freezes it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.errors import PollNotFound, translated_errors
from polls.queries.invites import Manager
from polls.queries.run import fetch_one


class Design(NamedTuple):
    """All of a poll that its owner decides, without its times."""

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


class Times(NamedTuple):
    """When a poll opens and closes, and the zone that it shows times in.

    `opens` is "now", "at" (the time opens_at), "draft" (not yet) or "keep" (leave it as it is).
    """

    opens: str
    opens_at: datetime | None
    closes_at: datetime | None
    time_zone: str


# One statement: a poll never stands there without its options. The slug is made from a key in the form, so that a form
# that is sent twice makes one poll.
CREATE_POLL = """
WITH actor AS (
    SELECT set_config('polls.actor', %(actor)s, true)
), made AS (
    INSERT INTO polls_poll (slug, owner_id, title, description, audience, named, changeable, shuffled,
                            min_choices, max_choices, results, listed, draw_source, time_zone, opens_at, closes_at)
    SELECT %(slug)s, %(user_id)s, %(title)s, %(description)s, %(audience)s, %(named)s, %(changeable)s, %(shuffled)s,
           %(min_choices)s, %(max_choices)s, %(results)s, %(listed)s, %(draw_source)s, %(time_zone)s,
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


def create_poll(conn: Connection, slug: str, manager: Manager, design: Design, times: Times) -> None:
    """Make a poll with its options: one statement. Where there is a poll at `slug` already, nothing happens.

    Raises OptionsAlike, or WrongWindow where it would close before it opens; then nothing was written.
    """
    with translated_errors():
        fetch_one(conn, CREATE_POLL, slug=slug, **manager._asdict(), **_written(design), **times._asdict())


EDIT_POLL = """
WITH poll AS MATERIALIZED (
    -- Held before any row is: a vote under way holds its poll, and then waits for the rows of its options.
    SELECT id, set_config('polls.actor', %(actor)s, true) AS actor, polls_hold_votes(id) AS voted
      FROM polls_poll
     WHERE slug = %(slug)s AND (%(staff)s OR owner_id = %(user_id)s)
), edited AS (
    UPDATE polls_poll AS edited
       SET title = %(title)s, description = %(description)s, audience = %(audience)s, named = %(named)s,
           changeable = %(changeable)s, shuffled = %(shuffled)s, min_choices = %(min_choices)s,
           max_choices = %(max_choices)s, results = %(results)s, listed = %(listed)s, draw_source = %(draw_source)s
      FROM poll
     WHERE edited.id = poll.id
    RETURNING edited.id
), wanted AS (
    SELECT edited.id AS poll_id, text, position
      FROM edited CROSS JOIN unnest(%(options)s::text[]) WITH ORDINALITY AS line (text, position)
), removed AS (
    DELETE FROM polls_option AS option USING edited
     WHERE option.poll_id = edited.id AND option.text <> ALL (%(options)s::text[])
    RETURNING option.id
), moved AS (
    -- What stays keeps its id: a ballot that somebody has open is still good.
    UPDATE polls_option AS option SET position = wanted.position
      FROM wanted
     WHERE option.poll_id = wanted.poll_id AND option.text = wanted.text AND option.position <> wanted.position
    RETURNING option.id
), added AS (
    INSERT INTO polls_option (poll_id, text, position)
    SELECT wanted.poll_id, wanted.text, wanted.position
      FROM (SELECT count(*) FROM removed) AS first -- or an option that only looks alike would still be there
     CROSS JOIN wanted
     WHERE NOT EXISTS (
        SELECT FROM polls_option AS option WHERE option.poll_id = wanted.poll_id AND option.text = wanted.text
     )
     ORDER BY wanted.position
    RETURNING id
)
SELECT EXISTS (SELECT FROM poll) AS found
"""


def edit_poll(conn: Connection, slug: str, manager: Manager, design: Design) -> None:
    """Replace all of a poll that its owner decides: one statement, all of it or nothing.

    Raises PollFrozen where the first vote is there and something frozen would change, OptionsAlike, or PollNotFound
    where there is no such poll or `manager` may not manage it.
    """
    with translated_errors():
        (found,) = fetch_one(conn, EDIT_POLL, slug=slug, **manager._asdict(), **_written(design))
    if not found:
        raise PollNotFound(slug)


EDIT_AUDIENCE_OF_RESULTS = """
WITH poll AS MATERIALIZED (
    SELECT id, set_config('polls.actor', %(actor)s, true) AS actor
      FROM polls_poll
     WHERE slug = %(slug)s AND (%(staff)s OR owner_id = %(user_id)s)
)
UPDATE polls_poll AS edited
   SET results = %(results)s, listed = %(listed)s
  FROM poll
 WHERE edited.id = poll.id
RETURNING edited.id
"""


def edit_audience_of_results(conn: Connection, slug: str, manager: Manager, *, results: str, listed: bool) -> None:
    """Change what is never frozen: who sees the results, and whether the front page shows the poll.

    Raises PollNotFound like edit_poll.
    """
    fetch_one(conn, EDIT_AUDIENCE_OF_RESULTS, slug=slug, **manager._asdict(), results=results, listed=listed)


CORRECT = """
WITH poll AS MATERIALIZED (
    SELECT id, set_config('polls.actor', %(actor)s, true) AS actor
      FROM polls_poll
     WHERE slug = %(slug)s AND (%(staff)s OR owner_id = %(user_id)s)
)
INSERT INTO polls_correction (poll_id, field, option_id, after, reason)
SELECT id, %(field)s, %(option_id)s::bigint, %(after)s, %(reason)s FROM poll
RETURNING id
"""


def correct(
    conn: Connection, slug: str, manager: Manager, *, field: str, option_id: int | None, after: str, reason: str
) -> None:
    """Mend a typo after the first vote, in sight: `field` is title, description, or option with its id.

    Raises BadCorrection, OptionsAlike, or PollNotFound like edit_poll; then nothing was written.
    """
    with translated_errors():
        fetch_one(
            conn,
            CORRECT,
            slug=slug,
            **manager._asdict(),
            field=field,
            option_id=option_id,
            after=after,
            reason=reason,
        )


def _written(design: Design) -> dict[str, object]:
    return {**design._asdict(), "options": list(design.options)}
