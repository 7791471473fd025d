"""The embedded PostgreSQL server: how processes start, share and stop it.

All processes that use one folder share one server. Each holds a shared lock as long as it lives, which the kernel
releases even after kill -9; the last process to exit stops the server.

    <folder>/start.lock    held by the process that starts or stops the server: one at a time
    <folder>/users.lock    held, in shared mode, by every process that uses the server
    <folder>/server.lock   held by the server, which inherits it; if it is free, no server runs, whatever the pids say
    <folder>/data/         PostgreSQL's data; renamed into place once it is complete
    <folder>/run/          the socket, unless this path is unsuitable for one: then it is in /tmp
    <folder>/server.log    the server's log; once it exceeds a megabyte, a start renames it to server.log.1
"""

import atexit
import contextlib
import fcntl
import hashlib
import os
import secrets
import shlex
import shutil
import signal
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pollsite.embedded.programs import MAJOR, EmbeddedServerError, last_words, run

OWNER = DATABASE = "pollsite"  # the superuser that initdb makes; it owns the tables
ROLE = "polls_site"  # the site's; it owns nothing, and `migrate` grants it what the site needs
MAKE_ROLE = f"""
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
        CREATE ROLE {ROLE} LOGIN;
    END IF;
END
$$
"""
PORT = "5432"  # part of the socket's file name; nothing listens on TCP
SOCKET = f".s.PGSQL.{PORT}"
START_SECONDS = 60
STOP_SECONDS = 30
LOG_BYTES = 1_000_000
IMPOSSIBLE_PID = 4_194_305  # above the highest pid that Linux assigns: no process has it

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # The client receives and reports the errors of statements; in the log they would fill the disk.
    "log_min_messages": "log",
}

# The descriptor of users.lock for every folder that this process uses. The mutex is held throughout a start or a stop,
# and across a fork, so that no child inherits a lock that is still being acquired.
_held: dict[Path, int] = {}
_mutex = threading.RLock()


def _forget_after_fork() -> None:
    # Closing the child's copies does not release the parent's locks; left open, they would outlive the parent.
    for descriptor in _held.values():
        os.close(descriptor)
    _held.clear()
    _mutex.release()


os.register_at_fork(before=_mutex.acquire, after_in_parent=_mutex.release, after_in_child=_forget_after_fork)


