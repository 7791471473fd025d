"""Who acts, for the trail of events."""

from psycopg2.extensions import connection as Connection

from polls.queries.run import fetch_one

SET_ACTOR = """
SELECT set_config('polls.actor', %(actor)s, true)
"""


def set_actor(conn: Connection, actor: str) -> None:
    """Name who acts, for the events that triggers write until the transaction ends."""
    fetch_one(conn, SET_ACTOR, actor=actor)
