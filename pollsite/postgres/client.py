"""`manage.py dbshell`: passes every option of libpq on to psql, and starts the embedded server and its own psql."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db.backends.postgresql.client import DatabaseClient as PostgreSQLClient
from psycopg2.extensions import make_dsn

from pollsite.embedded.programs import binaries
from pollsite.embedded.server import EmbeddedServer

# Keys of OPTIONS that are Django's or psycopg 3's and that libpq would refuse.
NOT_LIBPQ = frozenset(
    ("assume_role", "context", "cursor_factory", "isolation_level", "pool", "prepare_threshold", "server_side_binding")
)


class DatabaseClient(PostgreSQLClient):
    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        # Django passes on six options only, and psql takes a name with a "=" in it for a connection string. Secrets
        # stay out of the arguments, which every user of the machine can read.
        hidden = NOT_LIBPQ | {"password", "sslpassword"}
        options = {key: value for key, value in settings_dict["OPTIONS"].items() if key not in hidden}
        name = settings_dict["NAME"] or (None if options.get("service") else "postgres")
        dsn = make_dsn(**{"dbname": name, **options})
        args, env = super().settings_to_cmd_args_env({**settings_dict, "NAME": dsn}, parameters)
        if "EMBEDDED" in settings_dict:
            args[0] = str(binaries() / "psql")
        return args, env

    def runshell(self, parameters: Iterable[str]) -> None:
        if folder := self.connection.settings_dict.get("EMBEDDED"):
            EmbeddedServer(Path(folder)).start()
        super().runshell(parameters)
