"""The app, and the pool that its pages draw their connections from."""

import atexit
import inspect
import os
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from polls.pool import ConnectionPool

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from pollsite.postgres.base import DatabaseWrapper

POOL_OPTIONS = frozenset(
    name
    for name, parameter in inspect.signature(ConnectionPool).parameters.items()
    if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
) - {"connect", "name"}


class PollsConfig(AppConfig):
    """Owns the pool of this process. Nothing is connected and no thread runs before the first checkout."""

    name = "polls"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._lock = Lock()
        self._address: tuple[str, ...] | None = None

    def ready(self) -> None:
        atexit.register(self._close_pool)

    @property
    def pool(self) -> ConnectionPool:
        """The pool, connected to wherever Django's default database is at this moment.

        Django's test runner changes the database's name under a running process: connections made to the
        old address are then retired instead of handed out.
        """
        pool = self._pool
        address = _database().address()
        if address != self._address:
            with self._lock:
                moved = self._address is not None and address != self._address
                self._address = address
            if moved:
                pool.drain()
        return pool

    @cached_property
    def _pool(self) -> ConnectionPool:
        options: dict[str, Any] = settings.POLLS_POOL
        if unknown := sorted(set(options) - POOL_OPTIONS):
            raise ImproperlyConfigured(f"POLLS_POOL has no option {', '.join(unknown)}")
        try:
            return ConnectionPool(**options, connect=lambda: connect("pool"))
        except (TypeError, ValueError) as error:
            raise ImproperlyConfigured(f"POLLS_POOL: {error}") from error

    def _close_pool(self) -> None:
        if pool := self.__dict__.get("_pool"):
            pool.close(timeout=0)


def connect(role: str) -> "Connection":
    """Return a psycopg2 connection of its own; the settings are read now, so that it follows Django's.

    `role` and the process appear in pg_stat_activity. Raises psycopg2.OperationalError.
    """
    return _database().connect_psycopg2(application_name=f"pollsite {role} {os.getpid()}")


def _database() -> "DatabaseWrapper":
    return cast("DatabaseWrapper", connections["default"])
