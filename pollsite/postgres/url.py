"""DATABASE_URL, read into what Django's DATABASES wants; a mistake in it is one line that says what to mend.

Importing and calling this connects to nothing and starts nothing.
"""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import environ
import psycopg2
from django.core.exceptions import ImproperlyConfigured
from psycopg2.extensions import make_dsn

from pollsite.embedded import server as embedded

ENGINE = "pollsite.postgres"
SCHEMES = ("postgres", "postgresql", "pgsql", "psql")

# For the ORM: each thread keeps its connection for a minute, and asks whether it still lives before using it again.
DEFAULTS: dict[str, Any] = {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
BOOLEANS = ("ATOMIC_REQUESTS", "AUTOCOMMIT", "CONN_HEALTH_CHECKS", "DISABLE_SERVER_SIDE_CURSORS")
PLACES = ("host", "port", "user", "password", "dbname")

# Seconds; tcp_user_timeout in milliseconds. A server that is gone without a word is noticed within half a minute.
CONNECT_OPTIONS: dict[str, Any] = {"connect_timeout": 5}
TCP_OPTIONS: dict[str, Any] = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


UNQUOTED = (
    "the port is not a number, or the password holds a character that must be written as %23 (#), %2F (/), %3A (:), "
    "%3F (?), %40 (@), %5B ([) or %5D (])"
)


def database_settings(url: str, *, embedded_folder: Path) -> dict[str, Any]:
    """Return the entry of DATABASES for `url`, or for the embedded server in `embedded_folder` where it is empty.

    Takes what libpq takes in a URL's query (sslmode, target_session_attrs, host for a socket's folder ...) and Django's
    own conn_max_age, conn_health_checks and disable_server_side_cursors. Raises ImproperlyConfigured.
    """
    if not url.strip():
        server = embedded.EmbeddedServer(embedded_folder)
        return {
            **DEFAULTS,
            "ENGINE": ENGINE,
            "NAME": embedded.DATABASE,
            "USER": embedded.ROLE,
            "HOST": str(server.socket_folder),
            "PORT": embedded.PORT,
            "OPTIONS": dict(CONNECT_OPTIONS),
            # Django leaves keys alone that it does not know; the engine starts this server before it connects.
            "EMBEDDED": str(server.folder),
        }
    return _from_url(url.strip())


def _from_url(url: str) -> dict[str, Any]:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise _wrong("it does not begin with postgres://")
    # Taken apart by hand as well: Python's versions differ in what they make of brackets and strange passwords.
    rest, fragment, _ = rest.partition("#")
    rest, _, query_text = rest.partition("?")
    netloc, _, path = rest.partition("/")
    user, _, hosts = netloc.rpartition("@")
    if fragment or "@" in (path or query_text) or set("@[]") & set(user):
        raise _wrong(UNQUOTED)
    if "[" in hosts and "," in hosts:
        raise _wrong("an IPv6 address among several hosts goes into the query, as in ?host=a,::1&port=5432,5432")
    query = _query(query_text)
    try:
        # With the slash: without a path django-environ would unquote the password one time too few.
        parsed = environ.Env.db_url_config(f"{scheme}://{netloc}/{path}?{query_text}", engine=ENGINE)
    except ValueError:
        # What Python says here repeats a piece of the URL, and that may be a piece of the password.
        raise _wrong(UNQUOTED) from None
    settings: dict[str, Any] = {**DEFAULTS, **parsed}
    options: dict[str, Any] = settings.setdefault("OPTIONS", {})
    _lift_places(settings, options, query)
    _check_django_keys(settings, query)
    _check_hosts(settings)
    if not settings["NAME"] and "service" not in options:
        raise _wrong("it names no database: end it with /name")
    try:
        make_dsn(**options)
    except psycopg2.ProgrammingError as error:
        raise _wrong(str(error).removeprefix("invalid dsn: ").strip()) from None
    on_tcp = settings["HOST"] and not settings["HOST"].startswith("/")
    settings["OPTIONS"] = {**CONNECT_OPTIONS, **(TCP_OPTIONS if on_tcp else {}), **options}
    return settings


def _query(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(text, strict_parsing=True) if text else {}
    except ValueError:
        raise _wrong("what follows the question mark is not name=value&name=value") from None


def _wrong(why: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"DATABASE_URL is wrong: {why}. It reads postgres://user:password@host:5432/name")


def _lift_places(settings: dict[str, Any], options: dict[str, Any], query: dict[str, list[str]]) -> None:
    """Put host=, port= ... of the query where Django expects them: dbshell looks nowhere else."""
    for option in PLACES:
        options.pop(option, None)
        if option in query:
            key = {"dbname": "NAME"}.get(option, option.upper())
            if settings[key]:
                raise _wrong(f"it gives the {option} twice, in front of the question mark and behind it")
            settings[key] = query[option][0]


def _check_django_keys(settings: dict[str, Any], query: dict[str, list[str]]) -> None:
    given = {name.upper(): values[0].lower() for name, values in query.items()}
    for key in BOOLEANS:
        if key in given:
            # Left to itself "false" is a string, and true.
            if given[key] not in ("true", "false", "1", "0", "on", "off", "yes", "no"):
                raise _wrong(f"{key.lower()} is neither true nor false")
            settings[key] = given[key] in ("true", "1", "on", "yes")
    age = given.get("CONN_MAX_AGE", "none")
    if not age.isdecimal() and age != "none":
        raise _wrong("conn_max_age is neither a number of seconds nor None")
    if "CONN_MAX_AGE" in given:
        settings["CONN_MAX_AGE"] = None if age == "none" else int(age)


def _check_hosts(settings: dict[str, Any]) -> None:
    if "%2f" in settings["HOST"].lower():
        raise _wrong("a socket's folder goes into the query, as in postgres:///name?host=/var/run/postgresql")
    hosts = settings["HOST"].split(",")
    ports = str(settings["PORT"]).split(",") if settings["PORT"] else []
    if not all(port.isdecimal() and 0 < int(port) < 65536 for port in ports):
        raise _wrong("a port is not a number from 1 to 65535")
    if ports and len(ports) != len(hosts):
        # libpq would use a single port for all of them.
        raise _wrong("give each of the hosts its port, or none of them")
