"""Show the pools of the running site, their waiting callers, and what the server says of them."""

import json
import re
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from polls.monitoring.report import Report, as_json, build_report
from polls.monitoring.tables import budget_line, connection_rows, one_line, other_rows, process_rows

CLEAR = "\x1b[H\x1b[J"
NUMERIC = re.compile(r"-|[\d.]+( \w+)?")


class Command(BaseCommand):
    help = (
        "Show the pools of all processes of this host: which thread holds which connection, since when and from where, "
        "and which threads wait. Opens no pool, and works while the pools are exhausted and the server is down. Exits "
        "with 1 where a process waits or holds a connection for too long. Example: manage.py pool_status -v --watch 2"
    )
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        # In place of Django's option, which requires a number.
        parser.add_argument(
            "-v",
            "--verbosity",
            nargs="?",
            type=int,
            const=2,
            default=1,
            choices=range(4),
            help="with a row for each connection",
        )
        parser.add_argument("--json", action="store_true", help="print JSON; one line a time with --watch")
        parser.add_argument("--watch", type=float, metavar="SECONDS", help="repeat every SECONDS, until Ctrl-C")

    def handle(self, *args: object, **options: Any) -> None:
        pause = options["watch"]
        if pause is not None and not 0.1 <= pause <= 3600:
            raise CommandError("--watch takes seconds, from 0.1 to 3600.", returncode=2)
        try:
            while True:
                troubles = self.show(options)
                if pause is None:
                    break
                time.sleep(pause)
        except KeyboardInterrupt:
            self.stdout.write("")
        except BrokenPipeError:
            sys.stdout = None  # the reader has closed the pipe: no error at exit
            return
        if troubles:
            raise CommandError("; ".join(troubles))

    def show(self, options: dict[str, Any]) -> list[str]:
        """Print one report, and return its troubles."""
        try:
            report = build_report()
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be read ({error.strerror}): ask as its owner.") from error
        if options["json"]:
            self.stdout.write(json.dumps(as_json(report)))
        else:
            self.show_tables(report, options)
        self.stdout.flush()
        return report.troubles()

    def show_tables(self, report: Report, options: dict[str, Any]) -> None:
        if options["watch"] and self.stdout.isatty():
            self.stdout.write(CLEAR + time.strftime("%H:%M:%S"))
        if report.processes:
            self.table(process_rows(report))
        else:
            self.stdout.write("No process of this host has a pool open.")
        if options["verbosity"] > 1:
            self.table(connection_rows(report))
            self.table(other_rows(report))
        if report.server.error:
            self.stdout.write(self.style.ERROR(f"The server cannot be asked: {one_line(report.server.error)}"))
        self.stdout.write(budget_line(report))

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Print a table, in columns on a terminal and with tabs in a pipe. The first row is the heading."""
        if len(rows) < 2:
            return
        if not self.stdout.isatty():
            self.stdout.write("".join("\t".join(row) + "\n" for row in rows) + "\n")
            return
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        numeric = [all(NUMERIC.fullmatch(cell) for cell in column[1:]) for column in zip(*rows, strict=True)]
        across = shutil.get_terminal_size().columns or 80  # Python 3.10 returns 0 for a terminal without a size
        for number, row in enumerate(rows):
            cells = [
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, numeric, strict=True)
            ]
            line = "  ".join(cells).rstrip()[:across]  # lines are whole in a pipe, and in JSON
            self.stdout.write(line if number else self.style.MIGRATE_HEADING(line))
        self.stdout.write("")
