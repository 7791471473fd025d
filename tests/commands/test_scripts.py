"""scripts/server, test and check: installing, errors in one line, starting, and ending on Ctrl-C."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.paths import BASE_DIR
from tests.support.ports import free_port

NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "var", ".env", "__pycache__", ".*_cache")
TOOLS = ("cat", "cmp", "cp", "dirname", "grep", "mkdir", "rm", "sed", "sh", "tail", "tr")
# Stands in for python3 and .venv/bin/python: it writes its arguments to the file `asked`, and runs `pip` as pip.
FAKE_PYTHON = """#!/bin/sh
echo "$*" >>asked
case "$*" in
*fcntl*) exec "{python}" "$@" ;;
"-m venv "*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
"-m pip "*) [ ! -e pip ] || . ./pip ;;
"-c import ensurepip"*) [ ! -e no_venv ] ;;
*version_info*) [ ! -e too_old ] ;;
esac
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout whose path has a space, without .venv."""
    return shutil.copytree(BASE_DIR, tmp_path / "a checkout", ignore=NOT_COPIED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder for PATH with the tools that Debian always has, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


@pytest.fixture
def fake_python(path: Path) -> Path:
    (path / "python3").write_text(FAKE_PYTHON.format(python=sys.executable))
    (path / "python3").chmod(0o755)
    return path


def run(script: Path, path: Path | str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run([script], env={"PATH": str(path), **env}, cwd="/", capture_output=True, text=True, timeout=60)


def asked(copy: Path, what: str) -> int:
    return (copy / "asked").read_text().count(what)


def only_line_of(result: subprocess.CompletedProcess) -> str:
    assert result.returncode == 1
    lines = (result.stdout + result.stderr).splitlines()
    return [line for line in lines if not line.startswith("Installing into .venv")].pop()


def link_venv(copy: Path) -> None:
    """Give the copy a finished .venv that links to the one that runs this test."""
    (copy / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (copy / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    for name in ("requirements.txt", "requirements-dev.txt"):
        shutil.copy(copy / name, copy / ".venv")


def processes_of(copy: Path) -> list[str]:
    """The command lines of all processes that work in the copy or name it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode()
            folder = os.readlink(process / "cwd")
        except OSError:
            continue
        if str(copy) in command or folder.startswith(str(copy)):
            found.append(command)
    return found


@contextmanager
def server(copy: Path, port: str) -> Iterator[subprocess.Popen]:
    """Run scripts/server, and press Ctrl-C at the end: every process ends, and prints nothing."""
    process = subprocess.Popen(
        [copy / "scripts" / "server"],
        env={"PATH": "/usr/bin:/bin", "PORT": port},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
            os.killpg(process.pid, signal.SIGINT)
            said, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, said) == (0, "")


def greeting(process: subprocess.Popen) -> str:
    """The lines that the server prints until it is ready."""
    said = ""
    while not said.endswith("Ctrl-C ends it.\n"):
        line = process.stdout.readline()
        said += line
        assert line, said
    return said


def get(port: str, page: str = "/") -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=10) as response:
        return response.status


def test_no_python_is_one_line(copy, path):
    line = only_line_of(run(copy / "scripts/server", path))
    assert line.startswith("Python 3.10 or newer is needed, and python3 is missing: install one (")


def test_an_old_python_is_one_line(copy, fake_python):
    (copy / "too_old").touch()
    assert only_line_of(run(copy / "scripts/test", fake_python)).startswith("Python 3.10 or newer is needed")


def test_a_newer_python_beside_an_old_python3_is_taken(copy, fake_python):
    (fake_python / "python3").rename(fake_python / "python3.12")
    (fake_python / "python3").symlink_to(shutil.which("false"))
    assert run(copy / "scripts/test", fake_python).returncode == 0
    assert asked(copy, "-m pytest") == 1


def test_the_python_that_is_named_is_taken(copy, fake_python):
    (fake_python / "python3").rename(fake_python / "mine")
    assert run(copy / "scripts/test", fake_python, PYTHON="mine").returncode == 0
    assert asked(copy, "-m pytest") == 1


def test_a_named_python_that_is_missing_is_one_line(copy, fake_python):
    line = only_line_of(run(copy / "scripts/test", fake_python, PYTHON="yours"))
    assert line.startswith("Python 3.10 or newer is needed, and yours is missing")


def test_a_python_without_venv_is_one_line_that_names_the_package(copy, fake_python):
    (copy / "no_venv").touch()
    assert "apt-get install python3-venv" in only_line_of(run(copy / "scripts/server", fake_python))


