"""The embedded server: started once, shared by processes, stopped by the last, whatever is killed."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psycopg2
import pytest

from pollsite.embedded import programs
from pollsite.embedded import server as embedded
from pollsite.embedded.programs import EmbeddedServerError
from pollsite.embedded.server import EmbeddedServer
from tests.support.embedded import HOLD, HOLD_START, copied, kill_postmaster, postmaster, query, starts
from tests.support.paths import BASE_DIR

PACKAGES = str(Path(psycopg2.__file__).resolve().parent.parent)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


# Starting and stopping


def test_a_cold_start_makes_a_database_that_needs_nothing_of_the_machine(tmp_path):
    server = EmbeddedServer(tmp_path / "not" / "there" / "yet")
    assert server.start() == server.socket_folder
    try:
        assert query(server, "SELECT lower('ÄÉŁ'), 'z' < 'é'") == ("äéł", True)
        settings = ("fsync", "synchronous_commit", "listen_addresses", "TimeZone", "server_encoding", "max_connections")
        assert [query(server, f"SHOW {name}")[0] for name in settings] == ["on", "on", "", "UTC", "UTF8", "100"]
        assert server.socket_folder.stat().st_mode & 0o777 == 0o700
    finally:
        server.release()
    assert not server.answers()
    assert "database system is shut down" in server.log.read_text()


def test_a_start_while_holding_the_server_asks_nobody(embedded_server, monkeypatch):
    embedded_server.start()
    monkeypatch.setattr(embedded, "run", lambda *args, **more: pytest.fail("ran a program"))
    assert EmbeddedServer(embedded_server.folder).start() == embedded_server.socket_folder


def test_data_outlives_the_server(embedded_server):
    embedded_server.start()
    query(embedded_server, "CREATE TABLE kept AS SELECT 42 AS n")
    embedded_server.release()
    assert not embedded_server.answers()
    embedded_server.start()
    assert query(embedded_server, "SELECT n FROM kept") == (42,)


def test_the_last_process_to_leave_stops_the_server(embedded_server, process):
    first, second = process(embedded_server.folder), process(embedded_server.folder)
    assert first.says() == second.says() == str(embedded_server.socket_folder)
    assert first.leaves() == ""
    assert embedded_server.answers()
    assert second.leaves() == ""
    assert not embedded_server.answers()
    assert starts(embedded_server) == 2  # one here, one when the data was made


def test_four_cold_starts_at_once_make_one_server(tmp_path, process):
    server = EmbeddedServer(tmp_path / "postgres")
    wait = HOLD + "print(flush=True); sys.stdin.readline(); print(server.start(), flush=True); sys.stdin.read()"
    processes = [process(server.folder, wait) for _ in range(4)]
    for each in processes:
        each.says()
    for each in processes:
        each.goes_on()
    assert [each.says() for each in processes] == [str(server.socket_folder)] * 4
    assert query(server, "SELECT 1") == (1,)
    assert [each.leaves() for each in processes] == [""] * 4
    assert not server.answers()
    assert starts(server) == 1


def test_coming_and_going_processes_always_find_a_server(embedded_server, process):
    churn = (
        HOLD
        + """
import psycopg2
for _ in range(5):
    psycopg2.connect(host=str(server.start()), port=5432, user="pollsite", dbname="pollsite").close()
    server.release()
"""
    )
    processes = [process(embedded_server.folder, churn) for _ in range(4)]
    assert [each.leaves() for each in processes] == [""] * 4
    assert not embedded_server.answers()


def test_ctrl_c_reaches_the_server_only_through_the_process_that_leaves(embedded_server, process):
    code = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are made to ignore it
try:
    print(server.start(), flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    print(server.answers(), flush=True)
"""
    held = process(embedded_server.folder, HOLD + code, start_new_session=True)
    held.says()
    os.killpg(held.popen.pid, signal.SIGINT)
    assert held.says() == "True"
    held.leaves()
    assert not embedded_server.answers()


# Killed processes


def test_after_kill_9_of_its_holder_the_next_process_takes_the_server_over_and_stops_it(embedded_server, process):
    held = process(embedded_server.folder)
    held.says()
    held.is_killed()
    assert embedded_server.answers()
    before = postmaster(embedded_server)
    embedded_server.start()
    assert postmaster(embedded_server) == before
    embedded_server.release()
    assert not embedded_server.answers()


def test_after_kill_9_of_the_server_a_start_that_checks_brings_it_back_with_its_data(embedded_server):
    embedded_server.start()
    query(embedded_server, "CREATE TABLE kept AS SELECT 42 AS n")
    kill_postmaster(embedded_server)
    embedded_server.start(check=True)
    assert query(embedded_server, "SELECT n FROM kept") == (42,)


