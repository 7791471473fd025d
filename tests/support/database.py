"""The test database: connections that go around the data layer, and polls and votes made with them.

Tests run as the site does, as a role that owns nothing. What only the owner of the tables may do has a connection of
its own.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psycopg2
import pytest
from django.apps import apps
from django.core import management
from django.core.management.commands import flush
from django.db import connection, transaction
from psycopg2.extensions import connection as Connection

from polls.database import connect
from polls.queries import PreparingConnection


class MadePoll(NamedTuple):
    id: int
    slug: str
    options: list[int]


class Flush(flush.Command):
    """Django's flush, with which it cleans up after a test: as the owner, and without the triggers that refuse it.

    Content types and permissions stay, so that nothing has to make them again: that takes longer than all the rest.
    """

    def handle(self, **options: Any) -> None:
        existing = connection.introspection.django_table_names(only_existing=True, include_views=False)
        tables = sorted({*existing} - {"django_content_type", "auth_permission"})
        with connection.as_owner(), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SHOW is_superuser")
            if cursor.fetchone() == ("on",):
                # Tables are small, and making new files for them takes longer than deleting their rows.
                cursor.execute("SET LOCAL session_replication_role = replica")
                cursor.execute("; ".join(f"DELETE FROM {table}" for table in tables))
                return
            cursor.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgtype & 32 <> 0")
            on_truncate = cursor.fetchall()
            for switch in ("DISABLE", "ENABLE"):
                if switch == "ENABLE":
                    cursor.execute(f"TRUNCATE {', '.join(tables)}")
                for table, trigger in on_truncate:
                    cursor.execute(f"ALTER TABLE {table} {switch} TRIGGER {trigger}")


@pytest.fixture(autouse=True, scope="session")
def flush_as_owner() -> None:
    """Clean up with Flush. The site's own flush refuses."""
    management.get_commands()["flush"] = Flush()


@pytest.fixture
def pool():
    """The pool of the site."""
    return apps.get_app_config("polls").pool


@pytest.fixture
def connections_to_test_database(transactional_db: None) -> Iterator[Callable[[], Connection]]:
    """Open connections as the site's pool does, in autocommit; they are closed before Django truncates the tables."""
    made: list[Connection] = []

    def make(**options: Any) -> Connection:
        conn = connect("test", **{"connection_factory": PreparingConnection, **options})
        conn.autocommit = True
        made.append(conn)
        return conn

    yield make
    for conn in made:
        conn.close()


@pytest.fixture
def conn(connections_to_test_database: Callable[[], Connection]) -> Connection:
    return connections_to_test_database()


@pytest.fixture
def owner_conn(connections_to_test_database: Callable[..., Connection]) -> Connection:
    """A connection of the owner of the tables."""
    return connections_to_test_database(owner=True)


@pytest.fixture
def make_poll(conn: Connection) -> Callable[..., MadePoll]:
    """Make polls with plain SQL; columns as keywords, times as SQL intervals from now."""
    count = 0

    def make(
        options: int = 3, *, opens_in: str | None = "-1 hour", closes_in: str | None = None, **columns: Any
    ) -> MadePoll:
        nonlocal count
        count += 1
        columns = {"slug": f"poll-{count}", "title": f"Poll {count}", **columns}
        with conn.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO polls_poll ({', '.join(columns)}, opens_at, closes_at) "
                f"VALUES ({', '.join(['%s'] * len(columns))}, now() + %s::interval, now() + %s::interval) RETURNING id",
                [*columns.values(), opens_in, closes_in],
            )
            [poll_id] = cursor.fetchone()
            cursor.execute(
                "INSERT INTO polls_option (poll_id, text, position) "
                "SELECT %s, 'Option ' || n, n FROM generate_series(1, %s) AS n RETURNING id",
                [poll_id, options],
            )
            return MadePoll(poll_id, columns["slug"], [row[0] for row in cursor.fetchall()])

    return make


@pytest.fixture
def sql(conn: Connection) -> Callable[..., list[tuple[Any, ...]]]:
    """Run a statement, around the data layer, and return its rows."""
    return runner(conn)


@pytest.fixture
def owner_sql(owner_conn: Connection) -> Callable[..., list[tuple[Any, ...]]]:
    """Run a statement as the owner of the tables."""
    return runner(owner_conn)


def runner(conn: Connection) -> Callable[..., list[tuple[Any, ...]]]:
    """A function that runs a statement on this connection."""

    def run(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with conn.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def vote(sql: Callable[..., Any]) -> Callable[..., None]:
    """Write a vote with plain SQL."""

    def write(poll: MadePoll, voter: str, choices: list[int], *, seal: bytes | None = None) -> None:
        sql(
            "INSERT INTO polls_vote (poll_id, voter, choices, seal) "
            "VALUES (%s, %s, %s, coalesce(%s, polls_random_bytes()))",
            *(poll.id, voter, choices, seal),
        )

    return write


@pytest.fixture
def refused() -> Callable[[str], Any]:
    """`with refused("rule")`: the database must refuse the statement, and name this rule."""

    def expect(rule: str) -> Any:
        return pytest.raises(psycopg2.IntegrityError, check=lambda error: error.diag.constraint_name == rule)

    return expect
