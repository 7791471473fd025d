"""What stands above the tables: when, on what machine and with what they were measured."""

import datetime
import platform
import re
from pathlib import Path

import django
import psutil

from tests.support.servers import Server


def describe(server: Server, command: str) -> str:
    """Return the date, the machine, the versions and the command, as a sentence of Markdown."""
    [(postgres,)] = server.run("SHOW server_version")
    return (
        f"Measured on {datetime.date.today()} with `{command}`: {processor()}, {psutil.cpu_count()} cores, "  # noqa: DTZ011
        f"Python {platform.python_version()}, PostgreSQL {postgres}, Django {django.__version__}."
    )


def processor() -> str:
    """Return the model of the processor."""
    model = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return model[1] if model else platform.machine()
