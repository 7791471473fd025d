"""A private PostgreSQL that tests may stop, kill and silence; and waiting, for it and for calls in threads."""

import contextlib
import itertools
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from pollsite.embedded.programs import binaries, unprivileged
from tests.support.ports import free_port


def wait_until(true: Callable[[], Any], timeout: float = 10.0) -> Any:
    """Call `true` until its answer is true, and return it; fail after `timeout` seconds. For what has no event."""
    deadline = time.monotonic() + timeout
    while not (answer := true()):
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.005)
    return answer


class Server:
    """A PostgreSQL in a temporary folder, on a TCP port and a Unix socket."""

    def __init__(self, max_connections: int = 60) -> None:
        self.max_connections = max_connections
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")

    def _command(self, program: str, *arguments: str) -> list[str]:
        return unprivileged([str(binaries() / program), *arguments])

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(self._command(program, *arguments), check=True, capture_output=True)

    def start(self) -> None:
        """Start, and return as soon as connections are accepted."""
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "max_connections": self.max_connections,
            "max_prepared_transactions": 8,
            "log_min_messages": "fatal",
        }
        settings = itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in options.items())
        command = self._command("postgres", "-D", str(self.folder / "data"), *settings)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self.accepts)

    def is_running(self) -> bool:
        return self.process is not None

    def require_private(self) -> None:
        """Skip the test if this server is not the tests' own."""

    def address(self) -> tuple[str, int] | str:
        return ("127.0.0.1", self.port)

    def accepts(self) -> bool:
        try:
            psycopg2.connect(self.dsn()).close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT is PostgreSQL's immediate shutdown, SIGINT its fast one."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Stop every process of the server, as on a machine that hangs."""
        assert self.process is not None
        postmaster = psutil.Process(self.process.pid)
        stopped = [postmaster, *postmaster.children(recursive=True)]
        try:
            for process in stopped:
                process.suspend()
            yield
        finally:
            for process in reversed(stopped):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def dsn(self, *, tcp: bool = False, port: int | None = None, **more: Any) -> str:
        host = "127.0.0.1" if tcp or port else self.folder
        return psycopg2.extensions.make_dsn(
            host=host, port=port or self.port, user="postgres", dbname="postgres", **more
        )

    def run(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement on a new connection, and return its rows."""
        conn = psycopg2.connect(self.dsn())
        try:
            conn.autocommit = True
            with conn.cursor() as cursor:
                cursor.execute(statement, parameters)
                return cursor.fetchall()
        finally:
            conn.close()

    def backends(self, name: str) -> list[int]:
        """The backends of the connections with this application_name."""
        statement = "SELECT pid FROM pg_stat_activity WHERE application_name = %s ORDER BY pid"
        return [pid for (pid,) in self.run(statement, name)]

    def is_busy(self, name: str) -> bool:
        """Whether a connection with this application_name runs a query."""
        statement = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND state = 'active'"
        return self.run(statement, name) != []

    def kill(self, pid: int) -> None:
        """End a backend, and wait until it is gone."""
        self.run("SELECT pg_terminate_backend(%s, 5000)", pid)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def in_thread(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> "Result":
    """Call a function in a thread."""
    return Result(function, *arguments, **keywords)


class Result:
    """The result of a function that is called in a thread."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
        def call() -> None:
            try:
                self.value = function(*arguments, **keywords)
            except BaseException as error:
                self.error = error
            self.seconds = time.monotonic() - started

        self.value: Any = None
        self.error: BaseException | None = None
        started = time.monotonic()
        self.thread = threading.Thread(target=call, daemon=True)
        self.thread.start()

    def get(self, timeout: float = 20.0) -> Any:
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "it hangs"
        if self.error is not None:
            raise self.error
        return self.value
