"""What those who run polls see of them: the list, where one stands, and what was done to it."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.invites import Manager
from polls.queries.polls import OptionRow, PollRow
from polls.queries.run import fetch_all, fetch_one


class OwnPoll(NamedTuple):
    """A poll in the list of its owner; `voters` is how many have voted."""

    slug: str
    title: str
    audience: str
    state: str
    opens_at: datetime | None
    closes_at: datetime | None
    time_zone: str
    voters: int


class Managed(NamedTuple):
    """A poll for those who run it. `voters` have voted and `invited` may; `drawn` says that it has a draw, and so
    stays closed. With a first vote, question, options and rules are frozen."""

    poll: PollRow
    options: list[OptionRow]
    voters: int
    invited: int
    drawn: bool


class Busiest(NamedTuple):
    """The minute in which most votes came in: how many of all `votes`, which took `minutes` from first to last."""

    minute: datetime
    votes_then: int
    votes: int
    minutes: int


class EventRun(NamedTuple):
    """Events of one kind that somebody caused one after the other within a minute; details of up to five of them."""

    at: datetime
    actor: str
    action: str
    events: int
    details: list[dict[str, list[Any]]]


LIST_OWN_POLLS = """
SELECT slug, title, audience, state, opens_at, closes_at, time_zone, voters
  FROM polls_poll AS poll
 CROSS JOIN LATERAL polls_state(opens_at, closes_at, archived_at) AS state
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(turnout.voters), 0)::bigint AS voters
      FROM polls_turnout AS turnout
     WHERE turnout.poll_id = poll.id
 ) AS turnout
 WHERE owner_id = %(user_id)s
 ORDER BY archived_at IS NOT NULL, created_at DESC, id DESC
 LIMIT %(limit)s OFFSET %(offset)s
"""


def list_own_polls(conn: Connection, user_id: int, *, limit: int, offset: int = 0) -> list[OwnPoll]:
    """Return the polls of a user, newest first, the archived ones last."""
    return [OwnPoll(*row) for row in fetch_all(conn, LIST_OWN_POLLS, user_id=user_id, limit=limit, offset=offset)]


GET_LAST_ZONE = """
SELECT time_zone FROM polls_poll WHERE owner_id = %(user_id)s ORDER BY created_at DESC, id DESC LIMIT 1
"""


def get_last_zone(conn: Connection, user_id: int) -> str:
    """Return the time zone of the newest poll of a user, empty where there is none."""
    for (time_zone,) in fetch_all(conn, GET_LAST_ZONE, user_id=user_id):
        return str(time_zone)
    return ""


GET_MANAGED = """
SELECT id, slug, title, description, owner_id, audience, results, named, changeable, shuffled, listed,
       min_choices, max_choices, draw_source, time_zone, opens_at, closes_at,
       polls_state(opens_at, closes_at, archived_at) AS state,
       ARRAY(SELECT option.id FROM polls_option AS option
              WHERE option.poll_id = poll.id ORDER BY position, option.id) AS option_ids,
       ARRAY(SELECT option.text::text FROM polls_option AS option
              WHERE option.poll_id = poll.id ORDER BY position, option.id) AS option_texts,
       (SELECT coalesce(sum(voters), 0)::bigint FROM polls_turnout AS turnout
         WHERE turnout.poll_id = poll.id) AS voters,
       (SELECT count(*) FROM polls_invite AS invite
         WHERE invite.poll_id = poll.id AND revoked_at IS NULL) AS invited,
       EXISTS (SELECT FROM polls_entries AS entries WHERE entries.poll_id = poll.id) AS drawn
  FROM polls_poll AS poll
 WHERE slug = %(slug)s AND (%(staff)s OR owner_id = %(user_id)s)
"""


def get_managed(conn: Connection, slug: str, manager: Manager) -> Managed:
    """Return a poll for those who run it. Raises PollNotFound where there is none or `manager` may not manage it."""
    *poll, ids, texts, voters, invited, drawn = fetch_one(conn, GET_MANAGED, slug=slug, **manager._asdict())
    options = [OptionRow(*option) for option in zip(ids, texts, strict=True)]
    return Managed(PollRow(*poll), options, voters, invited, drawn)


GET_BUSIEST_MINUTE = """
SELECT (array_agg(minute ORDER BY votes DESC, minute))[1] AS minute,
       max(votes) AS votes_then,
       sum(votes)::bigint AS votes,
       (extract(epoch FROM max(minute) - min(minute)) / 60)::bigint + 1 AS minutes
  FROM (
    SELECT date_trunc('minute', cast_at) AS minute, count(*) AS votes
      FROM polls_vote
     WHERE poll_id = %(poll_id)s
     GROUP BY minute
  ) AS counted
HAVING count(*) > 0
"""


def get_busiest_minute(conn: Connection, poll_id: int) -> Busiest | None:
    """Return the minute with most votes, None where there are no votes. Reads every vote: a million take 0.6 s."""
    for row in fetch_all(conn, GET_BUSIEST_MINUTE, poll_id=poll_id):
        return Busiest(*row)
    return None


# Options and invitations come by the thousand, and would bury the rest.
LIST_EVENTS = """
SELECT min(at) AS at, actor, action, count(*) AS events,
       jsonb_path_query_array(jsonb_agg(details ORDER BY id), '$[0 to 4]') AS details
  FROM (
    SELECT id, at, actor, action, details, minute, alone,
           row_number() OVER (ORDER BY id)
               - row_number() OVER (PARTITION BY actor, action, minute, alone ORDER BY id) AS run
      FROM polls_event
     CROSS JOIN LATERAL (
        SELECT date_trunc('minute', at) AS minute,
               CASE WHEN action !~ '^(option |invite added$)' THEN id END AS alone
     ) AS kind
     WHERE poll_id = %(poll_id)s
  ) AS numbered
 GROUP BY actor, action, minute, alone, run
 ORDER BY max(id) DESC
 LIMIT %(limit)s
"""


def list_events(conn: Connection, poll_id: int, *, limit: int) -> list[EventRun]:
    """Return what was done to a poll, the latest first."""
    return [EventRun(*row) for row in fetch_all(conn, LIST_EVENTS, poll_id=poll_id, limit=limit)]
