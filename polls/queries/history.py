"""The public record of a poll: its events without names, and one hash over them.

A line of the record is a JSON array of the time (UTC), the role, what was done, and its details, spelt as PostgreSQL
spells jsonb. The hash of the record is the SHA-256 of all lines, each with a newline: that of the file that the page of
the history offers. What is written later is at the end, so the hash noted down at any time is that of the first lines.
"""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_all
from polls.queries.prepared import Prepared


class RecordEntry(NamedTuple):
    """One entry of the record. `role` is owner, staff, operator, or empty before roles were written down.

    `details` holds [before, after] by name; times in it are texts in UTC. `late` says that it was after the opening,
    `reopened` that the poll had closed and opened again with this, and `retimed` that its times changed otherwise than
    by closing it.
    """

    at: datetime
    role: str
    action: str
    details: dict[str, Any]
    late: bool
    reopened: bool
    retimed: bool

    @property
    def is_unusual(self) -> bool:
        """Whether voters should know it."""
        told = self.action == "invites added" or "results" in self.details
        return self.reopened or self.retimed or (self.late and told)


class Record(NamedTuple):
    """The hash of the record, and how often there is in it what voters should know.

    `reopened` counts openings after it had closed, `retimed` changes of the times after the opening, and `revealed`
    changes of who sees the results after the opening. `invited` counts people, `invited_late` those of them that were
    invited after the opening.
    """

    hash: str
    reopened: int
    retimed: int
    revealed: int
    invited: int
    invited_late: int

    @property
    def is_unusual(self) -> bool:
        """Whether there is something that voters should know."""
        return bool(self.reopened or self.retimed or self.revealed or self.invited_late)


class VoteChanges(NamedTuple):
    """How often a vote of a poll was changed, and how often one was withdrawn."""

    changed: int
    withdrawn: int


# How the record spells a time, after it was taken to UTC.
SECONDS = """'YYYY-MM-DD"T"HH24:MI:SS"Z"'"""

# Which details of which events the record shows. What is not named here is not shown: the details hold names of people.
PUBLIC = """'{
    "poll added": ["slug", "opens_at", "closes_at"],
    "poll changed": ["title", "description", "audience", "results", "named", "changeable", "shuffled", "listed",
                     "locked", "recountable", "min_choices", "max_choices", "draw_source", "time_zone", "owner_id",
                     "opens_at", "closes_at", "archived_at"],
    "option added": ["text"],
    "option changed": ["text", "position"],
    "option removed": ["text"],
    "secret added": ["commitment"],
    "invites added": ["count"],
    "invites changed": ["count"],
    "invites revoked": ["count"],
    "invites replaced": ["count"],
    "invites removed": ["count"],
    "entries added": [],
    "draw added": ["number"],
    "hash changed": ["content_hash"]
}'::jsonb"""

# The entries of the record; each statement begins with it. The condition on the action is that of an index.
ENTRIES = f"""WITH published AS MATERIALIZED (
    -- Before that, no one but its owner could see the poll: how a draft was edited is no one's business.
    SELECT coalesce(min(id), 0) AS id
      FROM polls_event
     WHERE poll_id = %(poll_id)s AND NOT (action::text LIKE 'invite %%')
       AND action LIKE 'poll %%' AND details -> 'opens_at' ->> 1 IS NOT NULL
), entry AS (
    SELECT event.id, event.at, event.role, event.action,
           shown.details || coalesce(correction.reason, '{{}}') AS details,
           coalesce(late, false) AS late, coalesce(reopened, false) AS reopened,
           coalesce(
               late AND reopened IS NOT true
               AND (event.details ? 'opens_at'
                    OR event.details ? 'closes_at' AND NOT (old_closes_at IS NULL AND new_closes_at <= event.at)), false
           ) AS retimed
      FROM polls_event AS event
      JOIN polls_poll AS poll ON poll.id = event.poll_id
     CROSS JOIN published
     CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_object_agg(key, CASE
                   WHEN key IN ('opens_at', 'closes_at', 'archived_at') THEN jsonb_build_array(
                       to_char((value ->> 0)::timestamptz AT TIME ZONE 'UTC', {SECONDS}),
                       to_char((value ->> 1)::timestamptz AT TIME ZONE 'UTC', {SECONDS}))
                   WHEN key = 'owner_id' THEN 'true'
                   ELSE value END), '{{}}') AS details
          FROM jsonb_each(event.details)
         WHERE {PUBLIC} -> event.action ? key AND value <> '[null, null]'
     ) AS shown
      LEFT JOIN LATERAL (
        SELECT jsonb_build_object('reason', reason) AS reason
          FROM polls_correction AS correction
         WHERE correction.poll_id = event.poll_id
           AND event.action = CASE field WHEN 'option' THEN 'option changed' ELSE 'poll changed' END
           AND event.details -> CASE field WHEN 'option' THEN 'text' ELSE field END = jsonb_build_array(before, after)
           AND corrected_at <= event.at
         ORDER BY correction.id DESC
         LIMIT 1
     ) AS correction ON true
     CROSS JOIN LATERAL (
        SELECT (event.details -> 'closes_at' ->> 0)::timestamptz AS old_closes_at,
               (event.details -> 'closes_at' ->> 1)::timestamptz AS new_closes_at,
               event.action <> 'poll added' AND event.at >= CASE
                   WHEN event.details ? 'opens_at' THEN (event.details -> 'opens_at' ->> 0)::timestamptz
                   ELSE poll.opens_at END AS late
     ) AS times
     CROSS JOIN LATERAL (
        SELECT late AND old_closes_at <= event.at AND coalesce(new_closes_at, 'infinity') > event.at AS reopened
     ) AS closing
     WHERE event.poll_id = %(poll_id)s AND NOT (event.action::text LIKE 'invite %%')
       AND {PUBLIC} ? event.action
       AND (event.id >= published.id OR event.action !~ '^(poll changed$|option )')
       AND (shown.details <> '{{}}' OR event.action = 'entries added')
)"""

