"""A connection pool for psycopg2: bounded waiting, live connections, nothing lost. See docs/pool.md.

`errors`, `stats` and `options` say what goes in and out. `slot` is one connection, `ledger` the state behind the
lock, `line` the queue of `waiter`s. `renewal` and `keeper` do the slow work in threads of their own. `checkout` lends
and takes back, and `pool` is the rest of what you call.
"""

from polls.pool.errors import PoolClosed, PoolTimeout, TooManyRequests
from polls.pool.pool import ConnectionPool
from polls.pool.stats import ConnectFailure, ConnectionStatus, Histograms, PoolStats, WaiterStatus

__all__ = [
    "ConnectFailure",
    "ConnectionPool",
    "ConnectionStatus",
    "Histograms",
    "PoolClosed",
    "PoolStats",
    "PoolTimeout",
    "TooManyRequests",
    "WaiterStatus",
]
