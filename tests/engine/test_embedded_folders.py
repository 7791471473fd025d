"""The folder of the embedded server: any path, and any user, root included."""

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg2
import pytest

from pollsite.embedded import programs
from pollsite.embedded.programs import EmbeddedServerError
from pollsite.embedded.server import EmbeddedServer
from tests.support.embedded import copied, query
from tests.support.paths import BASE_DIR

SOMEBODY = pwd.getpwnam("daemon").pw_uid
NAMELESS = 54_321
NAMESPACES = subprocess.run(["unshare", "--user", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
PACKAGES = str(Path(psycopg2.__file__).resolve().parent.parent)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.mark.parametrize(
    "name",
    ["with spaces", 'it\'s "quoted"', "a,b", "$HOME `id` \\ %s", "größe", "long" * 30],
)
def test_any_path_will_do(name, cluster, tmp_path):
    server = EmbeddedServer(copied(cluster, tmp_path / name))
    server.start()
    try:
        assert query(server, "SHOW data_directory") == (str(tmp_path / name / "data"),)
        assert len(os.fsencode(server.socket_folder)) <= 100
    finally:
        server.release()
    assert not server.answers()


def test_variables_that_are_meant_for_other_servers_change_nothing(embedded_server, monkeypatch):
    for name in ("PGDATA", "PGPORT", "PGHOSTADDR", "PGSSLMODE", "PGOPTIONS"):
        monkeypatch.setenv(name, "nonsense")
    embedded_server.start()
    assert embedded_server.answers()


def test_a_path_too_long_for_a_socket_has_a_private_folder_that_every_process_finds(cluster, tmp_path, process):
    server = EmbeddedServer(copied(cluster, tmp_path / ("long" * 30)))
    held = process(server.folder)
    assert held.says() == str(server.socket_folder)
    assert server.socket_folder.parent == Path("/tmp")
    assert server.socket_folder.stat().st_mode & 0o777 == 0o700
    held.leaves()
    assert not server.socket_folder.exists()


@pytest.mark.parametrize(
    ("mode", "user"), [(0o777, os.geteuid()), pytest.param(0o700, 65_534, marks=as_root)], ids=["open", "another's"]
)
def test_a_socket_folder_that_others_may_enter_is_refused(mode, user, cluster, tmp_path):
    server = EmbeddedServer(copied(cluster, tmp_path / ("long" * 30)))
    server.socket_folder.mkdir()
    server.socket_folder.chmod(mode)
    os.chown(server.socket_folder, user, -1)
    try:
        with pytest.raises(EmbeddedServerError, match="is not a private folder"):
            server.start()
    finally:
        server.socket_folder.rmdir()


@pytest.fixture
def somebody():
    """Make a folder that another user owns, and the options with which a process runs as that user."""
    # Not in tmp_path: pytest closes the folder around it to other users.
    with tempfile.TemporaryDirectory() as around:
        Path(around).chmod(0o755)

        def make(user: int):
            folder = Path(around) / "theirs"
            folder.mkdir(mode=0o700)
            os.chown(folder, user, user)
            # Other users may have no access to this Python, and access to the machine's.
            for python in (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin")):
                who = {"user": user, "group": user, "extra_groups": [], "env": {**os.environ, "PYTHONPATH": PACKAGES}}
                test = [
                    python,
                    "-c",
                    "from pollsite.embedded.programs import binaries; open(binaries() / 'postgres', 'rb').close()",
                ]
                with contextlib.suppress(OSError, subprocess.CalledProcessError):
                    subprocess.run(test, cwd=BASE_DIR, stderr=subprocess.DEVNULL, check=True, **who)
                    return folder, {**who, "python": python}
            pytest.skip("this checkout is closed to other users")

        yield make


@as_root
@pytest.mark.parametrize("user", [SOMEBODY, NAMELESS], ids=["a user", "a user without a name"])
def test_an_ordinary_user_can_have_a_server(user, somebody, process):
    if user == NAMELESS and not NAMESPACES:
        pytest.skip("no user namespaces here, and PostgreSQL wants a name")
    folder, who = somebody(user)
    held = process(folder / "postgres", **who)
    assert held.says() == str(folder / "postgres" / "run"), held.leaves()
    assert (folder / "postgres" / "data").stat().st_uid == user
    assert held.leaves() == ""


@as_root
def test_what_root_starts_in_the_folder_of_a_user_that_user_can_use(somebody, process):
    folder, who = somebody(SOMEBODY)
    server = EmbeddedServer(folder)
    server.start()
    theirs = process(folder, **who)
    assert theirs.says() == str(server.socket_folder), theirs.leaves()
    server.release()
    assert server.answers()
    assert theirs.leaves() == ""
    assert not server.answers()
    theirs = process(folder, **who)
    assert theirs.says() == str(server.socket_folder), theirs.leaves()
    assert {path.stat().st_uid for path in folder.iterdir()} == {SOMEBODY}
    assert theirs.leaves() == ""


@as_root
def test_root_without_user_namespaces_becomes_an_ordinary_user_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "_namespace_serves", lambda *args: False)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedServer(closed / "postgres")
    server.start()
    try:
        assert query(server, "SELECT 1") == (1,)
    finally:
        server.release()
    assert not server.answers()
    assert server.data.stat().st_uid != 0
    assert (closed.stat().st_uid, closed.stat().st_mode & 0o777) == (0, 0o700)
    # Once namespaces are allowed again, the data keeps its owner.
    monkeypatch.undo()
    server.start()
    assert query(server, "SELECT 1") == (1,)
    server.release()
    assert not server.answers()


@as_root
def test_root_makes_no_user_and_opens_no_folder(embedded_server):
    users, modes = Path("/etc/passwd").read_bytes(), [path.stat().st_mode for path in embedded_server.folder.parents]
    embedded_server.start()
    assert Path("/etc/passwd").read_bytes() == users
    assert [path.stat().st_mode for path in embedded_server.folder.parents] == modes
    if NAMESPACES:
        assert {path.stat().st_uid for path in embedded_server.folder.rglob("*")} == {0}


def test_a_user_that_postgresql_cannot_run_as_is_told(monkeypatch):
    monkeypatch.setattr(programs, "_is_named", lambda user: False)
    monkeypatch.setattr(programs, "_namespace_serves", lambda *args: False)
    monkeypatch.setattr(os, "geteuid", lambda: NAMELESS)
    with pytest.raises(EmbeddedServerError, match="user id 54321 in a folder: give that id a line in /etc/passwd"):
        programs.unprivileged(["postgres"])


@as_root
def test_root_can_use_a_folder_of_its_own_inside_a_closed_one_of_somebody_else(tmp_path):
    server = EmbeddedServer(tmp_path / "theirs" / "roots")
    server.folder.mkdir(parents=True)
    server.folder.parent.chmod(0o700)
    os.chown(server.folder.parent, SOMEBODY, SOMEBODY)
    server.start()
    try:
        assert query(server, "SELECT 1") == (1,)
    finally:
        server.release()
    assert not server.answers()
