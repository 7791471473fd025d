"""Actors: who changes a poll, whether they may, and under which name the events show them."""

from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_one


class Actor(NamedTuple):
    """A signed-in user who manages a poll. Only its owner and staff may; events show the `name`."""

    user_id: int
    is_staff: bool
    name: str


# The guard: whether the actor may manage a poll.
MAY_MANAGE = "(%(is_staff)s OR owner_id = %(user_id)s)"

# Names the actor for the events that triggers write until the transaction ends.
NAME_ACTOR = "set_config('polls.actor', %(name)s, true)"

# The same for the role, which is what the public record shows of an actor: owner, staff or operator.
NAME_ROLE = "set_config('polls.role', %(role)s, true)"

# The poll at `slug` if the actor may manage it, and no row otherwise. Statements that change a poll begin with it.
MANAGED_POLL = f"""SELECT id, audience, {NAME_ACTOR},
           set_config('polls.role', CASE owner_id WHEN %(user_id)s THEN 'owner' ELSE 'staff' END, true)
      FROM polls_poll
     WHERE slug = %(slug)s AND {MAY_MANAGE}"""

SET_ACTOR = f"""
SELECT {NAME_ACTOR}, {NAME_ROLE}
"""


def set_actor(conn: Connection, name: str, role: str) -> None:
    """Name the actor and their role for the events that triggers write until the transaction ends."""
    fetch_one(conn, SET_ACTOR, name=name, role=role)
