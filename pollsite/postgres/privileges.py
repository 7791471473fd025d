"""What the site's role may do: it owns nothing, and `migrate` grants it the privileges that each app asks for.

An app lists them as `site_privileges` of its AppConfig, as {table: privileges}, with the words of GRANT, such as
"SELECT, INSERT (a, b)". Tables of an app without such a list get SELECT, INSERT, UPDATE and DELETE. Nothing grants
TRUNCATE, TRIGGER or REFERENCES, nor anything on other tables of the database.
"""

import re
from collections.abc import Iterator

from django.apps import AppConfig, apps
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

USUAL = "SELECT, INSERT, UPDATE, DELETE"
DJANGOS_OWN = {"django_migrations": "SELECT"}  # the table of no app

# PUBLIC is every role. Temporary objects are enough to write triggers, and functions that pose as ours.
CLOSE = """
REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, {role};
REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role};
GRANT CONNECT ON DATABASE {database} TO {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
"""
REVOKE_ALL = """
REVOKE ALL ON {kind} {relation} FROM {role}
"""
GRANT = """
GRANT {privileges} ON {table} TO {role}
"""
GRANT_SEQUENCE = """
GRANT USAGE ON SEQUENCE {sequence} TO {role}
"""
# Identity columns need no privilege on their sequence.
LIST_SEQUENCES = """
SELECT sequence.relname
  FROM pg_class AS sequence
  JOIN pg_depend AS owned ON owned.classid = 'pg_class'::regclass AND owned.objid = sequence.oid AND deptype = 'a'
 WHERE sequence.relkind = 'S' AND owned.refobjid = to_regclass(%s)
"""
COLUMNS = re.compile(r"\(([^)]*)\)")
LIST_COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""
# What others own in the schema is theirs to grant.
LIST_OWN = """
SELECT relname, CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind
  FROM pg_class
 WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
   AND pg_has_role(relowner, 'USAGE')
"""


def renew(owner: Connection, role: str) -> None:
    """Grant the role what the site needs on the tables that exist, and take everything else away; one transaction.

    `owner` is a connection of the owner of the tables. Sites that run meanwhile notice nothing.
    """
    with owner, owner.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_schema()")
        [(database, schema)] = cursor.fetchall()
        names = {"database": database, "schema": schema, "role": role}
        cursor.execute(sql.SQL(CLOSE).format(**{key: sql.Identifier(name) for key, name in names.items()}))
        cursor.execute(LIST_OWN)
        existing = dict(cursor.fetchall())
        for relation, kind in existing.items():
            revoke = sql.SQL(REVOKE_ALL).format(
                kind=sql.SQL(kind), relation=sql.Identifier(relation), role=sql.Identifier(role)
            )
            cursor.execute(revoke)
        for table, privileges in asked_for():
            if table in existing:
                _grant(cursor, table, privileges, role)


def asked_for() -> Iterator[tuple[str, str]]:
    """Yield each table of the installed apps, with the privileges that the site's role gets."""
    yield from DJANGOS_OWN.items()
    for app in apps.get_app_configs():
        yield from _asked_for_by(app)


def _asked_for_by(app: AppConfig) -> Iterator[tuple[str, str]]:
    listed: dict[str, str] | None = getattr(app, "site_privileges", None)
    if listed is not None:
        yield from listed.items()
        return
    for model in app.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            yield model._meta.db_table, USUAL


def _grant(cursor: Cursor, table: str, privileges: str, role: str) -> None:
    grantee = sql.Identifier(role)
    cursor.execute(LIST_COLUMNS, [f'"{table}"'])
    columns = {column for (column,) in cursor.fetchall()}
    # After a migration backwards, some columns are not there.
    present = COLUMNS.sub(lambda found: f"({', '.join(c for c in found[1].split(', ') if c in columns)})", privileges)
    cursor.execute(
        # The privileges are constants of the apps.
        sql.SQL(GRANT).format(privileges=sql.SQL(present), table=sql.Identifier(table), role=grantee)
    )
    if privileges == USUAL:
        cursor.execute(LIST_SEQUENCES, [f'"{table}"'])
        for (sequence,) in cursor.fetchall():
            cursor.execute(sql.SQL(GRANT_SEQUENCE).format(sequence=sql.Identifier(sequence), role=grantee))
