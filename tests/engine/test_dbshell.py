"""The psql of `manage.py dbshell`: which arguments and which environment it gets."""

from psycopg2.extensions import parse_dsn

from pollsite.postgres.client import DatabaseClient

SECRET = "s3cr3t"
SETTINGS = {"HOST": "a,b", "PORT": "1,2", "USER": "u", "PASSWORD": SECRET, "NAME": "d=1", "OPTIONS": {}}


def psql(**options: object) -> tuple[list[str], dict[str, str] | None]:
    return DatabaseClient.settings_to_cmd_args_env({**SETTINGS, "OPTIONS": options}, ["-l"])


def test_psql_gets_every_option_of_libpq_and_no_other():
    args, _ = psql(target_session_attrs="read-write", options=r"-c a=b\ 'c'", connect_timeout=5, assume_role="r")
    assert args[:-1] == ["psql", "-U", "u", "-h", "a,b", "-p", "1,2", "-l"]
    assert parse_dsn(args[-1]) == {
        "dbname": "d=1",
        "target_session_attrs": "read-write",
        "options": r"-c a=b\ 'c'",
        "connect_timeout": "5",
    }


def test_a_service_names_the_database_where_the_settings_do_not():
    nameless = {**SETTINGS, "NAME": ""}
    args, _ = DatabaseClient.settings_to_cmd_args_env({**nameless, "OPTIONS": {"service": "polls"}}, [])
    assert parse_dsn(args[-1]) == {"service": "polls"}
    args, _ = DatabaseClient.settings_to_cmd_args_env(nameless, [])
    assert parse_dsn(args[-1]) == {"dbname": "postgres"}


def test_no_secret_is_an_argument():
    args, env = psql(sslpassword=SECRET, password="")
    assert SECRET not in " ".join(args)
    assert env == {"PGPASSWORD": SECRET}
