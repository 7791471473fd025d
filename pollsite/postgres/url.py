"""DATABASE_URL and DATABASE_OWNER_URL, turned into an entry of Django's DATABASES; a mistake is one line of advice.

libpq's own parser reads the URL, so a URL means here what it means to psql. Nothing here connects or starts a server.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg2
from django.core.exceptions import ImproperlyConfigured
from psycopg2.extensions import parse_dsn

from pollsite.embedded import server as embedded

ENGINE = "pollsite.postgres"
SCHEMES = ("postgres", "postgresql", "pgsql", "psql")

# For the ORM: each thread keeps its connection for a minute, and checks it before using it again.
DEFAULTS: dict[str, Any] = {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
BOOLEAN_KEYS = ("ATOMIC_REQUESTS", "AUTOCOMMIT", "CONN_HEALTH_CHECKS", "DISABLE_SERVER_SIDE_CURSORS")
OWNER_KEYS = ("HOST", "PORT", "USER", "PASSWORD", "NAME", "OPTIONS")
LIBPQ_NAMES = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password", "NAME": "dbname"}

# Seconds; tcp_user_timeout in milliseconds. A server that vanishes is noticed within half a minute.
CONNECT_OPTIONS: dict[str, Any] = {"connect_timeout": 5}
TCP_OPTIONS: dict[str, Any] = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

MISREAD = (
    "the port is not a number from 1 to 65535, an IPv6 address is not in brackets, or the user or the password holds "
    "a character that must be written as %25 (%), %2F (/), %3A (:) or %40 (@)"
)
MISREAD_QUERY = "what follows the question mark is not name=value&name=value, with %25 for each %"


def database_settings(url: str, *, embedded_folder: Path, owner_url: str = "") -> dict[str, Any]:
    """Return the entry of DATABASES for `url`, or for the embedded server in `embedded_folder` if `url` is empty.

    Accepts every URI that libpq accepts, if it names a database or a service, and in the query Django's own
    conn_max_age, conn_health_checks, disable_server_side_cursors, atomic_requests and autocommit as well. A raw @ is
    accepted in the query only. The key OWNER holds the settings with which the owner of the tables connects instead;
    it is missing where `owner_url` is empty, because the site is the owner then. Raises ImproperlyConfigured.
    """
    if not url.strip():
        if owner_url.strip():
            raise ImproperlyConfigured("DATABASE_OWNER_URL is set, and DATABASE_URL is not: set both, or neither.")
        server = embedded.EmbeddedServer(embedded_folder)
        return {
            **DEFAULTS,
            "ENGINE": ENGINE,
            "NAME": embedded.DATABASE,
            "USER": embedded.ROLE,
            "HOST": str(server.socket_folder),
            "PORT": embedded.PORT,
            "OPTIONS": dict(CONNECT_OPTIONS),
            # Django ignores keys that it does not know; the engine starts this server before it connects.
            "EMBEDDED": str(server.folder),
            "OWNER": {"USER": embedded.OWNER},
        }
    settings = _from_url(url.strip())
    if owner_url.strip():
        settings["OWNER"] = _owner_settings(owner_url.strip(), settings["NAME"])
    return settings


def _owner_settings(url: str, database: str) -> dict[str, Any]:
    try:
        owner = _from_url(url)
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(str(error).replace("DATABASE_URL", "DATABASE_OWNER_URL", 1)) from None
    if database and owner["NAME"] and owner["NAME"] != database:
        raise ImproperlyConfigured(
            f"DATABASE_OWNER_URL names the database {owner['NAME']!r}, and DATABASE_URL {database!r}: name the same."
        )
    return {key: owner[key] for key in OWNER_KEYS}


def _from_url(url: str) -> dict[str, Any]:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise _wrong("it does not begin with postgres://")
    # As in libpq: credentials end at the first @, if no / precedes it. A ? in them does not begin the query.
    credentials = rest[: rest.partition("/")[0].find("@") + 1]
    place, _, query = rest.removeprefix(credentials).partition("?")
    if "@" in place:
        raise _wrong(MISREAD)
    settings: dict[str, Any] = {**DEFAULTS, "ENGINE": ENGINE}
    libpq_query = []
    for parameter in query.split("&"):
        name, _, value = parameter.partition("=")
        key = unquote(name).upper()
        if key == "CONN_MAX_AGE" or key in BOOLEAN_KEYS:
            settings[key] = _django_value(key, unquote(value).lower())
        else:
            libpq_query.append(parameter)
    options = _parse(credentials + place, "&".join(libpq_query))
    for key, name in LIBPQ_NAMES.items():
        # Django leaves out an empty HOST, and libpq would take PGHOST; an empty host in OPTIONS arrives as it is.
        settings[key] = options.pop(name) if options.get(name) else ""
    if not all(_is_port(port) for port in settings["PORT"].split(",")):
        raise _wrong(MISREAD)
    if not settings["NAME"] and not options.get("service"):
        raise _wrong("it names no database: end it with /name")
    on_tcp = settings["HOST"] and not settings["HOST"].startswith("/")
    settings["OPTIONS"] = {**CONNECT_OPTIONS, **(TCP_OPTIONS if on_tcp else {}), **options}
    return settings


def _wrong(why: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"DATABASE_URL is wrong: {why}. Its form is postgres://user:password@host:5432/name")


def _django_value(key: str, value: str) -> bool | int | None:
    if key == "CONN_MAX_AGE":
        if not value.isdecimal() and value != "none":
            raise _wrong("conn_max_age is neither a number of seconds nor None")
        return None if value == "none" else int(value)
    # Django would take the string "false" for true.
    if value not in ("true", "false", "1", "0", "on", "off", "yes", "no"):
        raise _wrong(f"{key.lower()} is neither true nor false")
    return value in ("true", "1", "on", "yes")


def _parse(place: str, query: str) -> dict[str, str]:
    try:
        return parse_dsn(f"postgres://{place}?{query}")
    except (psycopg2.ProgrammingError, UnicodeError) as error:
        # libpq's message may quote the password. Of its words only the name of an unknown option is repeated, and not
        # even that if an @ follows: then the query may be the rest of a password.
        if not query or "@" in query:
            raise _wrong(MISREAD) from None
        _parse(place, "")  # raises if the mistake precedes the query
        unknown = re.search(r'invalid URI query parameter: "(\w+)"', str(error))
        raise _wrong(f'invalid connection option "{unknown[1]}"' if unknown else MISREAD_QUERY) from None


def _is_port(text: str) -> bool:
    # libpq takes its default for a port that is left out, and checks the others only while connecting.
    return not text or (re.fullmatch(r"\s*\+?0*[1-9][0-9]{0,4}\s*", text) is not None and int(text) < 65536)
