"""What the pool tells about itself. Times are milliseconds, as floats; the keys are psycopg_pool's and a few more."""

from dataclasses import astuple, dataclass
from typing import Final, NamedTuple, TypedDict

BITS: Final = 64  # of a time in nanoseconds: what has this many bits, counts here


class PoolStats(TypedDict):
    """The answer of `get_stats()`: every key, always. The first five and `oldest_wait_ms` are the present, the rest are
    totals since the start or the last `pop_stats()`."""

    pool_min: int  # minconn
    pool_max: int  # maxconn
    pool_size: int  # slots taken: in use, idle, being connected, checked or closed
    pool_available: int  # idle connections
    requests_waiting: int  # callers in the queue
    oldest_wait_ms: float  # how long the queue's head has waited
    usage_ms: float  # time connections spent with callers, counted as they come back
    requests_num: int  # connections asked for
    requests_queued: int  # of these, not served at once
    requests_wait_ms: float  # time spent in the queue, by those who left it
    requests_errors: int  # PoolTimeout, TooManyRequests, PoolClosed
    returns_bad: int  # connections that came back broken, busy or beyond cleaning
    returns_in_transaction: int  # connections that came back in a transaction, and were rolled back
    connections_num: int  # attempts to connect
    connections_ms: float  # time spent on those that succeeded, `configure` included
    connections_errors: int  # those that failed
    connections_lost: int  # connections found dead in the pool
    leaks: int  # connections held for longer than `leak_after`, or dropped without return


class ConnectionStatus(TypedDict):
    """One row of `status()`."""

    backend_pid: int | None  # the server's process, None while connecting
    state: str  # "idle", "in use", "returning", "cut", "connecting", "checking" or "closing"
    held_ms: float | None  # since it was taken, None when nobody has it
    thread: str | None  # the name of the thread that took it
    taken: str | None  # file:line where it was taken
    age_ms: float  # since it was connected, or since the slot began to connect
    uses: int  # checkouts so far


class ConnectFailure(NamedTuple):
    """The last attempt to connect that failed."""

    message: str
    at_s: float  # time.monotonic()


class WaiterStatus(TypedDict):
    """One row of `get_waiters()`."""

    thread: str  # the name of the thread that waits
    taken: str  # file:line where it asked
    waited_ms: float


class Histograms(TypedDict):
    """The answer of `get_histograms()`: since the start, the number at index i counts times of i bits in
    nanoseconds, below 2**i ns."""

    wait: list[int]  # from asking to having, or giving up; index 0 is those served at once
    use: list[int]  # from having to giving back
    connect: list[int]  # successful attempts, `configure` included


@dataclass
class Counters:
    """The totals behind `PoolStats`, in nanoseconds where they are times. They only grow, under the pool's lock, and
    slots add their own when they go."""

    uses: int = 0
    usage_ns: int = 0
    requests_queued: int = 0
    requests_wait_ns: int = 0
    requests_errors: int = 0
    returns_bad: int = 0
    returns_in_transaction: int = 0
    connections_num: int = 0
    connections_ns: int = 0
    connections_errors: int = 0
    connections_lost: int = 0
    leaks: int = 0

    def __sub__(self, other: "Counters") -> "Counters":
        return Counters(*(mine - its for mine, its in zip(astuple(self), astuple(other), strict=True)))
