"""System checks: each names what is wrong and what to do."""

import pytest
from django.core.checks import run_checks
from django.db import connection

from polls import checks, voters
from tests.support.commands import try_manage
from tests.support.paths import BASE_DIR
from tests.support.site import database_url


def found(**options):
    return {message.id: message for message in run_checks(**options) if message.id.startswith("polls.")}


def test_the_site_as_it_comes_has_no_fault():
    assert found() == {}


@pytest.mark.parametrize(
    ("options", "identifier", "said"),
    [
        ({"minconn": 1, "maxconn": 2, "max_con": 3}, "polls.E001", "no option max_con"),
        ({"minconn": 1}, "polls.E002", "maxconn"),
        ({"minconn": 1, "maxconn": "8"}, "polls.E002", "whole number"),
        ({"minconn": 3, "maxconn": 2}, "polls.E002", "minconn must not exceed maxconn"),
        ({"minconn": 1, "maxconn": 8, "timeout": -1}, "polls.E002", "timeout"),
    ],
)
def test_settings_of_the_pool_that_it_would_not_take(settings, options, identifier, said):
    settings.POLLS_POOL = options
    message = found()[identifier]
    assert said in message.msg
    assert message.hint


def test_more_threads_than_connections(settings):
    settings.WEB_THREADS = 12
    message = found()["polls.W001"]
    assert "4 threads of each process wait" in message.msg
    settings.WEB_THREADS = 8
    assert found() == {}


def test_no_connect_timeout(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {})
    assert "connect_timeout=5" in found()["polls.W002"].hint


def test_atomic_requests(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert "ATOMIC_REQUESTS" in found()["polls.W003"].msg


def test_psycopg_3_beside_psycopg2(monkeypatch, tmp_path):
    (tmp_path / "psycopg").mkdir()
    (tmp_path / "psycopg" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert "uninstall" in found()["polls.W004"].hint


def test_metrics_allowed_to_nobody_real(settings):
    settings.METRICS_ALLOWED = ["10.0.0.0/8", "localhost"]
    assert "'localhost'" in found()["polls.E003"].msg


def check(*arguments, **environment):
    return try_manage("check", *arguments, **{"DATABASE_URL": database_url(), **environment})


def test_budget_is_held_against_the_server_when_it_is_asked(transactional_db, sql):
    [(most,)] = sql("SELECT current_setting('max_connections')::int")
    busy = {"WEB_CONCURRENCY": str(most), "POOL_MAXCONN": "8", "WEB_THREADS": "8"}
    done = check("--database", "default", **busy)
    assert "polls.W005" in done.stderr
    assert f"may want {16 * most} connections and the server has " in done.stderr
    assert "polls.W005" not in check(**busy).stderr
    assert "polls.W005" not in check("--database", "default").stderr


def test_visitors_behind_a_proxy_that_are_not_told_apart(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.CLIENT_ADDRESS_HEADER = ""
    assert "CLIENT_ADDRESS_HEADER" in found(include_deployment_checks=True)["polls.W006"].hint
    settings.CLIENT_ADDRESS_HEADER = "X-Forwarded-For"
    assert "polls.W006" not in found(include_deployment_checks=True)


def test_key_of_voters_that_can_be_guessed(settings):
    settings.VOTER_KEY_BORROWED = False
    for weak in ("short", "a" * 60):
        settings.VOTER_KEY = weak
        assert "who guesses it" in found(include_deployment_checks=True)["polls.W008"].msg
    settings.VOTER_KEY = "long enough, and with more than five different characters"
    assert "polls.W008" not in found(include_deployment_checks=True)


def test_open_polls_whose_votes_stand_under_another_key_are_named(make_poll, owner_sql):
    polls = [make_poll(), make_poll(opens_in="1 hour"), make_poll(named=True), make_poll(audience="invite")]
    untouched = [
        make_poll(closes_in="-1 minute"),
        make_poll(archived_at="2026-01-01"),
        make_poll(opens_in=None),
        make_poll(audience="account", named=True),  # stored under the account itself
    ]
    for poll in (*polls, *untouched):
        owner_sql("INSERT INTO polls_pollkey VALUES (%s, 'another')", poll.id)
    owner_sql("INSERT INTO polls_pollkey VALUES (%s, %s)", make_poll().id, voters.key_id())
    said = found(databases=["default"])["polls.W009"]
    assert said.msg.endswith(f"in {polls[0].slug}, {polls[1].slug}, {polls[2].slug} and 1 more.")
    assert "docs/keys.md" in said.hint
    assert found() == {}
    owner_sql("DELETE FROM polls_pollkey WHERE key_id = 'another'")
    assert found(databases=["default"]) == {}


def test_a_wrong_setting_stops_commands_with_its_name():
    done = check(POOL_MINCONN="9")
    assert done.returncode == 1
    assert "polls.E002" in done.stderr


def test_every_check_has_an_id_of_its_own():
    text = (BASE_DIR / "polls" / "checks.py").read_text()
    identifiers = [f"polls.{kind}00{number}" for kind, last in (("E", 3), ("W", 9)) for number in range(1, last + 1)]
    assert {identifier: text.count(f'id="{identifier}"') for identifier in identifiers} == dict.fromkeys(identifiers, 1)
    assert {"minconn", "maxconn", "timeout", "max_use"} <= checks.POOL_OPTIONS
