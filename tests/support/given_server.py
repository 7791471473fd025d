"""The PostgreSQL server of POOL_TEST_DSN, which belongs to somebody: tests use it, and do not stop it."""

import contextlib
from typing import Any, NoReturn

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from tests.support.servers import Server


class GivenServer(Server):
    """Stands in for a private server. What would stop or change it skips the test."""

    def __init__(self, dsn: str) -> None:
        self.given = dsn
        with contextlib.closing(psycopg2.connect(dsn)) as conn:
            self.host, self.port = conn.info.host, conn.info.port

    def is_running(self) -> bool:
        return True

    def address(self) -> tuple[str, int] | str:
        """Where a proxy connects to: a host and a port, or the path of a Unix socket."""
        return f"{self.host}/.s.PGSQL.{self.port}" if self.host.startswith("/") else (self.host, self.port)

    def require_private(self, *_: Any) -> NoReturn:
        pytest.skip("it stops or changes the server, and that of POOL_TEST_DSN is not private")

    start = stop = restart = silence = require_private

    def dsn(self, *, tcp: bool = False, port: int | None = None, **more: Any) -> str:
        if port:
            more |= {"host": "127.0.0.1", "hostaddr": "127.0.0.1", "port": port}
        elif tcp and self.host.startswith("/"):
            pytest.skip("it needs TCP, and POOL_TEST_DSN names a Unix socket")
        return make_dsn(self.given, **more)

    def remove(self) -> None:
        """Leave it as it is."""