def test_a_pid_that_belongs_to_somebody_else_by_now_neither_stops_the_start_nor_is_signalled(embedded_server, process):
    embedded_server.start()
    socket_lock = embedded_server.socket_folder / f"{embedded.SOCKET}.lock"
    killed, lock = postmaster(embedded_server), socket_lock.read_text()
    kill_postmaster(embedded_server)
    stranger = process(embedded_server.folder, "import sys; print(flush=True); sys.stdin.read()")
    stranger.says()
    for file, text in ((embedded_server.data / "postmaster.pid", None), (socket_lock, lock)):
        file.write_text((text or file.read_text()).replace(str(killed), str(stranger.popen.pid), 1))
    embedded_server.start(check=True)
    assert query(embedded_server, "SELECT 1") == (1,)
    embedded_server.release()
    assert not embedded_server.answers()
    stranger.leaves()
    assert stranger.popen.returncode == 0


def test_a_start_waits_for_a_server_that_is_about_to_stop(embedded_server):
    embedded_server.start()
    client = psycopg2.connect(
        host=str(embedded_server.socket_folder), port=embedded.PORT, user="pollsite", dbname="pollsite"
    )
    before = postmaster(embedded_server)
    os.kill(before, signal.SIGTERM)  # "smart": accepts nobody, and waits for the client to go
    while embedded_server.answers():
        pass
    starting = threading.Thread(target=embedded_server.start, kwargs={"check": True})
    starting.start()
    client.close()
    starting.join(timeout=60)
    assert embedded_server.answers()
    assert postmaster(embedded_server) != before


def test_a_start_waits_for_a_server_that_is_still_starting(embedded_server, monkeypatch):
    embedded_server.start()
    before = postmaster(embedded_server)
    asked, ask = iter((False, False)), EmbeddedServer.answers
    monkeypatch.setattr(EmbeddedServer, "answers", lambda self: next(asked, True) and ask(self))
    starting = threading.Thread(target=embedded_server.start, kwargs={"check": True}, daemon=True)
    starting.start()
    starting.join(timeout=20)
    assert not starting.is_alive()
    assert postmaster(embedded_server) == before


def test_a_server_that_neither_starts_nor_stops_is_not_waited_for_without_end(embedded_server, monkeypatch):
    embedded_server.start()
    with monkeypatch.context() as patched:
        patched.setattr(embedded, "START_SECONDS", 0)
        patched.setattr(EmbeddedServer, "answers", lambda self: False)
        with pytest.raises(EmbeddedServerError, match=r"neither starts nor stops within 0 s: .*server.log says why"):
            embedded_server.start(check=True)
    assert not embedded_server.answers()


def test_a_second_ctrl_c_does_not_leave_the_server_behind(embedded_server, process):
    code = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
stop = server._stop
EmbeddedServer._stop = lambda self: (os.kill(os.getpid(), signal.SIGINT), stop())
sys.stdin.read()
"""
    held = process(embedded_server.folder, HOLD_START + code)
    held.says()
    assert held.leaves() == ""
    assert not embedded_server.answers()


def test_what_a_killed_initdb_left_is_cleared_away(tmp_path):
    server = EmbeddedServer(tmp_path / "postgres")
    half = server.folder / "data.new-0badcafe"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server.start()
    server.release()
    assert [path.name for path in server.folder.glob("data*")] == ["data"]


# Forks

FORK = """
import os
kept, given = os.pipe()
child = os.fork()
if child == 0:
    os.close(given)
    {in_child}
    print("child", flush=True)
    os.read(kept, 1)      # until the parent is gone
    {at_the_end}
    sys.exit()
sys.stdin.read()
"""


def test_a_forked_child_does_not_hold_the_server_for_itself(embedded_server, process):
    parent = process(embedded_server.folder, HOLD_START + FORK.format(in_child="", at_the_end="sys.stdin.read()"))
    parent.says()
    assert parent.says() == "child"
    parent.popen.kill()
    parent.popen.wait()
    embedded_server.start()
    embedded_server.release()
    assert not embedded_server.answers()  # while the child lives on


def test_a_forked_child_that_ends_does_not_release_its_parents_hold(embedded_server, process):
    code = """
import os
child = os.fork()
if child == 0:
    sys.exit()
