"""Commands that start the embedded server, commands that only connect, and commands that do neither."""

import psycopg2
import pytest
from django.core.management.commands import makemigrations

from pollsite.embedded.server import EmbeddedServer
from tests.support.engine import manage


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
