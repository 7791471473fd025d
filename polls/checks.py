"""System checks for settings that cannot work, and for settings that work only until the site is busy.

An error stops every command, but none of the running processes. A warning says what will happen, and when.
"""

import importlib.util
import inspect
from collections.abc import Sequence
from contextlib import closing
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from polls import queries, voters
from polls.database import connect, database
from polls.pool import ConnectionPool

# As Django asks of SECRET_KEY (security.W009).
MIN_KEY_LENGTH, MIN_KEY_CHARACTERS = 50, 5

POOL_OPTIONS = frozenset(
    name
    for name, parameter in inspect.signature(ConnectionPool).parameters.items()
    if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
) - {"connect", "name"}


def register_checks() -> None:
    """Register the checks; called when the app is ready. Those of Tags.database connect to the database."""
    for check in (check_pool, check_threads, check_database_options, check_driver, check_metrics_allowed):
        register(check)
    for check in (check_budget, check_poll_keys):
        register(Tags.database)(check)
    for check in (check_client_address, check_voter_key, check_owner):
        register(check, deploy=True)
    register(Tags.database, deploy=True)(check_role)


def check_pool(**kwargs: Any) -> list[CheckMessage]:
    """polls.E001 and E002: POLLS_POOL holds arguments that ConnectionPool accepts."""
    options: dict[str, Any] = settings.POLLS_POOL
    if unknown := sorted(set(options) - POOL_OPTIONS):
        return [
            Error(
                f"POLLS_POOL has no option {', '.join(unknown)}.",
                hint=f"There are {', '.join(sorted(POOL_OPTIONS))}.",
                id="polls.E001",
            )
        ]
    try:
        ConnectionPool(**options)  # connects to nothing
    except (TypeError, ValueError) as error:
        return [Error(f"POLLS_POOL: {error}.", hint="Correct it in .env or in pollsite/settings.py.", id="polls.E002")]
    return []


def check_threads(**kwargs: Any) -> list[CheckMessage]:
    """polls.W001: a process has a connection for each of its threads."""
    threads, maxconn = settings.WEB_THREADS, settings.POLLS_POOL.get("maxconn")
    if not isinstance(maxconn, int) or threads <= maxconn:
        return []
    return [
        Warning(
            f"WEB_THREADS is {threads} and POOL_MAXCONN {maxconn}: under load {threads - maxconn} threads of each "
            "process wait for the others' connections.",
            hint="Lower WEB_THREADS or raise POOL_MAXCONN, unless this is meant to limit the load on the database.",
            id="polls.W001",
        )
    ]


def check_database_options(**kwargs: Any) -> list[CheckMessage]:
    """polls.W002 and W003: connecting has a time limit, and voting pages use no connection of the ORM."""
    settings_dict = database().settings_dict
    messages: list[CheckMessage] = []
    if not int(settings_dict["OPTIONS"].get("connect_timeout") or 0):
        messages.append(
            Warning(
                "The database has no connect_timeout: connecting to a host that does not answer takes minutes.",
                hint="Add connect_timeout=5 to DATABASE_URL, behind the question mark.",
                id="polls.W002",
            )
        )
    if settings_dict["ATOMIC_REQUESTS"]:
        messages.append(
            Warning(
                "ATOMIC_REQUESTS is on: each request holds a connection of the ORM, and most use only the pool's.",
                hint="Remove atomic_requests from DATABASE_URL; the pool's statements commit by themselves.",
                id="polls.W003",
            )
        )
    return messages


def check_driver(**kwargs: Any) -> list[CheckMessage]:
    """polls.W004: Django silently prefers psycopg 3 where it is installed."""
    if importlib.util.find_spec("psycopg") is None:
        return []
    return [
        Warning(
            "psycopg 3 is installed beside psycopg2: the ORM uses it, and the pool does not.",
            hint="pip uninstall psycopg psycopg-binary psycopg-c",
            id="polls.W004",
        )
    ]


def check_metrics_allowed(**kwargs: Any) -> list[CheckMessage]:
    """polls.E003: METRICS_ALLOWED holds addresses and networks."""
    return [
        Error(
            f"METRICS_ALLOWED: {network!r} is no address and no network.",
            hint="Give them as in METRICS_ALLOWED=127.0.0.1,10.0.0.0/8",
            id="polls.E003",
        )
        for network in settings.METRICS_ALLOWED
        if not _is_network(network)
    ]