LINE = f"""jsonb_build_array(to_char(at AT TIME ZONE 'UTC', {SECONDS}), role, action, details)::text || E'\\n'"""


GET_RECORD = Prepared(f"""
{ENTRIES}
SELECT encode(sha256(convert_to(coalesce(string_agg({LINE}, '' ORDER BY id), ''), 'UTF8')), 'hex') AS hash,
       count(*) FILTER (WHERE reopened) AS reopened,
       count(*) FILTER (WHERE retimed) AS retimed,
       count(*) FILTER (WHERE late AND details ? 'results') AS revealed,
       coalesce(sum(invited), 0)::bigint AS invited,
       coalesce(sum(invited) FILTER (WHERE late), 0)::bigint AS invited_late
  FROM entry
 CROSS JOIN LATERAL (
    SELECT CASE action WHEN 'invites added' THEN (details -> 'count' ->> 1)::bigint END AS invited
 ) AS batch
""")


def get_record(conn: Connection, poll_id: int) -> Record:
    """Return the hash of the record of a poll, and what in it voters should know. Ten thousand invitations that were
    made at once cost as much as one."""
    [row] = fetch_all(conn, GET_RECORD, poll_id=poll_id)
    return Record(*row)


LIST_RECORD = f"""
{ENTRIES}
SELECT at, role, action, details, late, reopened, retimed FROM entry ORDER BY at, id
"""


def list_record(conn: Connection, poll_id: int) -> list[RecordEntry]:
    """Return the record of a poll, the oldest entry first."""
    return [RecordEntry(*row) for row in fetch_all(conn, LIST_RECORD, poll_id=poll_id)]


GET_RECORD_FILE = f"""
{ENTRIES}
SELECT coalesce(string_agg({LINE}, '' ORDER BY id), '') AS lines FROM entry
"""


def get_record_file(conn: Connection, poll_id: int) -> str:
    """Return the record of a poll as text, one line for each entry: the hash of the record is its SHA-256."""
    [(lines,)] = fetch_all(conn, GET_RECORD_FILE, poll_id=poll_id)
    return str(lines)


COUNT_VOTE_CHANGES = """
SELECT count(added) AS changed, count(*) - count(added) AS withdrawn
  FROM polls_journal
 WHERE poll_id = %(poll_id)s AND removed IS NOT NULL
"""


def count_vote_changes(conn: Connection, poll_id: int) -> VoteChanges:
    """Count the votes of a poll that were changed or withdrawn. Show it after closing only: while a poll is open, two
    looks would tell of a single change."""
    [row] = fetch_all(conn, COUNT_VOTE_CHANGES, poll_id=poll_id)
    return VoteChanges(*row)


COUNT_NEW_ACCOUNTS = """
SELECT count(*)
  FROM polls_poll AS poll
  JOIN auth_user AS account
    ON date_joined >= opens_at AND date_joined < coalesce(least(closes_at, archived_at), clock_timestamp())
 WHERE poll.id = %(poll_id)s
"""


def count_new_accounts(conn: Connection, poll_id: int) -> int:
    """Count the accounts that were made on this site while a poll was open, whether they voted or not."""
    [(accounts,)] = fetch_all(conn, COUNT_NEW_ACCOUNTS, poll_id=poll_id)
    return int(accounts)