def test_a_failing_pip_is_one_line_with_its_reason(copy, fake_python):
    (copy / "pip").write_text("echo WARNING: a; echo ERROR: no such thing; echo b; false")
    line = only_line_of(run(copy / "scripts/test", fake_python))
    assert line == "Installing failed; is the network up? ERROR: no such thing (more: var/setup.log)"


def test_a_checkout_of_somebody_else_is_one_line(fake_python):
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(BASE_DIR, Path(folder) / "checkout", ignore=NOT_COPIED)
        (copy / "var").mkdir(mode=0o755)
        copy.chmod(0o555)
        Path(folder).chmod(0o755)
        other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        for script in ("server", "test", "check"):
            result = subprocess.run([copy / "scripts" / script], capture_output=True, text=True, cwd="/", **other)
            assert only_line_of(result).startswith(f"No permission to write in {copy}: ")
        copy.chmod(0o755)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"PORT": "http"}, "PORT is 'http': set it to a number from 1 to 65535."),
        ({"PORT": "65536"}, "PORT is '65536': set it to a number from 1 to 65535."),
        ({"HOST": "192.0.2.1"}, "HOST is '192.0.2.1', and this machine has no such address"),
    ],
)
def test_a_wrong_address_is_one_line(copy, env, message):
    link_venv(copy)
    assert only_line_of(run(copy / "scripts/server", "/usr/bin:/bin", **env)).startswith(message)


@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_taken_port_is_one_line_before_anything_is_installed(copy, path, place):
    (path / "python3").symlink_to(sys.executable)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        (copy / ".env").write_text(f'# PORT=1\nPORT = "{port}"\n' if place == "file" else "PORT=1")
        result = run(copy / "scripts/server", path, **({"PORT": port} if place == "environment" else {}))
    assert only_line_of(result).startswith(f"Port {port} is taken: end what uses it, or take another, as in PORT=")
    assert not (copy / ".venv").exists()


def test_requirements_are_installed_again_only_when_they_change(copy, fake_python):
    for _ in range(2):
        assert run(copy / "scripts/test", fake_python).returncode == 0
    assert (asked(copy, "-m venv"), asked(copy, "-m pip"), asked(copy, "-m pytest")) == (1, 1, 2)

    with (copy / "requirements-dev.txt").open("a") as file:
        file.write("# changed\n")
    run(copy / "scripts/server", fake_python)
    assert asked(copy, "-m pip") == 1
    run(copy / "scripts/test", fake_python)
    assert (asked(copy, "-m venv"), asked(copy, "-m pip")) == (1, 2)


@pytest.mark.parametrize("how", ["exit 1", "kill -9 $PPID"])
def test_a_half_made_venv_is_made_anew(copy, fake_python, how):
    (copy / "pip").write_text(how)
    assert run(copy / "scripts/test", fake_python).returncode != 0
    (copy / ".venv" / "half").touch()
    (copy / "pip").unlink()
    assert run(copy / "scripts/test", fake_python).returncode == 0
    assert asked(copy, "-m venv") == 2
    assert not (copy / ".venv" / "half").exists()


def test_two_at_once_install_once(copy, fake_python):
    os.mkfifo(copy / "go")
    (copy / "pip").write_text("cat go")
    both = [
        subprocess.Popen([copy / "scripts" / "test"], env={"PATH": str(fake_python)}, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout.readline().startswith("Installing")
    (copy / "go").write_text("")
    for process in both:
        process.communicate(timeout=30)
        assert process.returncode == 0
    assert (asked(copy, "-m venv"), asked(copy, "-m pip"), asked(copy, "-m pytest")) == (1, 1, 2)


@pytest.mark.slow
def test_the_server_starts_ends_on_ctrl_c_and_finds_its_data_again(copy):
    link_venv(copy)
    port = str(free_port())
    addresses = f"The polls:  http://127.0.0.1:{port}/\nThe admin:  http://127.0.0.1:{port}/admin/\nCtrl-C ends it.\n"
    with server(copy, port) as process:
        said = greeting(process)
        assert re.search(r"^Administrator: admin, password \S{16}, shown only now", said, re.MULTILINE)
        assert said.endswith(addresses)
        assert get(port) == get(port, "/admin/login/") == get(port, "/static/admin/css/base.css") == 200
    assert processes_of(copy) == []

    with server(copy, port) as process:
        assert greeting(process) == addresses
        assert get(port) == 200
    assert processes_of(copy) == []


@pytest.mark.slow
def test_two_servers_may_start_at_once_in_one_checkout(copy):
    link_venv(copy)
    ports = str(free_port()), str(free_port())
    with server(copy, ports[0]) as one, server(copy, ports[1]) as other:
        assert (greeting(one) + greeting(other)).count("Administrator: admin") == 1
        assert [get(port) for port in ports] == [200, 200]
    assert processes_of(copy) == []
