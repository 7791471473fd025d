"""DATABASE_URL: the settings that it becomes, and errors without the password."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from pollsite.postgres.url import database_settings
from tests.support.engine import SECRET


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
