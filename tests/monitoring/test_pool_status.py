"""pool_status: what an operator sees of the pools of the running site."""

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import time

import pytest
from django.db import connection

from polls.monitoring import processes
from polls.monitoring.report import ask_server
from polls.monitoring.tables import PROCESS_HEAD
from tests.support.commands import run_python
from tests.support.monitoring import both_workers, front_page_stuck, load
from tests.support.paths import BASE_DIR
from tests.support.servers import in_thread, wait_until
from tests.support.site import Browser, database_url, serve


def pool_status(state_folder, *arguments, url=None):
    done = subprocess.run(
        [sys.executable, "manage.py", "pool_status", *arguments],
        cwd=BASE_DIR,
        env={**os.environ, "DATABASE_URL": url or database_url(), "POOL_STATE_DIR": str(state_folder)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def report(state_folder, **more):
    return json.loads(pool_status(state_folder, "--json", **more).stdout)


def test_it_agrees_with_pg_stat_activity_on_every_backend_pid(state_folder, transactional_db, sql):
    def pools_on_the_server():
        rows = sql("SELECT application_name, pid FROM pg_stat_activity WHERE application_name ~ '^pollsite pool '")
        workers = {process["pid"] for process in processes.read(state_folder)}
        return {(int(name.split()[-1]), pid) for name, pid in rows if int(name.split()[-1]) in workers}

    def agrees():
        before = pools_on_the_server()
        found = report(state_folder)
        told = {(p["pid"], row["backend_pid"]) for p in found["processes"] for row in p["connections"]}
        assert {backend["pid"] for backend in found["backends"]} >= {pid for _, pid in before}
        return told == before == pools_on_the_server() and len({pid for pid, _ in told}) == 2

    with serve(POOL_STATE_DIR=str(state_folder), POOL_MAXCONN="3") as address, load(address):
        wait_until(lambda: both_workers(state_folder))
        wait_until(agrees)  # the file of a pool that still grows is late by up to a second


def test_holder_and_waiters_are_named_within_a_second(state_folder, conn, sql):
    def waiting(count):
        return [p for p in processes.read(state_folder) if p["stats"]["requests_waiting"] == count]

    with serve(POOL_STATE_DIR=str(state_folder), POOL_MAXCONN="1", POOL_TIMEOUT="60", WEB_CONCURRENCY="1") as address:
        Browser(address).get("/readyz")
        wait_until(lambda: processes.read(state_folder))
        with front_page_stuck(conn, sql):
            asked = [in_thread(Browser(address).get, "/") for _ in range(3)]
            [first] = wait_until(lambda: waiting(2))
            assert min(waiter["waited_ms"] for waiter in first["waiters"]) < 1100
            done = pool_status(state_folder, "--json")
            table = pool_status(state_folder, "-v").stdout
        assert {result.get()[0] for result in asked} == {200}
    [process] = json.loads(done.stdout)["processes"]
    [holder] = process["connections"]
    assert holder["state"] == "in use"
    assert holder["held_ms"] > 0
    assert "Thread" in holder["thread"]
    assert "polls/views/front_page.py:" in holder["taken"]
    assert len(process["waiters"]) == 2
    for waiter in process["waiters"]:
        assert waiter["waited_ms"] > 0
        assert "polls/views/front_page.py:" in waiter["taken"]
    assert done.returncode == 1
    assert f"web {process['pid']}: 2 waiting, the first for " in done.stderr
    assert f"active, waits for a lock of {conn.info.backend_pid}" in table
    assert table.count("\twaits\t") == 2


def test_it_answers_within_a_second_while_the_server_is_stopped(state_folder, server):
    url = f"postgres://postgres@127.0.0.1:{server.port}/postgres"

    def seconds():
        """The processor time of the command: it waits for nothing, and other tests may run at the same time."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = pool_status(state_folder, url=url)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.stdout.startswith("role\tpid\t")
        assert "\nweb\t" in done.stdout
        assert "The server cannot be asked: connection to server" in done.stdout
        assert "the server's limit is not known" in done.stdout
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    with serve(DATABASE_URL=url, POOL_STATE_DIR=str(state_folder), WEB_CONCURRENCY="1") as address:
        Browser(address).get("/readyz")
        wait_until(lambda: processes.read(state_folder))
        server.stop()
        assert seconds() < 1


def test_silent_server_is_given_half_a_second(monkeypatch, server):
    there = {"HOST": "127.0.0.1", "PORT": server.port, "USER": "postgres", "NAME": "postgres", "PASSWORD": ""}
    for key, value in there.items():
        monkeypatch.setitem(connection.settings_dict, key, value)
    assert ask_server(10).error == ""
    with server.silence():
        begun = time.monotonic()
        assert ask_server().error == "no answer within 0.5 s"
        assert time.monotonic() - begun < 0.8


def test_killed_worker_leaves_the_list(state_folder, transactional_db):
    with serve(POOL_STATE_DIR=str(state_folder)) as address, load(address, clients=4):
        [victim, other] = wait_until(lambda: both_workers(state_folder))
        os.kill(victim["pid"], signal.SIGKILL)
        listed = {process["pid"] for process in report(state_folder)["processes"]}
        assert victim["pid"] not in listed
        assert other["pid"] in listed
        assert not (state_folder / f"{victim['pid']}.json").exists()
        wait_until(lambda: both_workers(state_folder))  # its successor


def test_processes_that_end_take_their_files_with_them(state_folder, transactional_db):
    with serve(POOL_STATE_DIR=str(state_folder)) as address, load(address, clients=4):
        wait_until(lambda: both_workers(state_folder))
    assert list(state_folder.iterdir()) == []


def test_budget_adds_up_pools_and_threads(state_folder, transactional_db, sql):
    [(most, reserved)] = sql(
        "SELECT current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int"
    )
    with (
        serve(POOL_STATE_DIR=str(state_folder), POOL_MAXCONN="3", WEB_THREADS="5") as address,
        load(address, clients=4),
    ):
        wait_until(lambda: both_workers(state_folder))
        budget = report(state_folder)["budget"]
    assert budget.pop("used") >= 2
    assert budget == {
        "pools": 6,
        "orm": 10,
        "wanted": 16,
        "max_connections": most,
        "reserved": reserved,
        "available": most - reserved,
        "fits": True,
    }


def test_without_any_process_it_says_so(state_folder, transactional_db):
    done = pool_status(state_folder)
    assert done.returncode == 0
    assert done.stdout.startswith(
        "No process of this host has a pool open.\nBudget: 0 for pools + 0 for the ORM = 0 of "
    )


def test_it_opens_no_pool_and_starts_no_server(state_folder, tmp_path):
    done = run_python(
        "from django.apps import apps; from django.core.management import call_command\n"
        "call_command('pool_status', stdout=open('/dev/null', 'w'))\n"
        "print('_pool' in vars(apps.get_app_config('polls')))",
        unset=("DATABASE_URL",),
        POOL_STATE_DIR=str(state_folder),
        EMBEDDED_POSTGRES_DIR=str(tmp_path / "postgres"),
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
    assert not (tmp_path / "postgres").exists()


def test_terminal_gets_columns_and_a_pipe_gets_tabs(state_folder, transactional_db):
    with serve(POOL_STATE_DIR=str(state_folder), WEB_CONCURRENCY="1") as address:
        Browser(address).get("/readyz")
        wait_until(lambda: processes.read(state_folder))
        piped = pool_status(state_folder).stdout
        master, terminal = pty.openpty()
        subprocess.run(
            [sys.executable, "manage.py", "pool_status"],
            cwd=BASE_DIR,
            env={**os.environ, "DATABASE_URL": database_url(), "POOL_STATE_DIR": str(state_folder), "TERM": "xterm"},
            stdout=terminal,
            timeout=20,
            check=True,
        )
        os.close(terminal)
        shown = os.read(master, 65536).decode()
        os.close(master)
    assert "\x1b[" not in piped
    head, row, *_ = piped.splitlines()
    assert head.split("\t")[:3] == ["role", "pid", "min"]
    assert row.split("\t")[0] == "web"
    assert "\t" not in shown
    assert "role  " in shown


def test_watch_goes_on_until_interrupted(state_folder, transactional_db):
    command = [sys.executable, "manage.py", "pool_status", "--json", "--watch", "0.1"]
    environment = {**os.environ, "DATABASE_URL": database_url(), "POOL_STATE_DIR": str(state_folder)}
    with subprocess.Popen(
        command, cwd=BASE_DIR, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watch:
        for _ in range(3):
            assert json.loads(watch.stdout.readline())["processes"] == []
        watch.send_signal(signal.SIGINT)
        _, complaints = watch.communicate(timeout=10)
    assert (watch.returncode, complaints) == (0, "")


def test_watch_ends_when_nobody_reads(state_folder, transactional_db):
    command = [sys.executable, "manage.py", "pool_status", "--watch", "0.1"]
    environment = {**os.environ, "DATABASE_URL": database_url(), "POOL_STATE_DIR": str(state_folder)}
    with subprocess.Popen(
        command, cwd=BASE_DIR, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watch:
        watch.stdout.readline()
        watch.stdout.close()
        watch.wait(timeout=10)
        assert watch.stderr.read() == ""


@pytest.mark.parametrize("arguments", [("--watch", "0"), ("--watch", "soon"), ("-v", "7")])
def test_bad_arguments_are_one_line_and_exit_with_2(state_folder, arguments):
    done = pool_status(state_folder, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""


def test_a_folder_of_somebody_else_is_one_line(tmp_path):
    (tmp_path / "pools").write_text("a file where the folder should be")
    done = pool_status(tmp_path / "pools")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pools cannot be read" in done.stderr


def test_the_page_on_trouble_shows_the_columns_there_are():
    page = (BASE_DIR / "docs" / "when-it-hurts.md").read_text()
    heads = [re.split(r"  +", line) for line in page.splitlines() if re.match(r"role  +pid", line)]
    assert len(heads) == 4
    assert {tuple(head) for head in heads} == {PROCESS_HEAD}
