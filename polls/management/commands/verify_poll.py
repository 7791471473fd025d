"""Compute again whatever can be computed again about a poll."""

import json
from contextlib import closing
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from polls import queries, verifying
from polls.apps import connect


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
        if not options["slug"].isprintable():  # nothing that PostgreSQL could be asked for
            raise CommandError(f"There is no poll {options['slug']!a}.")
        # A connection of its own: a million votes hold it for longer than the pool lets anybody hold one.
        with (
            closing(connect("verify")) as conn,
            tqdm(unit="entries", unit_scale=True, disable=None, leave=False) as bar,
        ):
            try:
                verdict = verifying.verify(conn, options["slug"], bar.update)
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
