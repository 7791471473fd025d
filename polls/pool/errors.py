"""What the pool raises. Each is caught by whoever catches psycopg2's own pool errors or its operational errors."""

import psycopg2
import psycopg2.pool


class PoolTimeout(psycopg2.pool.PoolError, psycopg2.OperationalError):
    """No connection within the time allowed; the message says why, `__cause__` is the last connect error, if any."""


class TooManyRequests(psycopg2.pool.PoolError, psycopg2.OperationalError):
    """`max_waiting` callers are waiting already; raised at once."""


class PoolClosed(psycopg2.pool.PoolError, psycopg2.OperationalError):
    """The pool is closed, or was closed while the caller waited."""