def check_client_address(**kwargs: Any) -> list[CheckMessage]:
    """polls.W006: behind a proxy, visitors can be told apart. With --deploy only."""
    if not settings.SECURE_SSL_REDIRECT or settings.CLIENT_ADDRESS_HEADER:
        return []
    return [
        Warning(
            "HTTPS is on, so there is a proxy, and CLIENT_ADDRESS_HEADER is empty: all visitors come from the proxy's "
            "address, and share the limits of one.",
            hint="Name the header in which the proxy says who asks, such as CLIENT_ADDRESS_HEADER=X-Forwarded-For",
            id="polls.W006",
        )
    ]


def check_voter_key(**kwargs: Any) -> list[CheckMessage]:
    """polls.W007 and W008: VOTER_KEY stays when SECRET_KEY changes, and cannot be guessed. With --deploy only."""
    if settings.VOTER_KEY_BORROWED:
        key = "the last of SECRET_KEY_FALLBACKS" if settings.SECRET_KEY_FALLBACKS else "SECRET_KEY"
        return [
            Warning(
                f"VOTER_KEY is not set, and {key} serves as VOTER_KEY: changing it stops the voting in open polls.",
                hint=f"Set VOTER_KEY to what {key} is now, on every host, and never change it while a poll is open.",
                id="polls.W007",
            )
        ]
    if len(settings.VOTER_KEY) >= MIN_KEY_LENGTH and len(set(settings.VOTER_KEY)) >= MIN_KEY_CHARACTERS:
        return []
    return [
        Warning(
            f"VOTER_KEY has fewer than {MIN_KEY_LENGTH} characters, or fewer than {MIN_KEY_CHARACTERS} different ones: "
            "who guesses it can tell from the database who cast a vote.",
            hint="When no poll is open, set another: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'",
            id="polls.W008",
        )
    ]


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def check_owner(**kwargs: Any) -> list[CheckMessage]:
    """polls.W010: the site's role is not the owner of its tables, by the settings. With --deploy only."""
    if database().has_owner():
        return []
    return [
        Warning(
            "DATABASE_OWNER_URL is empty: the site owns its tables, so whoever can run SQL as the site can switch the "
            "triggers off that keep its promises.",
            hint="Create a second role for the site, and name the owner in DATABASE_OWNER_URL for migrate and this "
            "check; README says how.",
            id="polls.W010",
        )
    ]


def check_role(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """polls.W011: the site's role can do nothing that the site does not need. With --deploy --database default only."""
    if "default" not in (databases or ()):
        return []
    with closing(connect("check")) as conn:
        powers = queries.list_powers(conn)
    if not powers:
        return []
    return [
        Warning(
            f"The site's role {', '.join(powers)}: the database's promises do not hold against it.",
            hint="Use a role that owns nothing and may create nothing in DATABASE_URL, and run migrate with "
            "DATABASE_OWNER_URL; README says how.",
            id="polls.W011",
        )
    ]


def check_budget(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """polls.W005: the server allows as many connections as the site may open. With --database default only."""
    maxconn = settings.POLLS_POOL.get("maxconn")
    if "default" not in (databases or ()) or not isinstance(maxconn, int):
        return []
    with closing(connect("check")) as conn:
        limits = queries.get_limits(conn)
    processes, threads = settings.WEB_CONCURRENCY, settings.WEB_THREADS
    wanted, free = processes * (maxconn + threads), limits.max_connections - limits.reserved
    if wanted <= free:
        return []
    return [
        Warning(
            f"The site may want {wanted} connections and the server has {free}: {processes} processes of {maxconn} in "
            f"the pool and {threads} for the ORM's threads, against max_connections {limits.max_connections} less "
            f"{limits.reserved} reserved.",
            hint="Raise max_connections on the server, or lower POOL_MAXCONN, WEB_CONCURRENCY or WEB_THREADS.",
            id="polls.W005",
        )
    ]


def check_poll_keys(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """polls.W009: VOTER_KEY is the one under which the votes of open polls stand. With --database default only."""
    if "default" not in (databases or ()):
        return []
    with closing(connect("check")) as conn:
        slugs = queries.list_polls_of_other_keys(conn, voters.key_id())
    if not slugs:
        return []
    return [
        Warning(
            f"VOTER_KEY has changed: the site cannot tell who has voted, and counts no vote, in {_shortened(slugs)}.",
            hint="Set VOTER_KEY, or var/voter_key, to what it was. See docs/keys.md.",
            id="polls.W009",
        )
    ]


def _shortened(slugs: Sequence[str]) -> str:
    shown, rest = slugs[:3], len(slugs) - 3
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
