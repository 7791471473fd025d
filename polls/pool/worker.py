"""Workers: the threads that carry tasks out. There are few, and they live long.

A thread is started by one call of `_thread.start_new_thread`. `threading.Thread.start` waits without limit for a thread
that an exception ended before it could say that it had started.
"""

import logging
import queue
import random
import time
from _thread import start_new_thread
from collections.abc import Callable
from threading import get_ident
from typing import Any, Final

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from .options import to_ns
from .slot import CHECKING, CONNECTING
from .state import State
from .task import Task, running_threads

logger = logging.getLogger("polls.pool")

WORKERS: Final = 3  # and more only while more connections than that are being made
REST: Final = 10.0  # seconds without a task after which a worker ends, unless it is the last one
INTERRUPTED: Final = 0.25  # seconds for the server to end a session that an exception took from us as it was made
STARTING: Final = 5.0  # seconds after which a worker that has not begun is given up
LIFETIME_JITTER: Final = 0.1  # connections made together do not end together


class Worker:
    """A thread that carries tasks out."""

    __slots__ = ("born_s", "ident", "is_busy")

    def __init__(self) -> None:
        self.ident = 0  # until it has begun
        self.born_s = time.monotonic()
        self.is_busy = False

    def run(self, workers: "Workers") -> None:
        """Carry tasks out until there are none for a while, or the pool is closed."""
        self.ident = get_ident()
        try:
            while workers.wants(self):
                try:
                    task = workers.state.todo.get(timeout=REST)
                except queue.Empty:
                    if len(workers.members) > 1:
                        return
                    continue
                self.is_busy = True
                carry_out(workers.state, task)
                self.is_busy = False
        except BaseException:
            logger.exception("a worker of pool %r failed", workers.state.options.name)
        finally:
            workers.members.discard(self)
            workers.ensure()


class Workers:
    """The workers of one pool."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.members: set[Worker] = set()
        self.can_start = True  # False after a thread could not be started: callers who wait carry tasks out

    def wants(self, worker: Worker) -> bool:
        """Whether a worker goes on: it is one of the members, and the pool has something left."""
        return worker in self.members and not self.state.is_over()

    def ensure(self) -> None:
        """Start the workers that the waiting tasks need. Takes no lock: one too many ends by itself."""
        waiting = self.state.todo.qsize()
        if not waiting or self.state.is_over():  # a task that was given twice stays: no worker would take it
            return
        members = list(self.members)
        free = sum(not worker.is_busy for worker in members)
        limit = max(WORKERS, sum(slot.state is CONNECTING for slot in list(self.state.slots)))
        for _ in range(min(waiting - free, limit - len(members))):
            worker = Worker()
            self.members.add(worker)
            if not start_thread(worker.run, self):
                self.members.discard(worker)
                self.can_start = bool(self.members)
                return
        self.can_start = True

    def prune(self) -> None:
        """Forget workers whose thread has ended without saying so."""
        idents, now = running_threads(), time.monotonic()
        for worker in list(self.members):
            if worker.ident:
                has_ended = idents is not None and worker.ident not in idents
            else:
                has_ended = now - worker.born_s > STARTING
            if has_ended:
                self.members.discard(worker)

    def help_out(self) -> None:
        """Carry out one waiting task, where no thread can be started."""
        if not self.can_start:
            try:
                task = self.state.todo.get_nowait()
            except queue.Empty:
                return
            carry_out(self.state, task, waits=False)


def start_thread(function: Callable[..., object], *arguments: Any) -> bool:
    """Start a thread; False where none can be started."""
    try:
        start_new_thread(function, arguments)
    except RuntimeError:
        return False
    return True


def carry_out(state: State, task: Task, *, waits: bool = True) -> None:
    """Carry a task out, and end it, whatever happens. With `waits`, see the server end a session that is closed."""
    try:
        if task.slot.task is not task or not task.begin(carry_out.__code__):
            return  # given up meanwhile, or another worker's
        if task.kind is CONNECTING:
            _connect(state, task)
        elif task.kind is CHECKING:
            _check(state, task)
        else:
            _close(state, task, waits)
    except BaseException as error:
        logger.warning("pool %r gives a connection up that was %s: %r", state.options.name, task.kind, error)
        state.give_up(task)


def _connect(state: State, task: Task) -> None:
    """Make a connection and hand it in."""
    started_ns = time.monotonic_ns()
    try:
        conn = _open(state, task)
    except BaseException as error:  # of a hook as well: SystemExit and the like end an attempt, and no thread
        if not isinstance(error, Exception):
            time.sleep(INTERRUPTED)
        reason = str(error).strip() or repr(error)
        if state.is_news(reason):
            logger.warning("pool %r cannot connect: %s", state.options.name, reason)
        state.finish(task, error=error)
        return
    if not state.finish(task, conn, time.monotonic_ns() - started_ns):
        conn.close()


def _open(state: State, task: Task) -> Any:
    """Make a connection and configure it. Raises whatever goes wrong, with nothing left open."""
    slot, options = task.slot, state.options
    conn = state.make_connection()
    try:
        _refuse_unfit(conn)
        slot.attach(conn, state.forget(slot))
        lifetime = options.max_lifetime * random.uniform(1 - LIFETIME_JITTER, 1)
        slot.expires_ns = time.monotonic_ns() + to_ns(lifetime)
        if options.configure is not None:
            options.configure(conn)
            if conn.get_transaction_status() != TRANSACTION_STATUS_IDLE:
                raise psycopg2.ProgrammingError("configure left a transaction open")
            slot.remember(conn)
    except BaseException:
        slot.close(conn)
        raise
    return conn


def _refuse_unfit(conn: Any) -> None:
    if getattr(conn, "async_", 0):
        raise psycopg2.ProgrammingError(
            "connect returned an asynchronous connection, and the pool lends synchronous ones"
        )
    if conn.get_transaction_status() != TRANSACTION_STATUS_IDLE:
        raise psycopg2.ProgrammingError("connect returned a connection in a transaction")


def _check(state: State, task: Task) -> None:
    """Ping an idle connection."""
    if task.slot.ping(task.conn):
        state.finish(task, task.conn)
    else:
        state.replace(task)


def _close(state: State, task: Task, waits: bool) -> None:
    """Close a connection."""
    task.slot.close(task.conn, waits=waits)
    state.finish(task)
