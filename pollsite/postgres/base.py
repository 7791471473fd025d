"""Django's PostgreSQL backend, which brings its server along where settings name the embedded one."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psycopg2
from django.db.backends.postgresql import base
from psycopg2.extensions import connection as Psycopg2Connection

from pollsite.embedded.programs import EmbeddedServerError
from pollsite.embedded.server import EmbeddedServer
from pollsite.postgres.client import NOT_LIBPQ, DatabaseClient
from pollsite.postgres.creation import DatabaseCreation

# Names under which servers are told to run in UTC; Debian's default is the second.
UTC_NAMES = frozenset(("UTC", "Etc/UTC", "GMT", "Etc/GMT"))

Connection = TypeVar("Connection")


class DatabaseWrapper(base.DatabaseWrapper):
    """The connection of the ORM, and the one place that knows how to reach the database."""

    client_class = DatabaseClient
    creation_class = DatabaseCreation

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        params.setdefault("application_name", f"pollsite orm {os.getpid()}")
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connect = super().get_new_connection
        return self._reach(lambda: connect(conn_params), self.Database.OperationalError)

    def address(self) -> tuple[str, str, str, str]:
        """Return host, port, database and user that connections go to at this moment.

        Django's test runner changes the database's name in place: compare to see that it moved.
        """
        settings = self.settings_dict
        return (settings["HOST"], str(settings["PORT"]), settings["NAME"] or "postgres", settings["USER"])

    def connect_psycopg2(self, *, start: bool = True, **overrides: Any) -> Psycopg2Connection:
        """Return a new psycopg2 connection to address(), with times in UTC and text in UTF-8.

        It is the caller's alone: the ORM does not know of it, and any thread may ask for one. `overrides` are
        keywords of psycopg2.connect and win over the settings. Without `start` an embedded server that is down stays
        down. Raises psycopg2.OperationalError.
        """
        # Built from the settings, not by get_connection_params(): with psycopg 3 installed Django fills that for it.
        host, port, database, user = self.address()
        settings = self.settings_dict
        params = {key: value for key, value in settings["OPTIONS"].items() if key not in NOT_LIBPQ}
        place = {"host": host, "port": port, "user": user, "password": settings["PASSWORD"]}
        if settings["NAME"] != "":  # otherwise a service names the database
            place["dbname"] = database
        params |= {key: value for key, value in place.items() if value != ""}
        params |= {"client_encoding": "UTF8"} | overrides
        connection: Psycopg2Connection = (
            self._reach(lambda: psycopg2.connect(**params), psycopg2.OperationalError)
            if start
            else psycopg2.connect(**params)
        )
        # The server told its time zone while connecting: where it is UTC already this costs nothing. `options` in the
        # start-up packet would never cost anything, and PgBouncer refuses it.
        if connection.info.parameter_status("TimeZone") not in UTC_NAMES:
            with connection, connection.cursor() as cursor:
                cursor.execute("SET TIME ZONE 'UTC'")
        return connection

    def _reach(self, connect: Callable[[], Connection], error_class: type[Exception]) -> Connection:
        """Start the embedded server, if that is the one, and connect.

        A server that cannot be started is reported as the driver reports one that is down: whoever connects
        is prepared for that.
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
                # This process holds the server's lock, and it may have been killed even so: look, and try once more.
                if server.answers():
                    raise
                server.start(check=True)
                return connect()
        except EmbeddedServerError as error:
            raise error_class(str(error)) from error
