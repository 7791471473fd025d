"""Sending a statement and fetching its rows."""

from typing import Any

from psycopg2.extensions import connection as Connection

from polls.queries.errors import PollNotFound
from polls.queries.prepared import execute


def fetch_all(conn: Connection, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Return all rows."""
    with conn.cursor() as cursor:
        execute(cursor, statement, parameters)
        return cursor.fetchall()


def fetch_one(conn: Connection, statement: str, **parameters: Any) -> tuple[Any, ...]:
    """Return the first row. Raises PollNotFound, with the parameter `slug`, where there is none."""
    rows = fetch_all(conn, statement, **parameters)
    if not rows:
        raise PollNotFound(parameters["slug"])
    return rows[0]
