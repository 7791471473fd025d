"""DATABASE_URL: what libpq accepts means the same here, and a mistake is one line that keeps the password to itself."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import psycopg2
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import ConnectionHandler
from psycopg2.extensions import make_dsn, parse_dsn

from pollsite.embedded.programs import binaries
from pollsite.postgres import base
from pollsite.postgres.base import DatabaseWrapper
from pollsite.postgres.client import DatabaseClient
from pollsite.postgres.url import database_settings
from tests.support.paths import BASE_DIR
from tests.support.servers import Server

SECRET = "s3cr3t"
# What the engine adds where the URL says nothing, and what only Django understands.
ADDED = {"application_name", "client_encoding", "connect_timeout", "tcp_user_timeout"}
ADDED |= {"keepalives_idle", "keepalives_interval", "keepalives_count"}
NOT_LIBPQ = {"cursor_factory", "context", "prepare_threshold"}


def wrapper(url: str, folder) -> DatabaseWrapper:
    return ConnectionHandler({"default": database_settings(url, embedded_folder=folder)})["default"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://u:s3cr3t@h/d", "does not begin with postgres://"),
        ("localhost/d", "does not begin with postgres://"),
        ("u:s3cr3t@h/d", "does not begin with postgres://"),
        ("postgres:u:s3cr3t@h/d", "does not begin with postgres://"),
        ("postgres://u:s3cr3t@h", "names no database"),
        ("postgres://u:s3cr3t@h/", "names no database"),
        ("postgres://u:s3cr3t@h/d?dbname=", "names no database"),
        ("postgres://u:s3cr3t@h/?service=", "names no database"),
        ("postgres://u:s3cr3t@h:port/d", "the port is not a number"),
        ("postgres://u:s3cr3t@h:99999/d", "the port is not a number"),
        ("postgres://u:s3cr3t@h:0/d", "the port is not a number"),
        ("postgres://u:s3cr3t@h:\u0665/d", "the port is not a number"),
        ("postgres://u:s3cr3t@::1/d", "an IPv6 address is not in brackets"),
        ("postgres://u:s3cr3t@h/d?port=many", "from 1 to 65535"),
        ("postgres://u:s3cr3t@a:1,b:99999/d", "from 1 to 65535"),
        ("postgres://u:/s3cr3t@h:5432/d", "a character that must be written as"),
        ("postgres://u:s3cr3t/@h:5432/d", "a character that must be written as"),
        ("postgres://u:1/#s3cr3t@h/d", "a character that must be written as"),
        ("postgres://u:1/s3cr3t?s3cr3t@h/d", "a character that must be written as"),
        ("postgres://u:1/s3cr3t?s3cr3t=@h/d", "a character that must be written as"),
        ("postgres://u:s3cr3t@[::1/d", "a character that must be written as"),
        ("postgres://u:s3cr3t@[]/d", "a character that must be written as"),
        ("postgres://u:s3cr3t@[::1]s3cr3t/d", "a character that must be written as"),
        ("postgres://u:s3@cr3t@h/d", "a character that must be written as"),
        ("postgres://u:@s3cr3t/s3cr3t@h/d", "a character that must be written as"),
        ("postgres://u:%s3cr3t@h/d", "a character that must be written as"),
        ("postgres://u:s3cr3t%00@h/d", "a character that must be written as"),
        ("postgres://u:s3cr3t%FF@h/d", "a character that must be written as"),
        ("postgres://u:s3cr3t\udcff@h/d", "a character that must be written as"),
        ("postgres://u:%s3cr3t@h/d?ssl=on", "a character that must be written as"),
        ("postgres://u:s3cr3t@h/d?sslmode", "name=value"),
        ("postgres://u:s3cr3t@h/d?sslmode=a=b", "name=value"),
        ("postgres://u:s3cr3t@h/d?application_name=100%", "%25 for each %"),
        ("postgres://u:s3cr3t@h/d?ssl=on", 'invalid connection option "ssl"'),
        ("postgres://u:s3cr3t@h/d?isolation_level=3", 'invalid connection option "isolation_level"'),
        ("postgres://u:s3cr3t@h/d?conn_health_checks=maybe", "conn_health_checks is neither true nor false"),
        ("postgres://u:s3cr3t@h/d?conn_max_age=long", "conn_max_age is neither"),
        ("postgres://u:s3cr3t@h/d?conn_max_age", "conn_max_age is neither"),
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
        ("pgsql://u:p@h/d", {"USER": "u", "PASSWORD": "p", "HOST": "h", "NAME": "d"}),
        ("psql://u:p@h/d", {"USER": "u", "PASSWORD": "p", "HOST": "h", "NAME": "d"}),
        ("postgres://u@[::1]:5433/d", {"HOST": "::1", "PORT": "5433"}),
        ("postgres:///d?host=/var/run/postgresql&port=5433", {"HOST": "/var/run/postgresql", "PORT": "5433"}),
        ("postgres://a,b/d?target_session_attrs=read-write", {"HOST": "a,b", "PORT": ","}),
        ("postgres:///d?host=a,::1&port=1,2", {"HOST": "a,::1", "PORT": "1,2"}),
        ("postgres://a:1,b:2/d", {"HOST": "a,b", "PORT": "1,2"}),
        ("postgres://u:p%40@h?dbname=d", {"PASSWORD": "p@", "NAME": "d"}),
        ("postgres://h/d?conn_health_checks=false", {"CONN_HEALTH_CHECKS": False}),
        ("postgres://h/d?disable_server_side_cursors=True", {"DISABLE_SERVER_SIDE_CURSORS": True}),
        ("postgres://h/d?conn_max_age=0", {"CONN_MAX_AGE": 0}),
        ("postgres://h/d?conn_max_age=None", {"CONN_MAX_AGE": None}),
        ("postgres://h/d?CONN%5FMAX_AGE=%37", {"CONN_MAX_AGE": 7}),
        ("postgres://h/d?autocommit=off&atomic_requests=1", {"AUTOCOMMIT": False, "ATOMIC_REQUESTS": True}),
        ("postgres://h/d", {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "ENGINE": "pollsite.postgres"}),
        (" postgres:///?service=polls\n", {"NAME": ""}),
        # Refused by Python's parsers, and accepted by libpq:
        ("postgres://u:#s3cr3t@h:5432/d", {"PASSWORD": "#s3cr3t", "HOST": "h", "PORT": "5432"}),
        ("postgres://u:?s3cr3t=@h/d", {"PASSWORD": "?s3cr3t=", "HOST": "h", "NAME": "d"}),
        ("postgres://u:?conn_max_age=3@h/d", {"PASSWORD": "?conn_max_age=3", "CONN_MAX_AGE": 60}),
        ("postgres://u:[s3cr3t@h/d", {"PASSWORD": "[s3cr3t", "HOST": "h"}),
        ("postgres://u:a:b@h/d", {"USER": "u", "PASSWORD": "a:b", "HOST": "h"}),
        ("postgres://u:s3cr3t@a:1,[::1]:2/d", {"HOST": "a,::1", "PORT": "1,2"}),
        ("postgres://[::1],[fe80::1%25eth0]:2/d", {"HOST": "::1,fe80::1%eth0", "PORT": ",2"}),
        ("postgres://u:s3cr3t@%2Fvar%2Frun/d", {"HOST": "/var/run", "PASSWORD": SECRET}),
        ("postgres://u:s3cr3t@a:5432,b/d", {"HOST": "a,b", "PORT": "5432,"}),
        ("postgres://u:s3cr3t@h/d?host=/tmp", {"HOST": "/tmp"}),
        ("postgres://u:p@h/d?user=me@there&password=q@/?", {"USER": "me@there", "PASSWORD": "q@/?", "HOST": "h"}),
        ("postgres://h/d#1", {"NAME": "d#1"}),
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
    assert (said["connect_timeout"], said["tcp_user_timeout"]) == ("1", "9")
    for on_a_socket in ("postgres:///d?host=/run", "postgres://%2Frun/d"):
        assert database_settings(on_a_socket, embedded_folder=tmp_path)["OPTIONS"] == {"connect_timeout": 5}


def test_options_arrive_as_they_are_written(tmp_path):
    url = "postgres://h/d?application_name=007&options=-c%20geqo%3Doff+x&ssl=true"
    options = database_settings(url, embedded_folder=tmp_path)["OPTIONS"]
    assert (options["application_name"], options["options"]) == ("007", "-c geqo=off+x")
    assert options["sslmode"] == "require"


# Generated URLs: what arrives at libpq by each way is what libpq's own parser makes of the URL


ALPHABET = "aZ0 #?[]/@:%'\"\\&=+,;$!*(){}|~^`<>-_.ä語\t"
HOSTS = ("h", "db.example.org", "10.0.0.1", "[::1]", "[fe80::1%25eth0]", "%2Fvar%2Frun%2Fpostgresql", "%40abstract", "")
QUERY = {
    "sslmode": "require disable verify-full",
    "target_session_attrs": "read-write any primary",
    "connect_timeout": "1 10",
    "service": "polls",
    "passfile": "/home/me/.pgpass",
    "hostaddr": "10.0.0.1",
    "host": "a,::1 /var/run/postgresql @abstract",
    "port": "5432 1,2",
}
DJANGO_QUERY = ("conn_max_age=9", "CONN_HEALTH_CHECKS=off", "autocommit=true", "disable%5Fserver_side_cursors=1")


def text(dice: random.Random, reserved: str) -> str:
    """Return text as a URL holds it: `reserved` is percent-encoded always, everything else now and then."""
    characters = dice.choices(ALPHABET, k=dice.randint(1, 12))
    return "".join(quote(one, safe="") if one in reserved or dice.random() < 0.2 else one for one in characters)


def generated(dice: random.Random) -> tuple[str, str]:
    """Return a URL with keys of Django's in its query, and the same URL without them."""
    credentials = dice.choice(
        ["", text(dice, ":/@%"), f"{text(dice, ':/@%')}:{text(dice, '/@%')}", f":{text(dice, '/@%')}"]
    )
    hosts = (dice.choice(HOSTS) + dice.choice(["", ":", ":5432", ":1"]) for _ in range(dice.randint(1, 3)))
    name = text(dice, "?@% \t")
    place = f"{credentials}@" if credentials else ""
    place += f"{','.join(hosts)}/{name}"
    for_libpq = [
        *(f"{key}={quote(dice.choice(values.split(' ')))}" for key, values in QUERY.items() if dice.random() < 0.15),
        *(f"{key}={text(dice, '&=% ' + chr(9))}" for key in ("options", "application_name") if dice.random() < 0.3),
        *(f"{key}={text(dice, '&=% ' + chr(9))}" for key in ("user", "password", "dbname") if dice.random() < 0.1),
        *(f"{key}=" for key in ("host", "port", "user", "password") if dice.random() < 0.05),
    ]
    dice.shuffle(for_libpq)
    all_of_it = list(for_libpq)
    for parameter in DJANGO_QUERY:
        if dice.random() < 0.3:
            all_of_it.insert(dice.randint(0, len(all_of_it)), parameter)
    return tuple(f"postgres://{place}" + (f"?{'&'.join(query)}" if query else "") for query in (all_of_it, for_libpq))


