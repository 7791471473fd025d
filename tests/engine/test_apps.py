"""PollsConfig: one pool per process, on the database that Django uses."""

import os
import sys

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from polls.apps import PollsConfig
from tests.support.commands import run_python


def test_pool_is_one_and_the_same(pool):
    assert apps.get_app_config("polls").pool is pool


def test_start_connects_to_nothing_and_starts_no_thread(tmp_path):
    done = run_python(
        "import threading; from django.apps import apps\n"
        "pool = apps.get_app_config('polls').pool\n"
        "print(threading.active_count(), pool.get_stats()['connections_num'])",
        EMBEDDED_POSTGRES_DIR=str(tmp_path / "postgres"),
    )
    assert (done.stdout, done.stderr) == ("1 0\n", "")
    assert not (tmp_path / "postgres").exists()


def test_pool_is_on_the_test_database(transactional_db, pool):
    with pool.connection() as conn:
        assert conn.info.dbname == connection.settings_dict["NAME"] == "test_pollsite"


def test_pool_follows_django_to_another_database(transactional_db, monkeypatch):
    """The test runner switches databases; if a query came before, its connection is retired."""
    config = apps.get_app_config("polls")
    with config.pool.connection(autocommit=True) as conn:
        assert conn.info.dbname == "test_pollsite"
    monkeypatch.setitem(connection.settings_dict, "NAME", "postgres")
    with config.pool.connection() as conn:
        assert conn.info.dbname == "postgres"
    monkeypatch.undo()
    with config.pool.connection() as conn:
        assert conn.info.dbname == "test_pollsite"


def test_connections_tell_the_server_who_they_are_and_speak_utc(transactional_db, pool):
    with pool.connection() as conn, conn.cursor() as cursor:
        cursor.execute("SELECT current_setting('application_name'), current_setting('TimeZone')")
        name, zone = cursor.fetchone()
    assert name == f"pollsite pool {os.getpid()}"
    assert zone in ("UTC", "Etc/UTC", "GMT")


def test_unknown_option_of_the_pool_is_named(settings):
    settings.POLLS_POOL = {"minconn": 1, "maxconn": 2, "max_con": 3}
    with pytest.raises(ImproperlyConfigured, match="POLLS_POOL has no option max_con"):
        _ = PollsConfig("polls", sys.modules["polls"]).pool


def test_impossible_option_of_the_pool_is_named(settings):
    settings.POLLS_POOL = {"minconn": 3, "maxconn": 2}
    with pytest.raises(ImproperlyConfigured, match="POLLS_POOL: minconn must not exceed maxconn"):
        _ = PollsConfig("polls", sys.modules["polls"]).pool
