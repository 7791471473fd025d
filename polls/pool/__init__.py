"""A connection pool for psycopg2: bounded waiting, live connections, nothing lost. See docs/pool.md.

`errors`, `stats` and `options` say what goes in and out; `slot` is one connection; `ledger` is the state behind the
lock; `renewal` and `keeper` do the slow work in threads of their own; `checkout` and `pool` are what you call.
"""

from polls.pool.errors import PoolClosed, PoolTimeout, TooManyRequests
from polls.pool.pool import ConnectionPool
from polls.pool.stats import ConnectionStatus, PoolStats

__all__ = ["ConnectionPool", "ConnectionStatus", "PoolClosed", "PoolStats", "PoolTimeout", "TooManyRequests"]