def by_django(there: DatabaseWrapper) -> dict[str, str]:
    params = there.get_connection_params()
    return parse_dsn(make_dsn(**{key: value for key, value in params.items() if key not in NOT_LIBPQ}))


def by_connect_psycopg2(there: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    reached = []

    def connect(**params):
        reached.append(make_dsn(**params))
        raise psycopg2.OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(base.psycopg2, "connect", connect)
        with pytest.raises(psycopg2.OperationalError):
            there.connect_psycopg2()
    return parse_dsn(reached[0])


def by_dbshell(there: DatabaseWrapper) -> dict[str, str]:
    args, env = DatabaseClient.settings_to_cmd_args_env(there.settings_dict, [])
    password = {"password": env["PGPASSWORD"]} if env and "PGPASSWORD" in env else {}
    flags = {"-U": "user", "-h": "host", "-p": "port"}
    given = {flags[flag]: value for flag, value in zip(args[1:-1:2], args[2:-1:2], strict=True)}
    # As in psql, what the connection string says comes last.
    return password | given | parse_dsn(args[-1])


def test_generated_urls_arrive_at_libpq_as_libpq_reads_them(tmp_path, monkeypatch):
    dice = random.Random(2026)
    for _ in range(1500):
        url, for_libpq = generated(dice)
        expected = parse_dsn(for_libpq)
        there = wrapper(url, tmp_path)
        arrived = {"Django": by_django(there), "connect_psycopg2": by_connect_psycopg2(there, monkeypatch)}
        for way, params in arrived.items():
            assert expected.items() <= params.items(), (way, url)
            assert set(params) - set(expected) <= ADDED, (way, url)
        # psql cannot be told that the password is empty.
        if not expected.get("password", True):
            del expected["password"]
        assert expected.items() <= by_dbshell(there).items(), url


def complaint(url: str, folder) -> str:
    """Return what is wrong with a URL; "" if it is accepted."""
    try:
        database_settings(url, embedded_folder=folder)
    except ImproperlyConfigured as error:
        return str(error)
    return ""


def test_generated_passwords_that_are_not_encoded_never_show(tmp_path):
    dice = random.Random(2026)
    complaints = []
    for _ in range(3000):
        pieces = (dice.choice(["/", "@", "?", "=", "&", "%", "%4", "#", ":", "[", "]", ",", " "]) for _ in range(4))
        password = "zq1x".join(["", *pieces][dice.randint(0, 1) : dice.randint(2, 5)])
        more = dice.choice(["", "?ssl=on", "?sslmode", "?conn_max_age=x"])
        url = f"postgres://u:{password}zq2x@{dice.choice(['h', 'h:5432', '[::1]', 'a,b'])}/d{more}"
        complaints.append(complaint(url, tmp_path))
        assert "zq" not in complaints[-1], url
        assert "\n" not in complaints[-1], url
    assert 200 < complaints.count("") < 2800


# A real server that insists on the password


PASSWORD = r"""#?[]/@:% '\s3cr3t"""
RAW = r"""#?[]%2F%40:%25 '\s3cr3t"""
USER = "own:er"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    try:
        rules = "local all postgres trust\nlocal all all scram-sha-256\nhost all all all scram-sha-256\n"
        (server.folder / "data" / "pg_hba.conf").write_text(rules)
        server.start()
        conn = psycopg2.connect(server.dsn())
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute(f'CREATE ROLE "{USER}" LOGIN PASSWORD %s', [PASSWORD])
            cursor.execute(f'CREATE DATABASE "a=b d" OWNER "{USER}"')
        conn.close()
        yield server
    finally:
        server.remove()


def shell(url: str, **environment: str) -> str:
    """Return what psql says of the connection that dbshell makes."""
    show = "SELECT session_user, current_database(), current_setting('application_name')"
    result = subprocess.run(
        [sys.executable, "manage.py", "dbshell", "--", "-Atc", show],
        cwd=BASE_DIR,
        env={**os.environ, "PATH": f"{binaries()}:{os.environ['PATH']}", "DATABASE_URL": url, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.parametrize("password", [RAW, quote(PASSWORD, safe="")], ids=["raw where libpq takes it", "encoded"])
@pytest.mark.parametrize(
    "place",
    [
        "postgres://{user}:{password}@127.0.0.1:{port}/a=b d",
        "postgres://{user}:{password}@{folder}:{port}/a%3Db%20d",
        "postgres://{user}:{password}@[::1]:1,127.0.0.1:{port}/a=b%20d?conn_max_age=3&target_session_attrs=read-write",
        "postgres:///?dbname=a%3Db d&port={port}&host={folder}&user={user}&password={password}",
    ],
    ids=["tcp", "socket", "several hosts", "all in the query"],
)
def test_the_password_arrives_at_the_server(place, password, server, tmp_path, django_db_blocker):
    url = place.format(user=quote(USER), password=password, port=server.port, folder=quote(str(server.folder), safe=""))
    there = wrapper(url, tmp_path)
    with django_db_blocker.unblock(), there.cursor() as cursor:
        cursor.execute("SELECT session_user, current_database()")
        assert cursor.fetchone() == (USER, "a=b d")
    there.close()
    conn = there.connect_psycopg2()
    assert (conn.info.user, conn.info.dbname, conn.info.password) == (USER, "a=b d", PASSWORD)
    conn.close()
    assert shell(url) == f"{USER}|a=b d|psql\n"


def test_the_server_does_insist_on_the_password(server, tmp_path):
    wrong = wrapper(f"postgres://{quote(USER)}:wrong@127.0.0.1:{server.port}/postgres", tmp_path)
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        wrong.connect_psycopg2()


def test_a_service_and_a_passfile_are_libpqs(server, tmp_path, monkeypatch, django_db_blocker):
    services, passfile = tmp_path / "services", tmp_path / "pass file"
    services.write_text(f"[polls]\nhost=127.0.0.1\nport={server.port}\nuser={USER}\ndbname=a=b d\n")
    escaped = PASSWORD.replace("\\", r"\\").replace(":", r"\:")
    passfile.write_text(f"*:*:*:*:{escaped}\n")
    passfile.chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    url = f"postgres:///?service=polls&passfile={quote(str(passfile))}&application_name=mine"
    there = wrapper(url, tmp_path)
    with django_db_blocker.unblock(), there.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_setting('application_name')")
        assert cursor.fetchone() == ("a=b d", "mine")
    there.close()
    conn = there.connect_psycopg2()
    assert (conn.info.user, conn.info.dbname) == (USER, "a=b d")
    conn.close()
    assert shell(url) == f"{USER}|a=b d|mine\n"
