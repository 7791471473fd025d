"""What owners see of their polls: the list, one poll with its counts, and its events."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.actors import MAY_MANAGE, Actor
from polls.queries.fetch import fetch_all, fetch_one
from polls.queries.polls import OPTION_COLUMNS, POLL_COLUMNS, OptionRow, PollRow, StateProperties, make_options
from polls.queries.secrecy import SHOWN_TURNOUT


class OwnedPollColumns(NamedTuple):
    """The columns of a poll in the list of its owner. `voter_count` is as in ManagedPoll."""

    id: int
    slug: str
    title: str
    audience: str
    state: str
    opens_at: datetime | None
    closes_at: datetime | None
    time_zone: str
    voter_count: int
    in_steps: bool
    step_due: bool


class OwnedPoll(OwnedPollColumns, StateProperties):
    """A poll in the list of its owner."""

    __slots__ = ()


class ManagedPoll(NamedTuple):
    """A poll for those who manage it: how many have voted, how many are invited, and whether it has draws, after which
    it stays closed. From the first vote on, which `has_votes` tells, question, options and rules are frozen. While
    `in_steps`, `voter_count` is that of the last step; where `step_due`, take_steps brings it forward."""

    poll: PollRow
    options: list[OptionRow]
    voter_count: int
    invited: int
    has_draws: bool
    has_votes: bool
    in_steps: bool
    step_due: bool


class BusiestMinute(NamedTuple):
    """The minute with the most votes: `votes_then` of the `votes` that came in within `minutes`."""

    minute: datetime
    votes_then: int
    votes: int
    minutes: int


class EventGroup(NamedTuple):
    """Events of one kind by one actor, one after the other within a minute, with the details of up to five of them."""

    at: datetime
    actor: str
    action: str
    events: int
    details: list[dict[str, list[Any]]]


LIST_OWN_POLLS = f"""
SELECT poll.id, slug, title, audience, state, opens_at, closes_at, time_zone,
       shown.voters AS voter_count, in_steps, step_due
  FROM polls_poll AS poll
 CROSS JOIN LATERAL polls_state(opens_at, closes_at, archived_at) AS state
 {SHOWN_TURNOUT}
 WHERE owner_id = %(user_id)s
 ORDER BY archived_at IS NOT NULL, created_at DESC, id DESC
 LIMIT %(limit)s OFFSET %(offset)s
"""


def list_own_polls(conn: Connection, user_id: int, *, limit: int, offset: int = 0) -> list[OwnedPoll]:
    """Return the polls of a user: the newest first, archived ones last."""
    return [OwnedPoll(*row) for row in fetch_all(conn, LIST_OWN_POLLS, user_id=user_id, limit=limit, offset=offset)]


GET_LAST_TIME_ZONE = """
SELECT time_zone FROM polls_poll WHERE owner_id = %(user_id)s ORDER BY created_at DESC, id DESC LIMIT 1
"""


def get_last_time_zone(conn: Connection, user_id: int) -> str:
    """Return the time zone of a user's newest poll, the empty string where there is none."""
    for (time_zone,) in fetch_all(conn, GET_LAST_TIME_ZONE, user_id=user_id):
        return str(time_zone)
    return ""


GET_MANAGED_POLL = f"""
SELECT {POLL_COLUMNS},
       state,
       {OPTION_COLUMNS},
       shown.voters AS voter_count,
       (SELECT count(*) FROM polls_invite AS invite
         WHERE invite.poll_id = poll.id AND revoked_at IS NULL) AS invited,
       EXISTS (SELECT FROM polls_entries AS entries WHERE entries.poll_id = poll.id) AS has_draws,
       turnout.voters > 0 AS has_votes,
       in_steps,
       step_due
  FROM polls_poll AS poll
 CROSS JOIN LATERAL polls_state(opens_at, closes_at, archived_at) AS state
 {SHOWN_TURNOUT}
 WHERE slug = %(slug)s AND {MAY_MANAGE}
"""


def get_managed_poll(conn: Connection, slug: str, actor: Actor) -> ManagedPoll:
    """Return a poll for an actor who manages it. Raises PollNotFound where there is no such poll, or the actor may not
    manage it."""
    row = fetch_one(conn, GET_MANAGED_POLL, slug=slug, **actor._asdict())
    *poll, option_ids, option_texts = row[:-6]
    return ManagedPoll(PollRow(*poll), make_options(option_ids, option_texts), *row[-6:])


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


def get_busiest_minute(conn: Connection, poll_id: int) -> BusiestMinute | None:
    """Return the minute with the most votes, None where there are no votes. Reads every vote: a million take 0.6 s."""
    for row in fetch_all(conn, GET_BUSIEST_MINUTE, poll_id=poll_id):
        return BusiestMinute(*row)
    return None


# Options and invitations are grouped: thousands of them would hide the other events. The events that only count
# invitations say nothing new to those who see each.
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
     WHERE poll_id = %(poll_id)s AND action NOT LIKE 'invites %%'
  ) AS numbered
 GROUP BY actor, action, minute, alone, run
 ORDER BY max(id) DESC
 LIMIT %(limit)s
"""


def list_events(conn: Connection, poll_id: int, *, limit: int) -> list[EventGroup]:
    """Return the events of a poll in groups, the latest first."""
    return [EventGroup(*row) for row in fetch_all(conn, LIST_EVENTS, poll_id=poll_id, limit=limit)]