class EmbeddedServer:
    """The server of one folder; instances for the same folder are interchangeable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"

    @property
    def socket_folder(self) -> Path:
        """The folder of the socket, whether or not the server runs; it is the same in every process."""
        inside = self.folder / "run"
        # The kernel limits a socket's path to 107 bytes (macOS: 103), and libpq splits hosts at commas.
        if len(os.fsencode(inside / SOCKET)) <= 100 and "," not in str(inside):
            return inside
        return Path("/tmp") / f"pollsite-{hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]}"

    def start(self, *, check: bool = False) -> Path:
        """Start the server unless it runs, hold it for this process, and return the folder of the socket.

        Once the process holds the server, this is a dictionary lookup. If `check` is true, the server is asked
        anyway, and started again if it is gone. Waits at most START_SECONDS for a server that is recovering.
        Raises EmbeddedServerError.
        """
        if check or self.folder not in _held:
            with _mutex:
                if check or self.folder not in _held:
                    try:
                        self._start()
                    except OSError as error:
                        raise EmbeddedServerError(
                            f"The embedded PostgreSQL cannot use {error.filename or self.folder} ({error.strerror}): "
                            "correct that, set EMBEDDED_POSTGRES_DIR to another folder, or set DATABASE_URL."
                        ) from error
        return self.socket_folder

    def release(self) -> None:
        """Stop using the server; the last process to do so stops it and waits until it has ended. Called at exit."""
        with _mutex, contextlib.suppress(OSError):  # the folder may be gone
            descriptor = _held.pop(self.folder, None)
            if descriptor is not None:
                os.close(descriptor)
                self._stop_if_unused()

    def answers(self) -> bool:
        """Return whether the server accepts connections, according to pg_isready."""
        return run("pg_isready", "-q", *self._as_owner()).returncode == 0

    def _as_owner(self) -> tuple[str, ...]:
        return ("-h", str(self.socket_folder), "-p", PORT, "-U", OWNER, "-d", DATABASE)

    def _start(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked("start.lock", fcntl.LOCK_EX):
            if self.folder not in _held:
                descriptor = self._open("users.lock")
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                _held[self.folder] = descriptor
            try:
                if not self.answers():
                    self._launch()
                self._make_role()
            except BaseException:
                os.close(_held.pop(self.folder))
                with contextlib.suppress(OSError):
                    self._stop_if_unused()
                raise

    def _stop_if_unused(self) -> None:
        # While this process holds users.lock exclusively, no other can begin to use the server.
        with contextlib.suppress(BlockingIOError), self._locked("users.lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
            if self._lives():
                self._stop()

    def _stop(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while self._lives() and time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                pid = (self.data / "postmaster.pid").read_text().split("\n", 1)[0]
                os.kill(int(pid), signal.SIGINT)  # fast shutdown: disconnects the clients, writes everything
            time.sleep(0.02)
        if self.socket_folder.parent != self.folder:
            with contextlib.suppress(OSError):
                self.socket_folder.rmdir()

    def _launch(self) -> None:
        """Start the server; the caller holds start.lock, and no server answers."""
        deadline = time.monotonic() + START_SECONDS
        while self._lives():  # it is starting, recovering or stopping: wait until it answers or has ended
            if self.answers():
                return
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"The embedded PostgreSQL neither starts nor stops within {START_SECONDS} s: {self.log} says why."
                )
            time.sleep(0.05)
        if not self.data.exists():
            self._create_data()
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != str(MAJOR):
            raise EmbeddedServerError(
                f"{self.data} was made by PostgreSQL {version}, and this is {MAJOR}: set EMBEDDED_POSTGRES_DIR to "
                f"another folder, or transfer the data with pg_dump of PostgreSQL {version}."
            )
        self._make_socket_folder()
        self._disown_pids()
        self._start_postmaster()

    def _make_role(self) -> None:
        """Create the site's role unless it exists: data that an earlier version made has none."""
        result = run("psql", "-X", "-q", *self._as_owner(), "-c", MAKE_ROLE)
        self._check(result.returncode, result.stderr)

    def _create_data(self) -> None:
        for leftover in self.folder.glob("data.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        # A new name each time: the initdb of a process that was killed may still be writing to the previous one.
        draft = self.folder / f"data.new-{secrets.token_hex(4)}"
        try:
            result = run(
                *("initdb", "-D", str(draft), "-U", OWNER, "-A", "trust", "-E", "UTF8"),
                # The built-in locale lower-cases and sorts all of Unicode and needs no locale of the machine.
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                folder=self.folder,
            )
            self._check(result.returncode, result.stderr)
            single = ("postgres", "--single", "-j", "-c", "exit_on_error=on", "-D", str(draft), "template1")
            result = run(*single, folder=draft, text=f"CREATE DATABASE {DATABASE}\n")
            self._check(result.returncode, result.stderr)
            draft.rename(self.data)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def _make_socket_folder(self) -> None:
        folder, owner = self.socket_folder, self.folder.stat().st_uid
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            self._give(folder)
        # Anyone can create a folder in /tmp, and anyone who can open this one connects without a password.
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise EmbeddedServerError(
                f"{folder} is not a private folder of the owner of {self.folder}: remove it, or set "
                "EMBEDDED_POSTGRES_DIR to another folder."
            )

    def _disown_pids(self) -> None:
        """Invalidate the pids of a server that is gone: PostgreSQL does not start if another process has one by now.

        postmaster.pid stays: from its other lines PostgreSQL finds backends that survived the kill of their server.
        """
        (self.socket_folder / f"{SOCKET}.lock").unlink(missing_ok=True)
        file = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError):
            file.write_text("\n".join([str(IMPOSSIBLE_PID), *file.read_text().split("\n")[1:]]))

    def _start_postmaster(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        quoted = str(self.socket_folder).replace('"', '""')
        settings = {**SETTINGS, "unix_socket_directories": f'"{quoted}"'}
        options = shlex.join(word for pair in settings.items() for word in ("-c", "=".join(pair)))
        with self._locked("server.lock", fcntl.LOCK_EX) as lock, self._opened("server.log") as log:
            said_before = os.fstat(log).st_size
            start = ("pg_ctl", "start", "-s", "-w", "-t", str(START_SECONDS), "-o", options)
            # pg_ctl starts a session for the server: Ctrl-C reaches this process only, which then stops the server.
            # PGDATA instead of -D, which pg_ctl would pass through a shell in double quotes.
            result = run(*start, folder=self.data, output=log, keep=(lock,), PGDATA=str(self.data))
            self._check(result.returncode, os.pread(log, LOG_BYTES, said_before).decode(errors="replace"))

    def _check(self, code: int, said: str) -> None:
        if code:
            reason = last_words(said) or f"its program exited with status {code}"
            raise EmbeddedServerError(
                f"The embedded PostgreSQL in {self.folder} does not start: {reason}. Correct that, or set DATABASE_URL."
            )

    def _lives(self) -> bool:
        try:
            with self._locked("server.lock", fcntl.LOCK_SH | fcntl.LOCK_NB):
                return False
        except BlockingIOError:
            return True

    @contextlib.contextmanager
    def _locked(self, name: str, operation: int) -> Iterator[int]:
        with self._opened(name) as descriptor:
            fcntl.flock(descriptor, operation)
            yield descriptor

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        descriptor = self._open(name)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _open(self, name: str) -> int:
        path = self.folder / name
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._give(path)
        return descriptor

    def _give(self, path: Path) -> None:
        """Give `path` to the owner of the folder, who could not use it if root, having created it, kept it."""
        owner = self.folder.stat()
        if os.geteuid() == 0 != owner.st_uid:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@atexit.register
def _release_all() -> None:
    if _held and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave the server running
    for folder in list(_held):
        EmbeddedServer(folder).release()
