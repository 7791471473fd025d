"""Draw a winner among everyone who voted, or among the voters of an option."""

import getpass
import json
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from polls import queries
from polls.database import connect

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


class Command(BaseCommand):
    help = (
        "Draw a winner among everyone who voted in a closed poll, or among the voters of one option. The draw gets a "
        "page that shows how to check it. Where the poll announces a public value, run this twice: without "
        "--public-value before the value is known, which freezes the entries, and with it afterwards. "
        "Example, among everyone who voted: manage.py draw_winner summer-trip-4f9xk2mzqp. "
        "Among those who chose option 17: "
        "manage.py draw_winner summer-trip-4f9xk2mzqp 17 --public-value '4 8 15 16 23 42'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the poll's address, the part after /polls/")
        parser.add_argument(
            "option_id",
            nargs="?",
            type=int,
            metavar="OPTION_ID",
            help="the id of the option in results.json; without it, the draw is among everyone who voted",
        )
        parser.add_argument("--public-value", default="", metavar="V", help="the announced value, exactly as published")
        parser.add_argument("--reason", default="", metavar="R", help="why it is drawn again")
        parser.add_argument("--json", action="store_true", help="print the draw as JSON")

    def handle(self, *args: object, **options: Any) -> None:
        for name, longest in (("slug", 80), ("public_value", 500), ("reason", 200)):
            if len(options[name]) > longest or not options[name].isprintable():
                raise CommandError(f"{name.replace('_', ' ')}: give up to {longest} printable characters.")
        # Outside the pool: a million entries hold a connection for seconds.
        with closing(connect("draw")) as conn:
            conn.autocommit = True
            try:
                draw, entries = self.draw(conn, **options)
            except queries.PollNotFound:
                raise CommandError(f"There is no poll {options['slug']!a}.") from None
            except queries.DrawRefused as refusal:
                raise CommandError(f"{refusal}.") from None
        if options["json"]:
            rows = {"draw": draw and draw._asdict(), "entries": entries._asdict()}
            self.stdout.write(json.dumps(rows, default=datetime.isoformat))
        elif draw:
            self.stdout.write(draw.winner)
            page = f"/polls/{options['slug']}/draws/{draw.number}/"
            self.stderr.write(f"Draw {draw.number} of {draw.entries} entries: {page}")
        else:
            self.stdout.write(entries.hash)
            self.stderr.write(
                f"{entries.entries} entries are frozen, nothing is drawn yet: publish this SHA-256, and run this again "
                "with --public-value when the value is known."
            )

    def draw(
        self,
        conn: "Connection",
        *,
        slug: str,
        option_id: int | None,
        public_value: str,
        reason: str,
        **_: object,
    ) -> tuple[queries.DrawRow | None, queries.EntriesRow]:
        """Freeze the entries and draw. Only freeze where a public value is announced and not given yet."""
        ballot = queries.get_poll(conn, slug)
        poll, number = ballot.poll, ballot.verification.draw_count + 1
        if option_id is not None and option_id not in {option.id for option in ballot.options}:
            raise CommandError(f"{slug} has no option {option_id}: results.json lists them.")
        actor = f"draw_winner, run by {getpass.getuser()}"
        if not public_value:
            queries.freeze_entries(conn, poll.id, option_id, actor=actor)
        if public_value or not poll.draw_source:
            queries.draw_winner(
                conn, poll.id, option_id, number=number, public_value=public_value, reason=reason, actor=actor
            )
        [entries] = [row for row in queries.list_entries(conn, poll.id) if row.option_id == option_id]
        draw = next((row for row in queries.list_draws(conn, poll.id) if row.number == number), None)
        return draw, entries
