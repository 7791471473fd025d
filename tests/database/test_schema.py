"""What the migrations make of a database: the schema is the committed one, its functions are those of the files."""

import difflib
import re
from pathlib import Path

import pytest
from django.db import connection

from polls.migrations.sql import FOLDER, function
from pollsite.embedded import programs

SCHEMA = Path(__file__).with_name("schema.sql")
# Tables of Django and django-axes, whose versions may differ from ours.
NOT_OURS = ("auth_*", "axes_*", "django_*")
# What pg_dump says of itself and of the session that restores the dump. Bodies of functions are indented.
NOISE = ("--", "SET ", "SELECT pg_catalog.set_config", "\\restrict", "\\unrestrict")


@pytest.fixture
def schema(db):
    """The schema of the test database as PostgreSQL 18 dumps it, without noise."""
    if connection.pg_version // 10000 != programs.MAJOR:
        pytest.skip(f"schema.sql is what pg_dump writes of PostgreSQL {programs.MAJOR}")
    server = connection.owner_settings()
    dump = programs.run(
        *("pg_dump", "--schema-only", "--no-owner", "--no-privileges"),
        *(f"--exclude-table={pattern}" for pattern in NOT_OURS),
        PGHOST=server["HOST"],
        PGPORT=str(server["PORT"]),
        PGUSER=server["USER"],
        PGPASSWORD=server["PASSWORD"],
        PGDATABASE=server["NAME"],
    )
    assert dump.returncode == 0, dump.stderr
    lines = [line for line in dump.stdout.splitlines() if line.strip() and not line.startswith(NOISE)]
    return "\n".join([*lines, ""])


def test_migrations_make_the_committed_schema(schema, tmp_path):
    committed = SCHEMA.read_text(encoding="utf-8")
    if schema != committed:
        made = tmp_path / SCHEMA.name
        made.write_text(schema, encoding="utf-8")
        diff = difflib.unified_diff(committed.splitlines(), schema.splitlines(), "committed", "migrated", lineterm="")
        pytest.fail(
            "The migrations make another schema than the committed one. Where a new migration means to, renew it:\n"
            f"cp {made} {SCHEMA}\n" + "\n".join(diff),
            pytrace=False,
        )


def definitions(cursor):
    """Return the definition of each function of ours in the database, by its signature."""
    cursor.execute(
        "SELECT oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc WHERE starts_with(proname, 'polls_')"
    )
    return dict(cursor.fetchall())


def test_functions_are_those_of_the_newest_files(owner_conn):
    newest = {path.parent.name: path.stem for path in sorted(FOLDER.glob("*/*.sql"))}
    owner_conn.autocommit = False  # closing it takes back what follows
    with owner_conn.cursor() as cursor:
        migrated = definitions(cursor)
        assert {signature.partition("(")[0] for signature in migrated} == set(newest)
        for name, migration in newest.items():
            cursor.execute(function(name, migration))
        # A file that no migration applies, or that was changed after its release, would change something here.
        assert definitions(cursor) == migrated


def test_file_holds_the_function_of_its_folder_and_nothing_else():
    for path in sorted(FOLDER.glob("*/*.sql")):
        text = path.read_text(encoding="utf-8")
        start = re.match(r"(?:--.*\n)*CREATE OR REPLACE FUNCTION (\w+)", text)
        assert (start and start[1]) == path.parent.name, path
        assert (text.count("$$"), text[-4:]) == (2, "$$;\n"), path
