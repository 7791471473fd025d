"""The app, and the pool that its pages draw their connections from."""

import atexit
import os
import time
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from polls import checks
from polls.pool import ConnectionPool
from polls.processes import ProcessStatus
from polls.publishing import Publisher, describe

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from pollsite.postgres.base import DatabaseWrapper


class Connector:
    """Makes the pool's connections, and remembers how that went."""

    def __init__(self) -> None:
        self.last_error = ""
        self.last_error_s: float | None = None  # time.monotonic()
        self.failing = False  # the last attempt failed, whatever idle connections still answer

    def __call__(self, **overrides: Any) -> "Connection":
        try:
            connection = connect("pool", **overrides)
        except Exception as error:
            self.last_error, self.last_error_s, self.failing = str(error).strip(), time.monotonic(), True
            raise
        self.failing = False
        return connection


class PollsConfig(AppConfig):
    """Owns the pool of this process. Nothing is connected and no thread runs before the first checkout."""

    name = "polls"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._lock = Lock()
        self._address: tuple[str, ...] | None = None
        self.connector = Connector()

    def ready(self) -> None:
        checks.register_checks()
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
        if unknown := sorted(set(options) - checks.POOL_OPTIONS):
            raise ImproperlyConfigured(f"POLLS_POOL has no option {', '.join(unknown)}")
        try:
            return ConnectionPool(**options, connect=self._connect)
        except (TypeError, ValueError) as error:
            raise ImproperlyConfigured(f"POLLS_POOL: {error}") from error

    @cached_property
    def _publisher(self) -> Publisher:
        return Publisher(Path(settings.POOL_STATE_DIR), self._describe)

    def _connect(self) -> "Connection":
        self._publisher.start()  # here, where the first checkout passes and the others do not
        return self.connector()

    def _describe(self) -> ProcessStatus:
        return describe(self._pool, self.connector.last_error, self.connector.last_error_s)

    def _close_pool(self) -> None:
        if pool := self.__dict__.get("_pool"):
            self._publisher.stop()
            pool.close(timeout=0)


def connect(role: str, **overrides: Any) -> "Connection":
    """Return a psycopg2 connection of its own; the settings are read now, so that it follows Django's.

    `role` and the process appear in pg_stat_activity; `overrides` go to psycopg2.connect. Raises
    psycopg2.OperationalError.
    """
    return _database().connect_psycopg2(application_name=f"pollsite {role} {os.getpid()}", **overrides)


def _database() -> "DatabaseWrapper":
    return cast("DatabaseWrapper", connections["default"])
