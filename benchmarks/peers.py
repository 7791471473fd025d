"""The pools to compare, by name."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import psycopg2
import psycopg_pool
from sqlalchemy.pool import QueuePool

from polls.pool import ConnectionPool
from tests.support.servers import Server

OURS, BARE, PSYCOPG, ALCHEMY = "ours", "psycopg2's pool", "psycopg_pool", "QueuePool"


@contextlib.contextmanager
def pools(server: Server, size: int, delay: float = 0.0, tcp: bool = False, **checks: Any) -> Iterator[dict[str, Any]]:
    """Yield a pool of each kind, with one open connection and at most `size`; `delay` seconds slow each connect."""

    def connect() -> Any:
        time.sleep(delay)
        return psycopg2.connect(server.dsn(tcp=tcp))

    class Slow(psycopg.Connection[Any]):
        @classmethod
        def connect(cls, *args: Any, **kwargs: Any) -> Any:
            time.sleep(delay)
            return super().connect(*args, **kwargs)

    ours = ConnectionPool(1, size, connect=connect, timeout=60)
    theirs = psycopg_pool.ConnectionPool(
        server.dsn(tcp=tcp), connection_class=Slow, min_size=1, max_size=size, timeout=60, open=True,
        kwargs={"autocommit": True}, check=checks.get("check"),
    )  # fmt: skip
    alchemy = QueuePool(
        connect, pool_size=size, max_overflow=0, timeout=60, pre_ping=checks.get("pre_ping", False),
        dialect=checks.get("dialect"),
    )  # fmt: skip
    ours.open(wait=True)
    theirs.wait()
    alchemy.connect().close()
    try:
        yield {OURS: ours, PSYCOPG: theirs, ALCHEMY: alchemy}
    finally:
        ours.close()
        theirs.close()
        alchemy.dispose()
