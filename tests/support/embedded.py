"""Embedded servers, and processes that hold them."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from pollsite.embedded import server as embedded
from pollsite.embedded.server import EmbeddedServer
from tests.support.paths import BASE_DIR

# Code for a process that holds the server of the folder in its first argument.
HOLD = """
import sys
from pathlib import Path
from pollsite.embedded.server import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
"""
HOLD_START = HOLD + "print(server.start(), flush=True)\n"


class Process:
    """A new Python process that runs `code` with `folder` as its argument."""

    def __init__(self, folder: Path, code: str = HOLD_START + "sys.stdin.read()", before=(), **options):
        self.popen = subprocess.Popen(
            [*before, options.pop("python", sys.executable), "-W", "error", "-c", code, folder],
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def says(self) -> str:
        return self.popen.stdout.readline().strip()

    def goes_on(self) -> None:
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()

    def leaves(self) -> str:
        """End its input, wait for its end, and return what it wrote to stderr."""
        _, errors = self.popen.communicate(timeout=60)
        return errors

    def is_killed(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def is_cleared(self) -> None:
        with self.popen:
            self.popen.kill()


@pytest.fixture
def process():
    """Start processes that are ended with the test."""
    with contextlib.ExitStack() as stack:

        def make(*args, **options) -> Process:
            made = Process(*args, **options)
            stack.callback(made.is_cleared)
            return made

        yield make


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Path:
    """The folder of a server that has run and ended, to be copied: initdb takes longer than all the rest."""
    server = EmbeddedServer(tmp_path_factory.mktemp("made"))
    server.start()
    server.release()
    return server.folder


def copied(cluster: Path, folder: Path) -> Path:
    """Copy a cluster with its owners: without user namespaces, what root starts belongs to another user."""
    subprocess.run(["cp", "-a", str(cluster), str(folder)], check=True)
    return folder


@pytest.fixture
def server_folder(cluster, tmp_path) -> Path:
    """A copy of `cluster`, on which no server runs."""
    return copied(cluster, tmp_path / "postgres")


@pytest.fixture
def embedded_server(server_folder) -> Iterator[EmbeddedServer]:
    """A server on `server_folder`, not started yet."""
    server = EmbeddedServer(server_folder)
    yield server
    server.start()  # so that the server stops with us, whatever the test left behind
    server.release()


def query(server: EmbeddedServer, sql: str):
    """The first row that a statement returns."""
    connection = psycopg2.connect(
        host=str(server.socket_folder), port=embedded.PORT, user=embedded.OWNER, dbname=embedded.DATABASE
    )
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone() if cursor.description else None
    finally:
        connection.close()


def postmaster(server: EmbeddedServer) -> int:
    """The process id of a server."""
    return int((server.data / "postmaster.pid").read_text().split("\n")[0])


def starts(server: EmbeddedServer) -> int:
    """How often a server was started in its folder."""
    return server.log.read_text().count("starting PostgreSQL")


def kill_postmaster(server: EmbeddedServer) -> None:
    os.kill(postmaster(server), signal.SIGKILL)
