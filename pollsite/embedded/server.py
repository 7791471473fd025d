"""The PostgreSQL that the site brings along, for when DATABASE_URL names no other.

All processes on one folder use one server. Each holds a shared lock for as long as it lives, which the kernel
drops even after kill -9; whoever leaves last stops the server.

    <folder>/start.lock    held by the process that starts or stops the server: one at a time
    <folder>/users.lock    held, shared, by every process that uses the server
    <folder>/server.lock   held by the server, which inherits it: free means that no server runs, whatever pids say
    <folder>/data/         PostgreSQL's own; appears by a rename when it is complete
    <folder>/run/          the socket; it is in /tmp where this path is no good for one
    <folder>/server.log    what the server says, with the previous megabyte in server.log.1
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

ROLE = DATABASE = "pollsite"
PORT = "5432"  # part of the socket's file name; nothing listens on TCP
SOCKET = f".s.PGSQL.{PORT}"
START_SECONDS = 60
STOP_SECONDS = 30
LOG_BYTES = 1_000_000
IMPOSSIBLE_PID = 4_194_305  # one more than Linux ever gives: no process has it

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Errors of statements go to the client, who reports them; here they would fill the disk.
    "log_min_messages": "log",
}

# The open users.lock of every folder that this process uses. The mutex is held for the whole of a start or a stop,
# and across a fork, so that no child gets a copy of a lock that is just being taken.
_held: dict[Path, int] = {}
_mutex = threading.RLock()


def _forget_after_fork() -> None:
    # To close the child's copies leaves the parent's locks alone; kept, they would outlive the parent.
    for descriptor in _held.values():
        os.close(descriptor)
    _held.clear()
    _mutex.release()


os.register_at_fork(before=_mutex.acquire, after_in_parent=_mutex.release, after_in_child=_forget_after_fork)


class EmbeddedServer:
    """The server on one folder; objects for the same folder are interchangeable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"

    @property
    def socket_folder(self) -> Path:
        """Where the socket is, running or not: every process on the folder comes to the same answer."""
        inside = self.folder / "run"
        # The kernel takes 107 bytes (macOS 103), and libpq reads a comma as the start of another host.
        if len(os.fsencode(inside / SOCKET)) <= 100 and "," not in str(inside):
            return inside
        return Path("/tmp") / f"pollsite-{hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]}"

    def start(self, *, check: bool = False) -> Path:
        """See to it that the server runs and that this process holds it; return the socket's folder.

        Costs a look into a dictionary once the process holds the server; with `check` the server is asked
        even so, and started again if it is gone. Waits at most START_SECONDS for a server that recovers.
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
                            "mend that, set EMBEDDED_POSTGRES_DIR to another folder, or set DATABASE_URL."
                        ) from error
        return self.socket_folder

    def release(self) -> None:
        """Use the server no more; the last process to do so stops it and waits for that. Done at exit."""
        with _mutex, contextlib.suppress(OSError):  # the folder may be gone
            descriptor = _held.pop(self.folder, None)
            if descriptor is not None:
                os.close(descriptor)
                self._stop_if_unused()

    def answers(self) -> bool:
        """Whether the server accepts connections, by asking it."""
        where = ("-h", str(self.socket_folder), "-p", PORT, "-U", ROLE, "-d", DATABASE)
        return run("pg_isready", "-q", *where).returncode == 0

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
            except BaseException:
                os.close(_held.pop(self.folder))
                with contextlib.suppress(OSError):
                    self._stop_if_unused()
                raise

    def _stop_if_unused(self) -> None:
        # With users.lock to ourselves nobody begins to use the server meanwhile.
        with contextlib.suppress(BlockingIOError), self._locked("users.lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
            if self._lives():
                self._stop()

    def _stop(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while self._lives() and time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                pid = (self.data / "postmaster.pid").read_text().split("\n", 1)[0]
                os.kill(int(pid), signal.SIGINT)  # "fast": clients are sent away, everything is written
            time.sleep(0.02)
        if self.socket_folder.parent != self.folder:
            with contextlib.suppress(OSError):
                self.socket_folder.rmdir()

    def _launch(self) -> None:
        """Caller holds start.lock, and nothing answers."""
        deadline = time.monotonic() + START_SECONDS
        while self._lives():  # left alone in the middle of a start, a recovery or a stop: it will answer or go
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
                f"another folder, or carry the data over with pg_dump of PostgreSQL {version}."
            )
        self._make_socket_folder()
        self._disown_pids()
        self._start_postmaster()

    def _create_data(self) -> None:
        for leftover in self.folder.glob("data.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        # A name of its own: the initdb of a process that was killed may still be writing into the last one.
        draft = self.folder / f"data.new-{secrets.token_hex(4)}"
        try:
            result = run(
                *("initdb", "-D", str(draft), "-U", ROLE, "-A", "trust", "-E", "UTF8"),
                # Lower-cases and sorts all of Unicode without any locale of the machine.
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
        # Anybody may make a folder in /tmp, and who can open this one is let in without a password.
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise EmbeddedServerError(
                f"{folder} is not a private folder of the owner of {self.folder}: remove it, or set "
                "EMBEDDED_POSTGRES_DIR to another folder."
            )

    def _disown_pids(self) -> None:
        """No server lives, so a pid it left behind is nobody's or somebody else's, and that one would stop PostgreSQL.

        postmaster.pid stays: by its other lines PostgreSQL finds backends that survived the kill of their server.
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
            # pg_ctl gives the server a session of its own: Ctrl-C in the terminal goes to us, who stop it afterwards.
            # The data folder goes in by the environment: as -D it would stand in double quotes before a shell.
            result = run(*start, folder=self.data, output=log, keep=(lock,), PGDATA=str(self.data))
            self._check(result.returncode, os.pread(log, LOG_BYTES, said_before).decode(errors="replace"))

    def _check(self, code: int, said: str) -> None:
        if code:
            reason = last_words(said) or f"its program ended with {code}"
            raise EmbeddedServerError(
                f"The embedded PostgreSQL in {self.folder} does not start: {reason}. Mend that, or set DATABASE_URL."
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
        """What root makes in the folder of somebody else is theirs: they want to use it tomorrow."""
        owner = self.folder.stat()
        if os.geteuid() == 0 != owner.st_uid:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@atexit.register
def _release_all() -> None:
    if _held and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave the server behind
    for folder in list(_held):
        EmbeddedServer(folder).release()
