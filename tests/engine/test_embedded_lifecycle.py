"""The life of the embedded server: started once, shared by processes and their forks, stopped by the last."""

import os
import signal

import pytest

from pollsite.embedded import server as embedded
from pollsite.embedded.server import EmbeddedServer
from tests.support.embedded import HOLD, HOLD_START, query, starts


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
