"""Django's PostgreSQL backend, which also starts the embedded server and opens connections for the pool.

It connects as the site's role, and as the owner of the tables where a block asks for that: `migrate` does.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg2
from django.db.backends.postgresql import base
from psycopg2.extensions import connection as Psycopg2Connection

from pollsite.embedded.programs import EmbeddedServerError
from pollsite.embedded.server import EmbeddedServer
from pollsite.postgres.client import NOT_LIBPQ, DatabaseClient
from pollsite.postgres.creation import DatabaseCreation
from pollsite.postgres.url import LIBPQ_NAMES

# The names that a server may have for UTC; Debian's default is Etc/UTC.
UTC_NAMES = frozenset(("UTC", "Etc/UTC", "GMT", "Etc/GMT"))

Connection = TypeVar("Connection")


class DatabaseWrapper(base.DatabaseWrapper):
    """The connection of the ORM, and the only code that opens connections to the database."""

    client_class = DatabaseClient
    creation_class = DatabaseCreation

    # The site's settings, while the block of as_owner() has replaced them.
    _site_settings: dict[str, Any] | None = None

    def has_owner(self) -> bool:
        """Return whether the settings name an owner of the tables beside the site's role."""
        return "OWNER" in self.site_settings

    @property
    def site_settings(self) -> dict[str, Any]:
        """The settings of the site's role; settings_dict, except in a block of as_owner()."""
        return self._site_settings or self.settings_dict

    @contextmanager
    def as_owner(self) -> Iterator[None]:
        """Let the ORM of this thread connect as the owner of the tables until the block ends.

        Closes the connection of the ORM before and after the block, so it must not be in a transaction. Where the site
        is the owner, and inside another such block, it does nothing.
        """
        if self._site_settings is not None or not self.has_owner():
            yield
            return
        site = self.settings_dict
        self.close()
        # A dictionary of its own: all threads share the other one.
        self._site_settings, self.settings_dict = site, self.owner_settings()
        try:
            yield
        finally:
            self.close()
            self._site_settings, self.settings_dict = None, site

    def owner_settings(self) -> dict[str, Any]:
        """Return the settings with which the owner connects, to the database that the site uses at this moment."""
        site = self.site_settings
        owner = {**site, **site.get("OWNER", {})}
        return {**owner, "NAME": site["NAME"] or owner["NAME"]}

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        params.setdefault("application_name", f"pollsite orm {os.getpid()}")
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connect = super().get_new_connection
        return self._reach(lambda: connect(conn_params), self.Database.OperationalError)

    def connect_psycopg2(self, *, start: bool = True, owner: bool = False, **overrides: Any) -> Psycopg2Connection:
        """Return a new psycopg2 connection to the site's database, with its time zone in UTC, its encoding in UTF-8.

        If `owner` is true, it connects as the owner of the tables, to where the owner connects.

        The caller owns it: the ORM does not track it, and any thread may call this. `overrides` are keyword arguments
        of psycopg2.connect and take precedence over the settings. If `start` is false, an embedded server that is
        down is not started. Raises psycopg2.OperationalError.
        """
        # Not get_connection_params(): if psycopg 3 is installed, Django returns parameters for psycopg 3 there.
        settings = self.owner_settings() if owner else self.site_settings
        params = {key: value for key, value in settings["OPTIONS"].items() if key not in NOT_LIBPQ}
        place = {name: settings[key] for key, name in LIBPQ_NAMES.items()}
        if settings["NAME"] is None:  # where it is empty, a service names the database
            place["dbname"] = "postgres"
        params |= {name: value for name, value in place.items() if value != ""}
        params |= {"client_encoding": "UTF8"} | overrides
        connection: Psycopg2Connection = (
            self._reach(lambda: psycopg2.connect(**params), psycopg2.OperationalError)
            if start
            else psycopg2.connect(**params)
        )
        # The server reports its time zone while connecting, so one in UTC costs no round trip. `options` in the
        # startup packet would never cost one, but PgBouncer refuses it.
        if connection.info.parameter_status("TimeZone") not in UTC_NAMES:
            with connection, connection.cursor() as cursor:
                cursor.execute("SET TIME ZONE 'UTC'")
        return connection

    def _reach(self, connect: Callable[[], Connection], error_class: type[Exception]) -> Connection:
        """Start the embedded server, if the settings name it, and connect.

        A server that cannot start raises `error_class`, like a server that is down: callers handle that already.
        """
        folder = self.settings_dict.get("EMBEDDED")
        if folder is None:
            return connect()
        server = EmbeddedServer(Path(folder))
        try:
            server.start()
            try:
                return connect()
            except error_class:
                # The server may have been killed although this process holds its lock: check, and try once more.
                if server.answers():
                    raise
                server.start(check=True)
                return connect()
        except EmbeddedServerError as error:
            raise error_class(str(error)) from error
