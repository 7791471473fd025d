"""Publishing the state of a pool: whole files, private, removed with the process, never in the way of the pool."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from polls.monitoring import processes
from polls.monitoring.publisher import Publisher, describe
from tests.support.paths import BASE_DIR
from tests.support.servers import wait_until
from tests.support.site import database_url

USE = "from django.apps import apps; pool = apps.get_app_config('polls').pool\nwith pool.connection(): pass\n"


@pytest.fixture
def publisher(state_folder, pool):
    publisher = Publisher(state_folder, lambda: describe(pool))
    yield publisher
    publisher.stop()


@contextlib.contextmanager
def running(code, state_folder):
    """A process that runs the code, and then lives until its standard input is closed."""
    setup = "import django, os, sys, time; django.setup()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{setup}{code}\nprint('ready', flush=True); sys.stdin.read()"],
        cwd=BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "pollsite.settings",
            "DATABASE_URL": database_url(),
            "POOL_STATE_DIR": str(state_folder),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_first_checkout_publishes_and_the_end_takes_it_away_without_delay(state_folder, transactional_db):
    code = f"assert not os.path.exists({str(state_folder)!r})\n{USE}"
    with running(code, state_folder) as process:
        assert process.stdout.readline() == "ready\n"
        [status] = wait_until(lambda: processes.read(state_folder))
        assert status["pid"] == process.pid
        assert status["stats"]["requests_num"] == 1
        begun = time.monotonic()
        _, complaints = process.communicate(timeout=10)
        assert time.monotonic() - begun < 0.5
        assert complaints == ""
    assert list(state_folder.iterdir()) == []


def test_forked_child_publishes_for_itself(state_folder, transactional_db):
    code = f"""
{USE}
child = os.fork()
if not child:
    time.sleep(1.2)
    print(os.path.exists({str(state_folder)!r} + f"/{{os.getpid()}}.json"), flush=True)
    with pool.connection(): pass
    time.sleep(60)
"""
    with running(code, state_folder) as process:
        said = [process.stdout.readline(), process.stdout.readline()]
        assert sorted(said) == ["False\n", "ready\n"]
        both = wait_until(lambda: len(found := processes.read(state_folder)) == 2 and found)
        assert process.pid in {status["pid"] for status in both}
        assert [status["stats"]["requests_num"] for status in both] == [1, 1]
        [child] = {status["pid"] for status in both} - {process.pid}
        os.kill(child, 9)


def test_it_writes_at_most_once_a_second(state_folder, transactional_db, pool, publisher):
    publisher.start()
    writes = set()
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        with pool.connection():
            pass
        with contextlib.suppress(FileNotFoundError, ValueError):
            writes.add(json.loads((state_folder / f"{os.getpid()}.json").read_text())["published_s"])
    assert len(writes) in (2, 3)
    assert min(later - earlier for earlier, later in zip(sorted(writes), sorted(writes)[1:], strict=False)) >= 1


def test_reader_never_sees_half_a_file(state_folder, publisher):
    ended = threading.Event()

    def write():
        while not ended.is_set():
            publisher.publish()

    writer = threading.Thread(target=write)
    writer.start()
    path = state_folder / f"{os.getpid()}.json"
    try:
        wait_until(path.exists)
        for _ in range(2000):
            assert json.loads(path.read_bytes())["pid"] == os.getpid()
    finally:
        ended.set()
        writer.join()


def test_nobody_else_can_read_it(state_folder, publisher):
    mask = os.umask(0)
    try:
        publisher.publish()
    finally:
        os.umask(mask)
    assert state_folder.stat().st_mode & 0o777 == 0o700
    assert (state_folder / f"{os.getpid()}.json").stat().st_mode & 0o777 == 0o600


def test_process_with_a_reused_pid_is_not_the_one_that_published(state_folder, publisher):
    publisher.publish()
    path = state_folder / f"{os.getpid()}.json"
    assert [status["pid"] for status in processes.read(state_folder)] == [os.getpid()]
    os.utime(path, (1, 1))  # written by a process that has ended long ago
    assert processes.read(state_folder) == []
    assert not path.exists()


def test_corpse_that_nobody_has_buried_counts_as_dead():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert processes.started_at(child.pid) is not None
    child.kill()
    wait_until(lambda: processes.started_at(child.pid) is None)  # not waited for yet: a zombie
    child.communicate()


def test_drafts_and_files_of_the_dead_are_swept_when_a_process_starts(state_folder, publisher):
    state_folder.mkdir(mode=0o700)
    dead = subprocess.Popen(["true"])
    dead.wait()
    for name in (f"{dead.pid}.json", f"{dead.pid}.tmp", "notes.txt"):
        (state_folder / name).write_text("{}")
    publisher.start()
    wait_until(lambda: {path.name for path in state_folder.iterdir()} == {"notes.txt", f"{os.getpid()}.json"})


def test_file_of_another_version_is_skipped_and_left(state_folder, publisher):
    publisher.publish()
    path = state_folder / f"{os.getpid()}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))
    assert processes.read(state_folder) == []
    assert path.exists()


def unusable_folders(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    (tmp_path / "link").symlink_to(tmp_path)
    return {
        "a file": tmp_path / "file",
        "open to others": tmp_path / "open",
        "a link": tmp_path / "link",
        "read-only": "/proc/pools",
    }


@pytest.mark.parametrize("why", ["a file", "open to others", "a link", "read-only"])
def test_unusable_folder_is_one_warning_and_the_pool_goes_on(why, tmp_path, transactional_db):
    code = f"{USE}time.sleep(2.2)"
    with running(code, unusable_folders(tmp_path)[why]) as process:
        assert process.stdout.readline() == "ready\n"
        _, complaints = process.communicate(timeout=10)
    assert complaints.count("the pool's status cannot be published in") == 1
    assert "Traceback" not in complaints


def test_full_disk_is_one_warning_and_the_last_whole_file_stays(state_folder, transactional_db):
    code = f"""
