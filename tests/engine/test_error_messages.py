"""Errors of commands that cannot use the database: one line each, without the password."""

import pytest
from django.db.utils import OperationalError

from pollsite.embedded import programs
from pollsite.postgres.error_messages import one_line_message
from tests.support.engine import manage, one_line


def test_a_server_that_is_down(tmp_path):
    said = one_line(manage("migrate", "--skip-checks", folder=tmp_path, url="postgres://u:s3cr3t@127.0.0.1:1/d"))
    assert "port 1 failed: Connection refused" in said
    assert "Start that server, or correct DATABASE_URL." in said
    assert "Is the server running" not in said


def test_several_servers_that_are_down(tmp_path):
    said = one_line(manage("migrate", "--skip-checks", folder=tmp_path, url="postgres://u@127.0.0.1:1,127.0.0.1:2/d"))
    assert "port 1 failed" in said
    assert "port 2 failed" in said


def test_a_database_that_does_not_exist(external, tmp_path):
    said = one_line(manage("migrate", "--skip-checks", folder=tmp_path, url=external.url("missing")))
    assert 'database "missing" does not exist. Create it, or correct DATABASE_URL.' in said


def test_a_wrong_password(external, tmp_path):
    said = one_line(manage("migrate", "--skip-checks", folder=tmp_path, url=external.url(password="wrong")))
    assert 'password authentication failed for user "owner"' in said
    assert "Correct the user or the password" in said


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
