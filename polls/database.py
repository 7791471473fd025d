"""Where connections come from: the pool of this process, and connections outside of it."""

import os
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.db import connections

from polls.pool import ConnectionPool

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from pollsite.postgres.base import DatabaseWrapper


def pool() -> ConnectionPool:
    """Return the pool of this process, which the AppConfig owns."""
    connection_pool: ConnectionPool = apps.get_app_config("polls").pool  # type: ignore[attr-defined]
    return connection_pool


def connect(role: str, **overrides: Any) -> "Connection":
    """Return a new psycopg2 connection outside the pool, to wherever Django's default database is at this moment.

    `role` and the process id appear in pg_stat_activity; `overrides` go to psycopg2.connect. Raises
    psycopg2.OperationalError.
    """
    return database().connect_psycopg2(application_name=f"pollsite {role} {os.getpid()}", **overrides)


def database() -> "DatabaseWrapper":
    """Return Django's default database, which knows the address to connect to."""
    return cast("DatabaseWrapper", connections["default"])
