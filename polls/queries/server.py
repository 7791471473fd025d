"""The server as it sees us: sessions, and how many more it takes."""

from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from polls.queries.run import fetch_all


class Backend(NamedTuple):
    """A session on our database. What another user's session does is not ours to see: its state is None."""

    pid: int
    state: str | None
    application_name: str
    waits_for: str | None  # such as Lock or IO, where it is active; Client where it waits for us
    blocked_by: list[int]  # the sessions whose locks it waits for
    seconds: float | None  # in this state


class Limits(NamedTuple):
    """How many sessions the server takes, how many of them are not for us, and how many there are."""

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
    """Return the sessions on this database but for this one, the oldest first."""
    return [Backend(*row) for row in fetch_all(conn, LIST_BACKENDS)]


GET_LIMITS = """
SELECT current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int
           + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used
"""


def get_limits(conn: Connection) -> Limits:
    """Return the server's limits; `used` counts this session as well."""
    return Limits(*fetch_all(conn, GET_LIMITS)[0])
