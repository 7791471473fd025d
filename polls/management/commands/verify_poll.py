"""Audit a poll: recount its votes and compute its draws again."""

import json
from contextlib import closing
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from polls import audit, queries
from polls.database import connect


class Command(BaseCommand):
    help = (
        "Recount a poll from its votes, compute its draws again, and compare both with what is stored and shown. "
        "Prints a line for each thing that differs, and exits with 1 where there is one. "
        "Example: manage.py verify_poll summer-trip-4f9xk2mzqp"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the poll's address, the part after /polls/")
        parser.add_argument("--json", action="store_true", help="print what was compared as JSON")

    def handle(self, *args: object, **options: Any) -> None:
        if not options["slug"].isprintable():  # PostgreSQL would refuse it as text
            raise CommandError(f"There is no poll {options['slug']!a}.")
        # Outside the pool: a million votes hold a connection for longer than the pool allows.
        with (
            closing(connect("verify")) as conn,
            tqdm(unit="entries", unit_scale=True, disable=None, leave=False) as bar,
        ):
            try:
                verdict = audit.verify(conn, options["slug"], bar.update)
            except queries.PollNotFound:
                raise CommandError(f"There is no poll {options['slug']!a}.") from None
        if options["json"]:
            self.stdout.write(json.dumps(verdict._asdict()))
        else:
            for difference in verdict.differences:
                self.stdout.write(difference)
        if verdict.differences:
            raise CommandError(f"{verdict.slug}: {len(verdict.differences)} differences.")
        if not options["json"]:
            self.stdout.write(
                f"{verdict.slug}: {verdict.voters} votes and {verdict.draws} draws agree. "
                f"Content {verdict.content_hash}, commitment {verdict.commitment}"
            )
