"""A connection pool for psycopg2: bounded waiting, live connections, nothing lost. See docs/pool.md.

`pool` is what callers use. It has a `state`, which decides everything behind one lock and never waits: `slot`s, a queue
of `waiter`s, and `task`s for slow work. `worker`s carry tasks out, and the `keeper` finds what is lost or overdue.
`cancel` ends queries; `options`, `stats` and `errors` are what goes in and comes out.
"""

from .errors import ConnectFailed, PoolClosed, PoolTimeout, TooManyRequests
from .pool import ConnectionPool
from .stats import ConnectFailure, ConnectionStatus, Histograms, PoolStats, WaiterStatus

__all__ = [
    "ConnectFailed",
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
