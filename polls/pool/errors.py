"""The errors of the pool. Each is caught by code that catches psycopg2's pool errors or its operational errors."""

import psycopg2
import psycopg2.pool


class PoolTimeout(psycopg2.pool.PoolError, psycopg2.OperationalError):
    """No connection within the time allowed. The message says why; `__cause__` is the last connect error, if any."""


class TooManyRequests(psycopg2.pool.PoolError, psycopg2.OperationalError):
    """`max_waiting` callers are waiting already. Raised at once."""


class PoolClosed(psycopg2.pool.PoolError, psycopg2.OperationalError):
    """The pool is closed, or was closed while the caller waited."""


class ConnectFailed(psycopg2.pool.PoolError, psycopg2.OperationalError):
    """Connecting fails for a reason that waiting does not remove, such as a wrong password. Raised at once; `__cause__`
    is the error."""


# What a server or libpq says when another attempt would fail as well. PostgreSQL sends no SQLSTATE to psycopg2 here.
PERMANENT = (
    "password authentication failed",
    "no password supplied",
    "authentication failed for user",
    "does not exist",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied for database",
    "certificate verify failed",
    "does not support SSL",
    "invalid connection option",
    "invalid dsn",
    "invalid URI",
    "unsupported frontend protocol",
)


def is_permanent(error: BaseException) -> bool:
    """Whether an error of connecting is one that waiting does not remove.

    Operational errors are permanent where their message says so, in English, as libpq and untranslated servers write
    it. All other errors are mistakes in the arguments or in a hook.
    """
    if isinstance(error, psycopg2.OperationalError):
        text = str(error)
        # A socket that does not exist is a server that is down.
        return any(said in text for said in PERMANENT) and "No such file or directory" not in text
    return isinstance(error, psycopg2.ProgrammingError | psycopg2.InterfaceError | TypeError | ValueError)
