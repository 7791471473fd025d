"""Errors of the embedded server: each is one line, and a failed start leaves nothing behind."""

import subprocess

import pytest

from pollsite.embedded import programs
from pollsite.embedded import server as embedded
from pollsite.embedded.programs import EmbeddedServerError
from pollsite.embedded.server import EmbeddedServer
from tests.support.embedded import HOLD, starts


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
        ("OWNER", "pg_site", 'superuser name "pg_site" is disallowed'),
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
