"""Actors: who changes a poll, whether they may, and under which name the events show them."""

from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_all, fetch_one


class Actor(NamedTuple):
    """A signed-in user who manages a poll: its owner, or somebody who `manages_all`. Events show the `name`.

    `sees_results` says whether they see the results of every poll, and so may decide who else does.
    """

    user_id: int
    manages_all: bool
    name: str
    sees_results: bool = False

    def sees_results_of(self, owner_id: int | None) -> bool:
        """Whether they see the results of the poll with this owner at any time."""
        return self.sees_results or owner_id == self.user_id


# The guard: whether the actor may manage a poll.
MAY_MANAGE = "(%(manages_all)s OR owner_id = %(user_id)s)"

# Whether the actor sees the results of a poll at any time.
SEES_RESULTS = "(%(sees_results)s OR owner_id = %(user_id)s)"

# Names the actor for the events that triggers write until the transaction ends.
NAME_ACTOR = "set_config('polls.actor', %(name)s, true)"

# The same for the role, which is what the public record shows of an actor: owner, staff or operator.
NAME_ROLE = "set_config('polls.role', %(role)s, true)"

# The poll at `slug` if the actor may manage it, and no row otherwise. Statements that change a poll begin with it.
MANAGED_POLL = f"""SELECT id, audience, {NAME_ACTOR},
           set_config('polls.role', CASE owner_id WHEN %(user_id)s THEN 'owner' ELSE 'staff' END, true)
      FROM polls_poll
     WHERE slug = %(slug)s AND {MAY_MANAGE}"""

# The guard of forms: whether `current`, a row of polls_poll, is what the form was filled in against. It stands in the
# WHERE of what updates or locks the row: there PostgreSQL reads it again after waiting for a concurrent change.
SEEN = "(%(revision)s::integer IS NULL OR current.revision = %(revision)s)"

SET_ACTOR = f"""
SELECT {NAME_ACTOR}, {NAME_ROLE}
"""


# Locked in the order of EDIT_POLL: first the votes, then the row, which is read again after waiting for its writer.
HOLD_REVISION = """
WITH held AS (
    SELECT %(poll_id)s::bigint AS id, polls_hold_votes(%(poll_id)s) AS voted
)
SELECT revision FROM held JOIN polls_poll AS poll USING (id) FOR NO KEY UPDATE OF poll
"""


def hold_revision(conn: Connection, poll_id: int) -> int | None:
    """Return the revision of a poll, None where it is gone. Until the transaction ends, no one else changes the poll,
    and votes wait."""
    rows = fetch_all(conn, HOLD_REVISION, poll_id=poll_id)
    return int(rows[0][0]) if rows else None


def set_actor(conn: Connection, name: str, role: str) -> None:
    """Name the actor and their role for the events that triggers write until the transaction ends."""
    fetch_one(conn, SET_ACTOR, name=name, role=role)
