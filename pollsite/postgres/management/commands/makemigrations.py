"""makemigrations that needs no database: models and migration files are all it reads."""

from typing import Any

from django.core.management.commands import makemigrations
from django.db import connections


class Command(makemigrations.Command):
    def handle(self, *app_labels: str, **options: Any) -> None:
        # Django's own connects for one thing, to see whether the applied migrations are in order, and warns where it
        # cannot; `migrate` looks at that again anyway. It spares a database that has no engine, so for as long as this
        # runs ours have none: a database that is down, or embedded and not started, then changes nothing here.
        engines = {connection: connection.settings_dict["ENGINE"] for connection in connections.all()}
        try:
            for connection in engines:
                connection.settings_dict["ENGINE"] = "django.db.backends.dummy"
            super().handle(*app_labels, **options)
        finally:
            for connection, engine in engines.items():
                connection.settings_dict["ENGINE"] = engine
