"""The app, and the pool of this process that its pages take their connections from."""

import atexit
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from polls import checks, privileges
from polls.checkpoints import CheckpointTaker
from polls.database import connect, database
from polls.monitoring.publisher import Publisher, describe
from polls.pool import ConnectionPool
from polls.queries import PreparingConnection

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


class PollsConfig(AppConfig):
    """Owns the pool of this process. It connects to nothing and starts no thread before the first checkout."""

    name = "polls"
    site_privileges = privileges.TABLES

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._lock = Lock()
        self._database: str | None = None

    def ready(self) -> None:
        checks.register_checks()
        atexit.register(self._close_pool)

    @property
    def pool(self) -> ConnectionPool:
        """The pool, connected to wherever Django's default database is at this moment.

        Django's test runner changes the name of the database while the process runs: connections to the other one
        are then retired instead of lent.
        """
        pool = self._pool
        name = connections.settings["default"]["NAME"]
        if name != self._database:
            with self._lock:
                moved = self._database is not None and name != self._database
                self._database = name
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
        return Publisher(Path(settings.POOL_STATE_DIR), lambda: describe(self._pool))

    @cached_property
    def checkpoint_taker(self) -> CheckpointTaker:
        """What takes checkpoints in this process, once there was a vote."""
        return CheckpointTaker()

    def _connect(self) -> "Connection":
        self._publisher.start()  # here, because only a checkout that connects comes this way
        if database().settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
            return connect("pool")  # a pooler stands between: the next statement may go to another session
        return connect("pool", connection_factory=PreparingConnection)

    def _close_pool(self) -> None:
        if taker := self.__dict__.get("checkpoint_taker"):
            taker.stop()
        if pool := self.__dict__.get("_pool"):
            self._publisher.stop()
            pool.close(timeout=0)