import resource
{USE}
while not os.path.exists({str(state_folder)!r} + f"/{{os.getpid()}}.json"): time.sleep(0.01)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # no file may grow: the disk is full
time.sleep(2.5)
{USE}
"""
    with running(code, state_folder) as process:
        assert process.stdout.readline() == "ready\n"
        [status] = processes.read(state_folder)
        assert status["stats"]["requests_num"] == 1
        assert [path.name for path in state_folder.iterdir()] == [f"{process.pid}.json"]
        _, complaints = process.communicate(timeout=10)
    assert complaints.count("cannot be published") == 1


def test_warning_comes_again_after_it_worked_in_between(state_folder, publisher, caplog):
    state_folder.write_text("")
    for _ in range(3):
        publisher.publish()
    assert len(caplog.records) == 1
    state_folder.unlink()
    publisher.publish()
    assert [status["pid"] for status in processes.read(state_folder)] == [os.getpid()]
    (state_folder / f"{os.getpid()}.json").unlink()
    state_folder.rmdir()
    state_folder.write_text("")
    publisher.publish()
    assert len(caplog.records) == 2


def test_starting_twice_is_one_thread(publisher):
    before = threading.active_count()
    publisher.start()
    publisher.start()
    assert threading.active_count() == before + 1


def test_roles():
    show = "from polls.monitoring.publisher import role; print(role())"
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "pollsite.settings"}

    def said(*command):
        return subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=True).stdout.strip()

    assert said(sys.executable, "manage.py", "shell", "--no-imports", "-c", show) == "command:shell"
    assert said(sys.executable, "-c", f"import django; django.setup(); {show}") == "-c"
    assert said(sys.executable, "-c", f"import pollsite.wsgi; {show}") == "web"


def test_history_adds_up_processes_and_fills_the_gaps():
    now, slot = 1003.0, 200
    one = {"history": [{"slot": slot - 1, "in_use": 2, "waiting": 0}, {"slot": slot, "in_use": 1, "waiting": 4}]}
    two = {"history": [{"slot": slot, "in_use": 3, "waiting": 1}, {"slot": slot - 90, "in_use": 9, "waiting": 9}]}
    assert [tuple(sample.values()) for sample in processes.history([one, two], now, 3)] == [
        (slot - 2, 0, 0),
        (slot - 1, 2, 0),
        (slot, 4, 5),
    ]
