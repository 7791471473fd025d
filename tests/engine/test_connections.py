"""Connections of the database engine: those of the ORM and those for the pool."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psycopg2
import pytest
from django.db.utils import OperationalError
from psycopg2.extensions import STATUS_READY
from psycopg2.extensions import connection as Psycopg2Connection

from pollsite.embedded.programs import EmbeddedServerError
from pollsite.embedded.server import EmbeddedServer
from pollsite.postgres import base
from pollsite.postgres.url import database_settings
from tests.support.engine import SECRET, wrapper
from tests.support.paths import BASE_DIR


def test_the_orm_says_who_it_is(here, django_db_blocker):
    with django_db_blocker.unblock(), here.cursor() as cursor:
        cursor.execute("SHOW application_name")
        assert cursor.fetchone() == (f"pollsite orm {os.getpid()}",)
    here.close()


def test_a_name_in_the_url_wins(tmp_path):
    named = wrapper(database_settings("postgres://h/d?application_name=mine", embedded_folder=tmp_path))
    assert named.get_connection_params()["application_name"] == "mine"


def test_the_orm_gets_a_killed_server_back(here, django_db_blocker):
    folder = Path(here.settings_dict["EMBEDDED"])
    pid = int((folder / "data" / "postmaster.pid").read_text().split("\n")[0])
    os.kill(pid, signal.SIGKILL)
    with django_db_blocker.unblock(), here.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    here.close()


def test_an_embedded_server_that_cannot_start_is_an_operational_error(tmp_path, django_db_blocker):
    (tmp_path / "file").touch()
    broken = wrapper(database_settings("", embedded_folder=tmp_path / "file"))
    with django_db_blocker.unblock(), pytest.raises(OperationalError, match="cannot use"):
        broken.ensure_connection()
    with pytest.raises(psycopg2.OperationalError, match="cannot use") as caught:
        broken.connect_psycopg2()
    assert isinstance(caught.value.__cause__, EmbeddedServerError)


def test_connect_psycopg2_gives_a_plain_connection_in_utc_and_in_no_transaction(external, tmp_path):
    there = wrapper(database_settings(external.url(), embedded_folder=tmp_path))
    connection = there.connect_psycopg2()
    try:
        assert type(connection) is Psycopg2Connection
        assert connection.status == STATUS_READY
        assert connection.autocommit is False
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('TimeZone'), 'ä'")
            assert cursor.fetchone() == ("UTC", "ä")
    finally:
        connection.close()


def test_connect_psycopg2_makes_no_round_trip_where_the_server_is_in_utc(here, monkeypatch):
    class Silent(Psycopg2Connection):
        def cursor(self, *args, **kwargs):
            pytest.fail("asked the server something")

    here.connect_psycopg2(connection_factory=Silent).close()


def test_connect_psycopg2_holds_a_server_that_runs_already(tmp_path):
    folder = tmp_path / "postgres"
    start = "import os, sys; from pathlib import Path; from pollsite.embedded.server import EmbeddedServer;"
    start += "server = EmbeddedServer(Path(sys.argv[1])); server.start();"

    def run(then: str) -> None:
        subprocess.run([sys.executable, "-c", start + then, str(folder)], cwd=BASE_DIR, check=True)

    run("os._exit(0)")  # does not release the server
    connection = wrapper(database_settings("", embedded_folder=folder)).connect_psycopg2()
    run("server.release()")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    connection.close()
    EmbeddedServer(folder).release()
    assert not EmbeddedServer(folder).answers()


def test_connect_psycopg2_follows_django_to_another_database(here):
    here.settings_dict["NAME"] = "postgres"  # as the test runner does
    connection = here.connect_psycopg2()
    assert connection.info.dbname == "postgres"
    connection.close()


def test_connect_psycopg2_leaves_out_what_is_only_for_django_and_psycopg_3(here):
    here.settings_dict["OPTIONS"] |= {
        "assume_role": "owner",
        "isolation_level": 3,
        "pool": {"min_size": 2},
        "prepare_threshold": 0,
        "server_side_binding": True,
        "cursor_factory": object(),
        "context": object(),
    }
    here.connect_psycopg2().close()


def test_overrides_win(here):
    connection = here.connect_psycopg2(dbname="postgres", application_name="pollsite pool 7")
    assert connection.info.dbname == "postgres"
    assert connection.info.parameter_status("application_name") == "pollsite pool 7"
    connection.close()


def test_connect_psycopg2_from_any_thread_opens_no_connection_of_the_orm(here):
    made = []
    threads = [threading.Thread(target=lambda: made.append(here.connect_psycopg2())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({connection.info.backend_pid for connection in made}) == 8
    for connection in made:
        connection.close()
    assert here.connection is None


def test_connect_psycopg2_gets_a_killed_server_back(here):
    pid = int((Path(here.settings_dict["EMBEDDED"]) / "data" / "postmaster.pid").read_text().split("\n")[0])
    os.kill(pid, signal.SIGKILL)
    here.connect_psycopg2().close()


def test_an_error_that_is_not_the_servers_absence_is_not_tried_again(here, monkeypatch):
    tries = []

    def connect(**params):
        tries.append(params)
        raise psycopg2.OperationalError('FATAL:  database "gone" does not exist')

    monkeypatch.setattr(base.psycopg2, "connect", connect)
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        here.connect_psycopg2()
    assert len(tries) == 1


def test_several_hosts_are_tried_until_one_takes_writes(external, tmp_path):
    url = f"postgres://owner:{SECRET}@127.0.0.1:1,127.0.0.1:{external.port}/postgres?target_session_attrs=read-write"
    connection = wrapper(database_settings(url, embedded_folder=tmp_path)).connect_psycopg2()
    assert connection.info.port == external.port
    connection.close()
