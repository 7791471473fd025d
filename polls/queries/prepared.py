"""Prepared statements, which psycopg2 lacks: the server plans a hot statement once for each connection.

The message that first executes a statement prepares it as well, so each execution is one round trip. This is for
autocommit only: there a message is a transaction of its own, and one that fails because the server has no such
statement (after DISCARD ALL, or behind a pooler) has done nothing and can be sent again in full.
"""

import re
import time
from hashlib import sha256
from typing import Any, Final

import psycopg2.errors
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

# Left to itself, the server plans a statement five times, and goes on if it takes a plan for these parameters to be
# cheaper than one for any. Not a setting of the session: DISCARD ALL would reset it, and it would hold for every
# statement of a function that is called there.
ONE_PLAN: Final = "SET LOCAL plan_cache_mode = force_generic_plan; "

# A plan that was made for a small table reads all of it, also when it has grown: 22 ms after 200,000 votes. The server
# makes another one when it has analyzed the table, which can be minutes later.
PLAN_SECONDS: Final = 10

# Raised where the server lacks a statement that was noted, has one that was not, or has one whose tables have changed
# since ("cached plan must not change result type").
OUTDATED: Final = (
    psycopg2.errors.InvalidSqlStatementName,
    psycopg2.errors.DuplicatePreparedStatement,
    psycopg2.errors.FeatureNotSupported,
)
START_OVER: Final = "DEALLOCATE ALL; "


class Prepared(str):
    """A statement to prepare, with `%(named)s` parameters. As a string it is the statement itself.

    Its name on the server comes from its text, so two versions of the site never share one.
    """

    __slots__ = ("deallocate", "execute", "prepare")

    prepare: str
    execute: str
    deallocate: str

    def __new__(cls, text: str) -> "Prepared":
        """Keep the text, and the messages that prepare, execute and forget it."""
        statement = super().__new__(cls, text)
        parameters = list(dict.fromkeys(re.findall(r"%\(\w+\)s", text)))
        name = "pollsite_" + sha256(text.encode()).hexdigest()[:16]
        for number, parameter in enumerate(parameters, 1):
            text = text.replace(parameter, "$" + str(number))
        statement.prepare = "PREPARE " + name + " AS " + text + "; "
        statement.execute = "EXECUTE " + name + " (" + ", ".join(parameters) + ")"
        statement.deallocate = "DEALLOCATE " + name + "; "
        return statement


class PreparingConnection(Connection):
    """A connection that prepares statements, to be made with psycopg2.connect(connection_factory=...)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prepared: dict[Prepared, float] = {}  # since when, of time.monotonic()


def execute(cursor: Cursor, statement: str, parameters: dict[str, Any]) -> None:
    """Execute a statement, which is prepared if it is to be and the connection can. Raises psycopg2.Error."""
    conn = cursor.connection
    if not (
        isinstance(statement, Prepared)
        and isinstance(conn, PreparingConnection)
        and conn.autocommit
        and conn.get_transaction_status() == TRANSACTION_STATUS_IDLE
    ):
        cursor.execute(statement, parameters)
        return
    now = time.monotonic()
    since = conn.prepared.get(statement)
    message = ONE_PLAN
    if since is None or now - since > PLAN_SECONDS:
        message += ("" if since is None else statement.deallocate) + statement.prepare
        conn.prepared[statement] = now  # before: it stays prepared even if executing it fails
    try:
        cursor.execute(message + statement.execute, parameters)
    except OUTDATED:
        conn.prepared.clear()
        cursor.execute(START_OVER + statement, parameters)
