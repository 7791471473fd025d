"""Sending one statement."""

from typing import Any

from psycopg2.extensions import connection as Connection

from polls.queries.errors import PollNotFound


def fetch_all(conn: Connection, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with conn.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def fetch_one(conn: Connection, statement: str, **parameters: Any) -> tuple[Any, ...]:
    rows = fetch_all(conn, statement, **parameters)
    if not rows:
        raise PollNotFound(parameters["slug"])
    return rows[0]
