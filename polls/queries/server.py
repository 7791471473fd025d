"""The server: its sessions on this database, its limits, and what the role of this session may do there."""

from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.fetch import fetch_all


class Backend(NamedTuple):
    """A session on this database. The state of another user's session is hidden from us: it is None."""

    pid: int
    state: str | None
    application_name: str
    waits_for: str | None  # such as Lock or IO while it is active; Client while it waits for its client
    blocked_by: list[int]  # the sessions whose locks it waits for
    seconds: float | None  # in this state


class Limits(NamedTuple):
    """How many sessions the server allows, how many of them are reserved, and how many there are."""

    max_connections: int
    reserved: int
    used: int


LIST_BACKENDS = """
SELECT pid, state, application_name, wait_event_type,
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{}' END AS blocked_by,
       extract(epoch FROM clock_timestamp() - state_change)::float8 AS seconds
  FROM pg_stat_activity
 WHERE backend_type = 'client backend'
   AND datname = current_database()
   AND pid <> pg_backend_pid()
 ORDER BY backend_start, pid
"""


def list_backends(conn: Connection) -> list[Backend]:
    """Return the other sessions on this database, the oldest first."""
    return [Backend(*row) for row in fetch_all(conn, LIST_BACKENDS)]


GET_LIMITS = """
SELECT current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int
           + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used
"""


def get_limits(conn: Connection) -> Limits:
    """Return the server's limits. `used` includes this session."""
    return Limits(*fetch_all(conn, GET_LIMITS)[0])


# A role that can do none of it writes counts and events through the triggers only.
LIST_POWERS = """
SELECT power
  FROM pg_roles AS role
 CROSS JOIN LATERAL (VALUES
    ('is a superuser', rolsuper),
    ('may create roles', rolcreaterole),
    ('may create databases', rolcreatedb),
    ('may read or write files, or run programs', EXISTS (
        SELECT FROM unnest('{pg_read_server_files,pg_write_server_files,pg_execute_server_program}'::name[]) AS power
         WHERE pg_has_role(power, 'MEMBER'))),
    ('is the owner of tables, or may become it', EXISTS (
        SELECT FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace AND starts_with(relname, 'polls_')
           AND pg_has_role(relowner, 'MEMBER'))),
    ('may create tables', has_schema_privilege(current_schema(), 'CREATE')),
    ('may create schemas', has_database_privilege(current_database(), 'CREATE')),
    ('may create temporary tables', has_database_privilege(current_database(), 'TEMPORARY')),
    ('may write counts and events', EXISTS (
        SELECT FROM unnest('{polls_tally,polls_turnout,polls_event}'::text[]) AS written
         WHERE has_table_privilege(to_regclass(written), 'DELETE, TRUNCATE')
            OR has_any_column_privilege(to_regclass(written), 'INSERT, UPDATE')))
 ) AS held (power, is_held)
 WHERE rolname = session_user AND is_held
"""


def list_powers(conn: Connection) -> list[str]:
    """Return what the role of this session may do that the site does not need, each as the rest of a sentence."""
    return [power for (power,) in fetch_all(conn, LIST_POWERS)]
