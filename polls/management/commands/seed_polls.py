"""Fill the site with sample polls and votes, a few or millions."""

import json
from contextlib import closing
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from polls import queries, sample_data
from polls.database import connect


class Command(BaseCommand):
    help = (
        "Create open sample polls with votes. The same seed gives the same polls and votes. Polls that exist already "
        "are left unchanged. Example: manage.py seed_polls --polls 2 --options 6 --votes 1000000 --seed 7"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--polls", type=int, default=3, help="how many polls (3)")
        parser.add_argument("--options", type=int, help="options of each poll (as many as the sample has)")
        parser.add_argument("--votes", type=int, default=120, help="votes in each poll (120)")
        parser.add_argument("--seed", type=int, default=1, help="another seed gives other polls (1)")
        parser.add_argument("--json", action="store_true", help="print the polls as JSON")

    def handle(self, *args: object, **options: Any) -> None:
        for name, least, most in (("polls", 1, 10_000), ("options", 2, 1000), ("votes", 0, 100_000_000)):
            if options[name] is not None and not least <= options[name] <= most:
                raise CommandError(f"--{name} is {options[name]}: give a number from {least} to {most}.")
        samples = [
            sample_data.make_sample(number, options["options"], options["votes"], options["seed"])
            for number in range(options["polls"])
        ]
        # Outside the pool: a million votes hold a connection for longer than the pool allows.
        with closing(connect("seed")) as conn:
            votes = options["polls"] * options["votes"]
            with tqdm(total=votes, unit="votes", unit_scale=True, disable=None, leave=False) as bar:
                created = [sample_data.create_sample(conn, sample, bar.update) for sample in samples]
            results = [queries.get_results(conn, sample.slug) for sample in samples]
        if options["json"]:
            polls = [
                {"slug": poll.poll.slug, "options": [option.id for option in poll.options], "votes": poll.voter_count}
                for poll in results
            ]
            self.stdout.write(json.dumps(polls))
        for poll, new in zip(results, created, strict=True):
            report = f"{poll.poll.title} {poll.voter_count} votes{'' if new else ', was there already'}"
            if not options["json"] and options["verbosity"]:
                self.stdout.write(f"/polls/{poll.poll.slug}/  {report}")
