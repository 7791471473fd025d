"""What the tests share: a connection that goes around the data layer, and polls made with it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psycopg2
import pytest
from django.apps import apps
from django.utils import translation
from psycopg2.extensions import connection as Connection

from polls import limits
from polls.apps import connect

# Imported by test modules before they name it as their plugin.
pytest.register_assert_rewrite("tests.support.owners")


class MadePoll(NamedTuple):
    id: int
    slug: str
    options: list[int]


@pytest.fixture(autouse=True)
def forget_what_was_before() -> None:
    """All tests come from one address; and a page leaves its language behind in the thread that made it."""
    limits.forget()
    translation.deactivate()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The test database, and the end of the pool before its end."""
    yield
    apps.get_app_config("polls").pool.close()


@pytest.fixture
def pool():
    return apps.get_app_config("polls").pool


@pytest.fixture
def connections_to_test_database(transactional_db: None) -> Iterator[Callable[[], Connection]]:
    """Gives connections of their own, in autocommit, and closes them before Django truncates the tables."""
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
    """Run a statement around the data layer, and return its rows."""

    def run(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with conn.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def vote(sql: Callable[..., Any]) -> Callable[..., None]:
    """Write a vote with plain SQL."""

    def write(poll: MadePoll, voter: str, choices: list[int]) -> None:
        sql("INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, %s, %s)", poll.id, voter, choices)

    return write


@pytest.fixture
def refused() -> Callable[[str], Any]:
    """`with refused("rule")`: what the database refuses, naming this rule."""

    def expect(rule: str) -> Any:
        return pytest.raises(psycopg2.IntegrityError, check=lambda error: error.diag.constraint_name == rule)

    return expect
