"""flush says why it does not: the database keeps votes, counts, draws and events from being truncated."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import flush


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        raise CommandError(
            "flush would remove votes, counts, draws and the history of polls, and the database refuses that. To start "
            "over, stop the site, drop the database and create it again (the embedded one: remove its folder), and run "
            "migrate."
        )
