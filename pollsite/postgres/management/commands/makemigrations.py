"""makemigrations without a database: it needs only the models and the migration files."""

from typing import Any

from django.core.management.commands import makemigrations
from django.db import connections


class Command(makemigrations.Command):
    def handle(self, *app_labels: str, **options: Any) -> None:
        # Django's command connects only to check that the applied migrations are consistent, and warns if it cannot
        # connect; `migrate` repeats the check anyway. It skips a database with the dummy engine, so every database
        # gets that one while the command runs: no embedded server starts, and a server that is down causes no warning.
        engines = {connection: connection.settings_dict["ENGINE"] for connection in connections.all()}
        try:
            for connection in engines:
                connection.settings_dict["ENGINE"] = "django.db.backends.dummy"
            super().handle(*app_labels, **options)
        finally:
            for connection, engine in engines.items():
                connection.settings_dict["ENGINE"] = engine
