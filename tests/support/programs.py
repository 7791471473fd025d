"""Programs that tests run in a Python of their own: what hangs or kills there is seen, and does no harm here."""

import subprocess
import sys
import textwrap
from typing import Any

from tests.support.paths import BASE_DIR


def with_time_limit(source: str, seconds: float) -> str:
    """The program, ended after `seconds` with the traces of all its threads."""
    limit = f"import faulthandler; faulthandler.dump_traceback_later({seconds}, exit=True)\n"
    return limit + textwrap.dedent(source)


def run_program(source: str, *arguments: Any, seconds: float = 20) -> str:
    """Run a program, and return what it printed. It must end in time, without an error."""
    run = subprocess.run(
        [sys.executable, "-c", with_time_limit(source, seconds), *map(str, arguments)],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=seconds + 10,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def start_program(source: str, *arguments: Any, seconds: float = 30) -> "subprocess.Popen[str]":
    """Start a program that the test talks to by its standard input and output."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", with_time_limit(source, seconds), *map(str, arguments)],
        cwd=BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
