"""The test database: connections that go around the data layer, and polls and votes made with them."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psycopg2
import pytest
from django.apps import apps
from psycopg2.extensions import connection as Connection

from polls.database import connect


class MadePoll(NamedTuple):
    id: int
    slug: str
    options: list[int]


@pytest.fixture
def pool():
    """The pool of the site."""
    return apps.get_app_config("polls").pool


@pytest.fixture
def connections_to_test_database(transactional_db: None) -> Iterator[Callable[[], Connection]]:
    """Open connections in autocommit, and close them before Django truncates the tables."""
    made: list[Connection] = []

    def make() -> Connection:
        conn = connect("test")
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
