"""The sites to compare, each filled with the same polls and running on a port of its own.

All use one PostgreSQL, with a database for each.
"""

import contextlib
import dataclasses
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2

from tests.support.commands import run_manage
from tests.support.paths import BASE_DIR
from tests.support.ports import free_port
from tests.support.servers import Server

TUTORIAL = BASE_DIR / "benchmarks" / "tutorial"
WITH_PSYCOPG = BASE_DIR / "benchmarks" / ".venv" / "bin" / "python"
WITH_GRANIAN = BASE_DIR / "benchmarks" / "servers" / ".venv" / "bin" / "python"
POLLS = 20  # a full front page
OPTIONS = 6
VOTES = 1000

OURS = "this site"
# The modes of the tutorial's app, as TUTORIAL_MODE names them.
PERSISTENT, POOL, EACH = "psycopg2, CONN_MAX_AGE=600", "psycopg 3, Django's pool", "psycopg2, CONN_MAX_AGE=0"
MODES = {PERSISTENT: "persistent", POOL: "pool", EACH: "each"}

FILL_TUTORIAL = """
INSERT INTO polls_question (question_text, pub_date)
SELECT %(title)s, now() - number * interval '1 minute' FROM generate_series(1, %(polls)s) AS number;
INSERT INTO polls_choice (question_id, choice_text, votes)
SELECT question.id, text, %(votes)s / cardinality(%(options)s)
  FROM polls_question AS question CROSS JOIN unnest(%(options)s) AS text;
"""


@dataclasses.dataclass(frozen=True)
class Poll:
    """A poll of a site."""

    address: str
    title: str
    options: list[str]


@dataclasses.dataclass(frozen=True, eq=False)
class Site:
    """A site to measure: how it is started, and its addresses."""

    name: str
    folder: Path
    python: Path
    configuration: str  # of gunicorn, relative to the folder
    environment: dict[str, str]
    front_page: str
    poll: Poll
    port: int = dataclasses.field(default_factory=free_port)

    def manage(self, *arguments: str) -> str:
        """Run a management command of the site, and return its output."""
        command = [str(self.python), "manage.py", *arguments]
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout


def gunicorn(site: Site) -> list[str]:
    """Return the command that serves a site with gunicorn."""
    return [str(site.python), "-m", "gunicorn", "--config", site.configuration]


def granian(site: Site) -> list[str]:
    """Return the command that serves this site with granian, with as many processes and threads."""
    options = ("--interface", "wsgi", "--workers", "2", "--blocking-threads", "8", "--http", "1", "--no-ws")
    place = ("--host", "127.0.0.1", "--port", str(site.port))
    return [str(WITH_GRANIAN), "-m", "granian", *options, *place, "pollsite.wsgi:application"]


# A server is the function that gives its command; the site's environment has HOST and PORT.
SERVERS: dict[str, Callable[[Site], list[str]]] = {"gunicorn": gunicorn, "granian": granian}


@contextlib.contextmanager
def serving(site: Site, server: str = "gunicorn") -> Iterator[int]:
    """Serve the site, and yield the id of the process at the root of the web server's tree."""
    process = subprocess.Popen(
        SERVERS[server](site),
        cwd=site.folder,
        env={**os.environ, **site.environment, "HOST": "127.0.0.1", "PORT": str(site.port)},
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not answers(site.port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{site.name} does not start: {' '.join(SERVERS[server](site))}")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Return whether a site on this port is up."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def run_sql(server: Server, database: str, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
    """Run statements in a database, each in a transaction of its own where it has no parameters. Return the rows."""
    conn = psycopg2.connect(server.dsn(tcp=True), dbname=database)
    try:
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        conn.close()


def make_ours(server: Server) -> Site:
    """Return this site with sample polls, among them the one to measure."""
    run_sql(server, "postgres", "CREATE DATABASE ours")
    environment = {
        "DJANGO_SETTINGS_MODULE": "pollsite.settings",
        "DATABASE_URL": f"postgres://postgres@127.0.0.1:{server.port}/ours",
        "DATABASE_OWNER_URL": "",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "VOTER_KEY": secrets.token_urlsafe(50),
        "VOTES_PER_MINUTE": "0",  # all voters have one address
        "ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS": "false",
        "DEBUG": "false",
        "WEB_CONCURRENCY": "2",
        "WEB_THREADS": "8",
        "POOL_STATE_DIR": tempfile.mkdtemp(dir=server.folder),
    }
    run_manage("migrate", "--verbosity", "0", **environment)
    poll = seed(server, environment, POLLS, VOTES)
    return Site(OURS, BASE_DIR, Path(sys.executable), "pollsite/gunicorn.conf.py", environment, "/", poll)


def seed(server: Server, environment: dict[str, str], polls: int, votes: int, seed: int = 1) -> Poll:
    """Create sample polls with so many votes each in this site, and return the first."""
    numbers = ("--polls", str(polls), "--options", str(OPTIONS), "--votes", str(votes), "--seed", str(seed))
    first = json.loads(run_manage("seed_polls", *numbers, "--json", **environment))[0]
    slug = first["slug"]
    if first["votes"] != votes:
        raise RuntimeError(f"{slug} has {first['votes']} votes instead of {votes}")
    # Otherwise autovacuum would do it during the measurements.
    run_sql(server, "ours", "VACUUM ANALYZE")
    run_sql(server, "ours", "CHECKPOINT")
    [(poll_id, title)] = run_sql(server, "ours", "SELECT id, title FROM polls_poll WHERE slug = %(slug)s", slug=slug)
    options = "SELECT text FROM polls_option WHERE poll_id = %(poll_id)s ORDER BY position"
    return Poll(f"/polls/{slug}/", title, [text for (text,) in run_sql(server, "ours", options, poll_id=poll_id)])


def make_tutorial(server: Server, name: str, poll: Poll) -> Site:
    """Return the tutorial's app in one of its modes, with questions like this poll."""
    mode = MODES[name]
    run_sql(server, "postgres", f"CREATE DATABASE {mode}")
    environment = {
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
        "TUTORIAL_MODE": mode,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PGUSER": "postgres",
        "PGDATABASE": mode,
    }
    python = WITH_PSYCOPG if name == POOL else Path(sys.executable)
    question = dataclasses.replace(poll, address="/polls/1/")
    site = Site(name, TUTORIAL, python, "gunicorn.conf.py", environment, "/polls/", question)
    site.manage("migrate", "--verbosity", "0")
    run_sql(server, mode, FILL_TUTORIAL, title=poll.title, options=poll.options, polls=POLLS, votes=VOTES)
    return site
