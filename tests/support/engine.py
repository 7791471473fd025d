"""An embedded server and one of an operator, Django's connections to them, and commands that use them."""

import subprocess
from collections.abc import Iterator
from glob import glob
from pathlib import Path

import pytest
from django.db import ConnectionHandler

from pollsite.embedded.programs import binaries, unprivileged
from pollsite.embedded.server import EmbeddedServer
from pollsite.postgres.base import DatabaseWrapper
from pollsite.postgres.url import database_settings
from tests.support.commands import try_manage
from tests.support.ports import free_port

SECRET = "s3cr3t"


def manage(*args: str, folder: Path, url: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a management command with this DATABASE_URL, and this folder for an embedded server."""
    return try_manage(*args, DATABASE_URL=url, EMBEDDED_POSTGRES_DIR=str(folder), **environment)


def wrapper(settings: dict) -> DatabaseWrapper:
    return ConnectionHandler({"default": settings})["default"]


@pytest.fixture(scope="module")
def embedded_folder(tmp_path_factory) -> Iterator[Path]:
    """The folder of an embedded server that runs for the tests of a module only."""
    server = EmbeddedServer(tmp_path_factory.mktemp("embedded"))
    server.start()
    yield server.folder
    server.start(check=True)
    server.release()


@pytest.fixture
def here(embedded_folder) -> DatabaseWrapper:
    """Django's connection to the server in `embedded_folder`."""
    return wrapper(database_settings("", embedded_folder=embedded_folder))


class External:
    """A server like an operator's: on TCP, with a password, in a time zone other than UTC."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.port = free_port()
        password = folder / "password"
        password.write_text(SECRET)
        initdb = ("initdb", "-N", "-D", f"{folder}/data", "-U", "owner", "-A", "scram-sha-256", f"--pwfile={password}")
        self.run(*initdb, "-E", "UTF8", "--locale=C")
        options = (
            f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c timezone=Asia/Tokyo"
        )
        self.run("pg_ctl", "start", "-w", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options)

    def run(self, program: str, *args: str) -> None:
        command = unprivileged([str(self.programs / program), *args], self.folder)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        self.run("pg_ctl", "stop", "-w", "-m", "fast", "-D", f"{self.folder}/data")

    def url(self, name: str = "postgres", password: str = SECRET, more: str = "") -> str:
        return f"postgres://owner:{password}@127.0.0.1:{self.port}/{name}{more}"


# The server of the wheel, and each version that is installed on this machine.
@pytest.fixture(scope="module", params=["wheel", *sorted(glob("/usr/lib/postgresql/*/bin"))])
def external(request, tmp_path_factory) -> Iterator[External]:
    """An operator's server, of each version."""
    server = External(binaries() if request.param == "wheel" else Path(request.param), tmp_path_factory.mktemp("other"))
    yield server
    server.stop()


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """The line that a command wrote to stderr as it failed, without the password."""
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert SECRET not in result.stderr
    return result.stderr