os.waitpid(child, 0)
print("gone", flush=True)
sys.stdin.read()
"""
    parent = process(embedded_server.folder, HOLD_START + code)
    parent.says()
    assert parent.says() == "gone"
    embedded_server.start()
    embedded_server.release()
    assert embedded_server.answers()
    assert parent.leaves() == ""
    assert not embedded_server.answers()


def test_a_forked_child_that_uses_the_server_takes_a_hold_of_its_own(embedded_server, process):
    code = FORK.format(in_child="server.start()", at_the_end="print(server.answers(), flush=True)")
    parent = process(embedded_server.folder, HOLD_START + code)
    parent.says()
    assert parent.says() == "child"
    parent.popen.stdin.close()
    parent.popen.wait()  # releases its own hold, and the pipe
    assert parent.says() == "True"
    assert parent.popen.stdout.read() == ""  # the child has ended as well
    assert not embedded_server.answers()


# Paths


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
    ("mode", "owner"), [(0o777, os.geteuid()), pytest.param(0o700, 65_534, marks=as_root)], ids=["open", "another's"]
)
def test_a_socket_folder_that_others_may_enter_is_refused(mode, owner, cluster, tmp_path):
    server = EmbeddedServer(copied(cluster, tmp_path / ("long" * 30)))
    server.socket_folder.mkdir()
    server.socket_folder.chmod(mode)
    os.chown(server.socket_folder, owner, -1)
    try:
        with pytest.raises(EmbeddedServerError, match="is not a private folder"):
            server.start()
    finally:
        server.socket_folder.rmdir()


# Users


@pytest.fixture
def somebody():
    """A folder of somebody else, and a way to be them."""
    # Not in tmp_path: every pytest that begins closes the folder around all of those to other users.
    with tempfile.TemporaryDirectory() as around:
        Path(around).chmod(0o755)

        def make(user: int):
            folder = Path(around) / "theirs"
            folder.mkdir(mode=0o700)
            os.chown(folder, user, user)
            # This Python may be closed to them where the machine's is not.
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


SOMEBODY = pwd.getpwnam("daemon").pw_uid
NAMELESS = 54_321
NAMESPACES = subprocess.run(["unshare", "--user", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


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
    # The data keeps its owner where namespaces are allowed again.
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


# What goes wrong is one line


def complaint(server: EmbeddedServer) -> str:
    with pytest.raises(EmbeddedServerError) as caught:
        server.start()
    assert "\n" not in str(caught.value)
    assert not server.answers()
    return str(caught.value)


def test_data_of_another_major_version(server_folder):
    (server_folder / "data" / "PG_VERSION").write_text("16\n")
    assert "was made by PostgreSQL 16, and this is 18: set EMBEDDED_POSTGRES_DIR" in complaint(
        EmbeddedServer(server_folder)
    )


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    assert f"cannot use {tmp_path}/file/postgres (Not a directory)" in complaint(
        EmbeddedServer(tmp_path / "file" / "postgres")
    )


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ROLE", "pg_site", 'superuser name "pg_site" is disallowed'),
        ("DATABASE", "template1", 'database "template1" already exists'),
    ],
)
def test_data_that_is_not_finished_is_not_left(name, value, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, name, value)
    assert reason in complaint(EmbeddedServer(tmp_path / "postgres"))
    assert not list((tmp_path / "postgres").glob("data*"))


def test_a_configuration_that_postgresql_refuses(server_folder):
    with (server_folder / "data" / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = many\n")
    said = complaint(EmbeddedServer(server_folder))
    assert 'does not start: invalid value for parameter "shared_buffers"' in said or "configuration file" in said


@pytest.mark.parametrize("made", [False, True], ids=["while the data is made", "while the server starts"])
def test_a_full_disk(made, tmp_path, process):
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount += ['mount -t tmpfs -o size=80m tmpfs "$0" && exec "$@"', str(tmp_path)]
    if subprocess.run([*mount, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("a small disk cannot be mounted here")
    full = """
if sys.argv[2:]:
    server.start()
    server.release()
with open(server.folder.parent / "filling", "wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)) == 4096:
            pass
    except OSError:
        pass
try:
    server.start()
except Exception as error:
    print(type(error).__name__, error)
"""
    said = process(tmp_path / "postgres", HOLD + full.replace("sys.argv[2:]", str(made)), before=mount).says()
    assert said.startswith("EmbeddedServerError The embedded PostgreSQL "), said
    assert "No space left on device" in said


def test_a_python_without_the_binaries(tmp_path, monkeypatch):
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda name: None)
    assert "pip install -r requirements.txt" in complaint_of_binaries()


def complaint_of_binaries() -> str:
    with pytest.raises(EmbeddedServerError) as caught:
        programs.binaries()
    return str(caught.value)


def test_a_start_that_failed_holds_nothing(server_folder):
    server = EmbeddedServer(server_folder)
    (server_folder / "data" / "PG_VERSION").write_text("16\n")
    complaint(server)
    (server_folder / "data" / "PG_VERSION").write_text("18\n")
    server.start()
    assert server.answers()
    server.release()
    assert not server.answers()


def test_the_log_is_set_aside_when_it_has_grown(embedded_server, monkeypatch):
    monkeypatch.setattr(embedded, "LOG_BYTES", 10)
    embedded_server.start()
    assert starts(embedded_server) == 1
    assert (embedded_server.folder / "server.log.1").exists()
