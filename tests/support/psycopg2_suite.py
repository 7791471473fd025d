"""Compare psycopg2's own test suite without and with pools. Run with scripts/psycopg2-suite.

The suite comes from the source archive of the psycopg2 that requirements.txt pins, and tests the binary that is
installed. The two runs take place at the same time, each on a PostgreSQL of its own.
"""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from pollsite.embedded.programs import binaries
from tests.support.paths import BASE_DIR
from tests.support.psycopg2_plug import FAILED, OK, SKIPPED
from tests.support.servers import Server

FOLDER = BASE_DIR / "var" / "psycopg2-suite"
UNAVAILABLE = 2  # the exit status if the archive cannot be had


def pinned_version() -> str:
    found = re.search(r"^psycopg2-binary==(\S+)", (BASE_DIR / "requirements.txt").read_text(), re.MULTILINE)
    assert found, "requirements.txt does not pin psycopg2-binary"
    return found[1]


def download(version: str) -> str:
    """Download the archive unless it is there, and return the reason if that fails."""
    if archive(version).exists():
        return ""
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--retries", "1", "--no-deps", "--no-binary", ":all:", "--dest", str(FOLDER), f"psycopg2=={version}"),
    ]
    # pip asks the archive for its metadata, which needs a pg_config.
    environment = {**os.environ, "PATH": f"{binaries()}:{os.environ['PATH']}"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    return (result.stderr.strip() or "pip fails").splitlines()[-1] if result.returncode else ""


def archive(version: str) -> Path:
    return FOLDER / f"psycopg2-{version}.tar.gz"


def unpack(version: str) -> None:
    """Unpack the suite as a package whose name is not that of our own tests."""
    package = FOLDER / "psycopg2_tests"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir()
    with tarfile.open(archive(version)) as files:
        for member in files.getmembers():
            path = Path(member.name)
            if path.parent == Path(f"psycopg2-{version}", "tests") and (file := files.extractfile(member)):
                (package / path.name).write_bytes(file.read())


def run(how: str) -> dict[str, Any]:
    """Run the suite, "plain" or "pooled". The log has the tracebacks."""
    server = Server()
    try:
        server.start()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PG", "PSYCOPG2_"))},
            "PYTHONPATH": str(FOLDER),
            "PSYCOPG2_TESTDB": "postgres",
            "PSYCOPG2_TESTDB_HOST": str(server.folder),
            "PSYCOPG2_TESTDB_PORT": str(server.port),
            "PSYCOPG2_TESTDB_USER": "postgres",
        }
        command = [sys.executable, "-m", "tests.support.psycopg2_plug", how]
        with log_of(how).open("w") as log:
            result = subprocess.run(command, cwd=BASE_DIR, env=environment, stdout=subprocess.PIPE, stderr=log)
    finally:
        server.remove()
    if result.returncode:
        sys.exit(f"The {how} run of the suite did not end: see {log_of(how)}.")
    return json.loads(result.stdout)


def log_of(how: str) -> Path:
    return FOLDER / f"{how}.log"


def summary(outcomes: dict[str, str]) -> str:
    values = list(outcomes.values())
    return ", ".join(f"{values.count(outcome)} {outcome}" for outcome in (OK, FAILED, SKIPPED))


def main() -> int:
    version = pinned_version()
    FOLDER.mkdir(parents=True, exist_ok=True)
    if reason := download(version):
        print(f"The source archive of psycopg2 {version} cannot be had: {reason}")
        return UNAVAILABLE
    unpack(version)
    with concurrent.futures.ThreadPoolExecutor() as threads:
        plain, pooled = threads.map(run, ("plain", "pooled"))
    without, through = plain["outcomes"], pooled["outcomes"]
    loans = f"{pooled['requests_num']} loans of {pooled['connections_num']} connections"
    print(
        f"psycopg2 {version}, {len(without)} tests; without a pool: {summary(without)}; "
        f"through pools: {summary(through)} ({loans})"
    )
    worse = [name for name, outcome in without.items() if outcome not in (FAILED, through.get(name))]
    for name in worse:
        print(f"{name}: {without[name]} without, {through.get(name, 'missing')} through pools")
    if worse:
        print(f"{len(worse)} tests do not pass through pools as they do without: see {log_of('pooled')}.")
    return bool(worse)


if __name__ == "__main__":
    sys.exit(main())
