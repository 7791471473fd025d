"""The database engine: which server it reaches, what it starts, and what it says when it cannot."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psycopg2
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management.commands import makemigrations
from django.db.utils import OperationalError
from psycopg2.extensions import STATUS_READY
from psycopg2.extensions import connection as Psycopg2Connection

from pollsite.embedded import programs
from pollsite.embedded.programs import EmbeddedServerError
from pollsite.embedded.server import EmbeddedServer
from pollsite.postgres import base
from pollsite.postgres.error_messages import one_line_message
from pollsite.postgres.url import database_settings
from tests.support.engine import SECRET, manage, one_line, wrapper
from tests.support.paths import BASE_DIR

# DATABASE_URL


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://u:s3cr3t@h/d", "does not begin with postgres://"),
        ("localhost/d", "does not begin with postgres://"),
        ("u:s3cr3t@h/d", "does not begin with postgres://"),
        ("postgres://u:s3cr3t@h", "names no database"),
        ("postgres://u:s3cr3t@h/", "names no database"),
        ("postgres://u:s3cr3t@h:port/d", "the port is not a number"),
        ("postgres://u:s3cr3t@h:99999/d", "the port is not a number"),
        ("postgres://u:s3cr3t@h/d?port=many", "from 1 to 65535"),
        ("postgres://u:s3cr3t@a:1,b:99999/d", "from 1 to 65535"),
        ("postgres://u:/s3cr3t@h:5432/d", "a character that must be written as"),
        ("postgres://u:#s3cr3t@h:5432/d", "a character that must be written as"),
        ("postgres://u:1/#s3cr3t@h/d", "a character that must be written as"),
        ("postgres://u:?s3cr3t=@h/d", "a character that must be written as"),
        ("postgres://u:[s3cr3t@h/d", "a character that must be written as"),
        ("postgres://u:s3cr3t@a:1,[::1]:2/d", "goes into the query"),
        ("postgres://u:s3cr3t@[::1/d", "a character that must be written as"),
        ("postgres://u:s3@cr3t@h/d", "a character that must be written as"),
        ("postgres://u:s3cr3t@%2Fvar%2Frun/d", "postgres:///name?host=/var/run/postgresql"),
        ("postgres://u:s3cr3t@a:5432,b/d", "each of the hosts its port"),
        ("postgres://u:s3cr3t@h/d?sslmode", "name=value"),
        ("postgres://u:s3cr3t@h/d?ssl=on", 'invalid connection option "ssl"'),
        ("postgres://u:s3cr3t@h/d?isolation_level=3", 'invalid connection option "isolation_level"'),
        ("postgres://u:s3cr3t@h/d?conn_health_checks=maybe", "conn_health_checks is neither true nor false"),
        ("postgres://u:s3cr3t@h/d?conn_max_age=long", "conn_max_age is neither"),
        ("postgres://u:s3cr3t@h/d?host=/tmp", "the host twice"),
    ],
)
def test_a_wrong_url_is_one_line_without_the_password(url, reason, tmp_path):
    with pytest.raises(ImproperlyConfigured) as caught:
        database_settings(url, embedded_folder=tmp_path)
    message = str(caught.value)
    assert message.startswith("DATABASE_URL is wrong: ")
    assert reason in message
    assert "\n" not in message
    assert SECRET not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p%40%23%2F@h/d", {"USER": "u", "PASSWORD": "p@#/", "HOST": "h", "NAME": "d", "PORT": ""}),
        ("postgres://u@[::1]:5433/d", {"HOST": "::1", "PORT": 5433}),
        ("postgres:///d?host=/var/run/postgresql&port=5433", {"HOST": "/var/run/postgresql", "PORT": "5433"}),
        ("postgres://a,b/d?target_session_attrs=read-write", {"HOST": "a,b", "PORT": ""}),
        ("postgres:///d?host=a,::1&port=1,2", {"HOST": "a,::1", "PORT": "1,2"}),
        ("postgres://a:1,b:2/d", {"HOST": "a,b", "PORT": "1,2"}),
        ("postgres://u:p%40@h?dbname=d", {"PASSWORD": "p@", "NAME": "d"}),
        ("postgres://h/d?conn_health_checks=false", {"CONN_HEALTH_CHECKS": False}),
        ("postgres://h/d?disable_server_side_cursors=True", {"DISABLE_SERVER_SIDE_CURSORS": True}),
        ("postgres://h/d?conn_max_age=0", {"CONN_MAX_AGE": 0}),
        ("postgres://h/d?conn_max_age=None", {"CONN_MAX_AGE": None}),
        ("postgres://h/d", {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "ENGINE": "pollsite.postgres"}),
        (" postgres:///?service=polls\n", {"NAME": ""}),
    ],
)
def test_a_url_becomes_what_django_wants(url, expected, tmp_path):
    settings = database_settings(url, embedded_folder=tmp_path)
    assert expected.items() <= settings.items()
    assert "EMBEDDED" not in settings


def test_what_a_url_says_wins_over_our_defaults(tmp_path):
    plain = database_settings("postgres://h/d", embedded_folder=tmp_path)["OPTIONS"]
    assert plain["connect_timeout"] == 5
    assert plain["tcp_user_timeout"] == 30_000
    said = database_settings("postgres://h/d?connect_timeout=1&tcp_user_timeout=9", embedded_folder=tmp_path)["OPTIONS"]
    assert (said["connect_timeout"], said["tcp_user_timeout"]) == (1, 9)
    on_a_socket = database_settings("postgres:///d?host=/run", embedded_folder=tmp_path)["OPTIONS"]
    assert on_a_socket == {"connect_timeout": 5}


# What starts and what does not


@pytest.mark.parametrize("url", ["", "postgres://u@127.0.0.1:1/d"], ids=["embedded", "a server that is down"])
@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["makemigrations", "--check", "--dry-run"],
        ["collectstatic", "--noinput", "--dry-run"],
        ["migrate", "--help"],
    ],
    ids=lambda command: command[0],
)
def test_commands_that_need_no_database_start_nothing_and_connect_to_nothing(command, url, tmp_path):
    result = manage(*command, folder=tmp_path / "postgres", url=url)
    assert (result.returncode, result.stderr) == (0, "")
    assert not (tmp_path / "postgres").exists()


def test_makemigrations_leaves_the_engine_as_it_was(monkeypatch, settings):
    from django.db import connections

    from pollsite.postgres.management.commands.makemigrations import Command

    def fails(self, *args, **options):
        assert connections["default"].settings_dict["ENGINE"] == "django.db.backends.dummy"
        raise KeyboardInterrupt

    monkeypatch.setattr(makemigrations.Command, "handle", fails)
    with pytest.raises(KeyboardInterrupt):
        Command().handle()
    assert connections["default"].settings_dict["ENGINE"] == "pollsite.postgres"


def test_the_first_connection_starts_the_embedded_server_and_the_end_stops_it(tmp_path):
    folder = tmp_path / "postgres"
    result = manage("migrate", "contenttypes", "--verbosity=0", "--skip-checks", folder=folder)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (folder / "data").exists()
    assert not EmbeddedServer(folder).answers()


def test_with_a_url_nothing_embedded_is_touched(external, tmp_path):
    result = manage(
        "migrate", "contenttypes", "--verbosity=0", "--skip-checks", folder=tmp_path / "postgres", url=external.url()
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not (tmp_path / "postgres").exists()
    connection = psycopg2.connect(external.url())
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_migrations WHERE app = 'contenttypes'")
        assert cursor.fetchone()[0] > 0
    connection.close()


def test_dbshell_reaches_the_embedded_server_with_the_psql_it_brings(tmp_path, embedded_folder):
    result = manage(
        "dbshell", "--", "-Atc", "SELECT current_database()", folder=embedded_folder, PATH="/usr/sbin:/sbin"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "pollsite\n", "")


# Connections of the ORM


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


# Connections for the pool


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

    run("os._exit(0)")  # leaves without a word
    connection = wrapper(database_settings("", embedded_folder=folder)).connect_psycopg2()
    run("server.release()")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    connection.close()
    EmbeddedServer(folder).release()
    assert not EmbeddedServer(folder).answers()


def test_connect_psycopg2_follows_django_to_another_database(here):
    before = here.address()
    here.settings_dict["NAME"] = "postgres"  # as the test runner does
    connection = here.connect_psycopg2()
    assert connection.info.dbname == "postgres"
    connection.close()
    assert here.address() != before
    assert here.address()[:2] == before[:2] == (here.settings_dict["HOST"], "5432")


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


# What goes wrong is one line


def test_a_server_that_is_down(tmp_path):
    said = one_line(manage("migrate", "--skip-checks", folder=tmp_path, url="postgres://u:s3cr3t@127.0.0.1:1/d"))
    assert "port 1 failed: Connection refused" in said
    assert "Start that server, or mend DATABASE_URL." in said
    assert "Is the server running" not in said


def test_several_servers_that_are_down(tmp_path):
    said = one_line(manage("migrate", "--skip-checks", folder=tmp_path, url="postgres://u@127.0.0.1:1,127.0.0.1:2/d"))
    assert "port 1 failed" in said
    assert "port 2 failed" in said


def test_a_database_that_does_not_exist(external, tmp_path):
    said = one_line(manage("migrate", "--skip-checks", folder=tmp_path, url=external.url("missing")))
    assert 'database "missing" does not exist. Create it, or mend DATABASE_URL.' in said


def test_a_wrong_password(external, tmp_path):
    said = one_line(manage("migrate", "--skip-checks", folder=tmp_path, url=external.url(password="wrong")))
    assert 'password authentication failed for user "owner"' in said
    assert "Mend the user or the password" in said


@pytest.mark.parametrize("command", ["check", "migrate", "seed_polls", "nonsense"])
def test_a_wrong_url_ends_any_command(command, tmp_path):
    assert "does not begin with postgres://" in one_line(manage(command, folder=tmp_path, url="mysql://u:s3cr3t@h/d"))


@pytest.mark.parametrize("command", ["migrate", "dbshell"])
def test_an_embedded_server_that_cannot_start(command, tmp_path):
    (tmp_path / "file").touch()
    args = [command, "--skip-checks"] if command == "migrate" else [command]
    assert "cannot use" in one_line(manage(*args, folder=tmp_path / "file" / "postgres"))


def test_the_whole_traceback_is_there_for_who_asks(tmp_path):
    result = manage("migrate", "--skip-checks", "--traceback", folder=tmp_path, url="postgres://127.0.0.1:1/d")
    assert result.returncode == 1
    assert result.stderr.startswith("Traceback")


def test_an_error_without_advice_is_said_as_it_is():
    assert one_line_message(OperationalError("deadlock detected\nDETAIL:  two")) == (
        "The database cannot be used: deadlock detected; DETAIL:  two."
    )


def test_last_words_of_a_program_are_its_error():
    assert programs.last_words("x\n2026 UTC [1] FATAL:  could not\n2026 LOG:  shut down\n") == "could not"
    assert programs.last_words("only this\n\n") == "only this"
    assert programs.last_words("") == ""
