"""The embedded server after crashes: of a process that holds it, of the server, of initdb; and while it stops."""

import os
import signal
import threading

import psycopg2
import pytest

from pollsite.embedded import server as embedded
from pollsite.embedded.programs import EmbeddedServerError
from pollsite.embedded.server import EmbeddedServer
from tests.support.embedded import HOLD_START, kill_postmaster, postmaster, query


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
    os.kill(before, signal.SIGTERM)  # "smart" shutdown: accepts no connection, and waits until the client disconnects
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
