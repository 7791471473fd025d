"""`manage.py dbshell` on the embedded server, which has its own psql and may have to be started first."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db.backends.postgresql.client import DatabaseClient as PostgreSQLClient

from pollsite.embedded.programs import binaries
from pollsite.embedded.server import EmbeddedServer


class DatabaseClient(PostgreSQLClient):
    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        args, env = super().settings_to_cmd_args_env(settings_dict, parameters)
        if "EMBEDDED" in settings_dict:
            args[0] = str(binaries() / "psql")
        return args, env

    def runshell(self, parameters: Iterable[str]) -> None:
        if folder := self.connection.settings_dict.get("EMBEDDED"):
            EmbeddedServer(Path(folder)).start()
        super().runshell(parameters)
