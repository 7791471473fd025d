"""The pool in chaos: sixteen threads under kills, exceptions at any line, dropped handles, forks and restarts.

POOL_CHAOS_SECONDS sets how long it runs (20), POOL_CHAOS_SEED repeats a run as far as threads allow.
"""

import contextlib
import ctypes
import faulthandler
import gc
import logging
import os
import random
import signal
import sys
import threading
import time
import traceback

import psycopg2
import pytest

from polls.pool import ConnectionPool, PoolTimeout
from tests.support.pool import Bolt
from tests.support.servers import in_thread, wait_until

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded, use of fork:DeprecationWarning",
)

SECONDS = float(os.environ.get("POOL_CHAOS_SECONDS", "20"))
SEED = int(os.environ.get("POOL_CHAOS_SEED") or random.randrange(2**32))
THREADS, MAXCONN, TIMEOUT, GRACE = 16, 4, 2.0, 1.0
ROLE = "chaos"


class Chaos:
    def __init__(self, server):
        self.server = server
        self.parent = os.getpid()
        self.pool = ConnectionPool(
            1, MAXCONN, connect=self.connect, timeout=TIMEOUT, max_idle=0.5, max_lifetime=3, name=ROLE
        )
        self.stop = threading.Event()
        self.findings = []
        self.counts = dict.fromkeys(
            ("operations", "errors", "timeouts", "bolts", "kills", "drops", "forks", "restarts"), 0
        )

    def connect(self):
        """Connect as a role that may have maxconn connections: the server refuses one more, which is a finding."""
        role = ROLE if os.getpid() == self.parent else "postgres"
        try:
            return psycopg2.connect(self.server.dsn(), user=role, application_name=role)
        except psycopg2.OperationalError as error:
            if "too many connections" in str(error):
                self.findings.append(f"more than maxconn: {error}")
            raise

    def work(self, seed):
        """Borrow in every way until `stop` is set; bolts are raised here."""
        chance = random.Random(seed)
        while not self.stop.is_set():
            with contextlib.suppress(Bolt):  # raised while an expected exception is handled
                while not self.stop.is_set():
                    with self.expected():
                        self.operate(chance)

    @contextlib.contextmanager
    def expected(self):
        """Count the errors that are allowed, and note the others as findings."""
        try:
            yield
        except Bolt:
            self.counts["bolts"] += 1
        except PoolTimeout:
            self.counts["timeouts"] += 1
        except psycopg2.Error:
            self.counts["errors"] += 1
        except Exception:
            self.findings.append(traceback.format_exc())

    def operate(self, chance):
        started = time.monotonic()
        timeout = chance.choice((0.05, 0.5, TIMEOUT))
        try:
            how = chance.random()
            if how < 0.7:
                loan = self.pool.connection(timeout=timeout, autocommit=how < 0.5)
                with loan as conn:
                    self.check_wait(started, timeout)
                    self.query(conn, chance)
            elif how < 0.98:
                conn = self.pool.getconn(timeout=timeout)
                self.check_wait(started, timeout)
                try:
                    self.query(conn, chance)
                finally:
                    self.pool.putconn(conn, close=how > 0.95)
            else:
                conn = self.pool.getconn(timeout=timeout)
                self.counts["drops"] += 1
        except PoolTimeout:
            self.check_wait(started, timeout)
            raise
        finally:
            conn = None
        self.counts["operations"] += 1

    def check_wait(self, started, timeout):
        waited = time.monotonic() - started
        if waited > timeout + GRACE:
            self.findings.append(f"waited {waited:.2f} s, allowed {timeout:.2f} s")

    def query(self, conn, chance):
        with conn.cursor() as cursor:
            cursor.execute("SELECT 1" if chance.random() < 0.9 else "SELECT pg_sleep(0.01)")
            cursor.fetchone()

    def kill(self, chance):
        self.counts["kills"] += 1
        statement = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s ORDER BY random() LIMIT 1"
        )
        self.server.run(statement, ROLE)

    def bolt(self, chance, workers):
        victims = [worker.ident for worker in workers]
        if chance.random() < 0.1:
            victims += [worker.ident for worker in list(self.pool._workers.members) if worker.ident]
            victims += [self.pool._keeper.ident] * (self.pool._keeper.ident > 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(chance.choice(victims)), ctypes.py_object(Bolt))

    def fork(self):
        self.counts["forks"] += 1
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)  # ends a child that hangs, which is a finding
            answers = []
            for _ in range(5):  # a restart may end a query in flight
                with contextlib.suppress(psycopg2.Error), self.pool.connection(timeout=4) as conn:
                    answers.append(self.query(conn, random.Random(1)))
            os._exit(not answers)
        return pid

    def restart(self):
        self.counts["restarts"] += 1
        self.server.restart()


@pytest.mark.slow
@pytest.mark.skipif(
    sys.gettrace() is not None, reason="under a tracer, Python 3.11 stands still when exceptions are injected"
)
@pytest.mark.usefixtures("private_server")
def test_chaos_loses_no_slot_exceeds_no_limit_and_stops_nobody(server, monkeypatch):
    print(f"POOL_CHAOS_SEED={SEED}")  # noqa: T201
    monkeypatch.setattr(logging.getLogger("polls.pool"), "disabled", True)
    # pytest would keep exceptions of threads and destructors, with the variables of their frames.
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    monkeypatch.setattr(sys, "unraisablehook", lambda arguments: None)
    chance = random.Random(SEED)
    with contextlib.closing(psycopg2.connect(server.dsn())) as admin:
        admin.autocommit = True
        admin.cursor().execute(f"DROP ROLE IF EXISTS {ROLE}; CREATE ROLE {ROLE} LOGIN CONNECTION LIMIT {MAXCONN}")
    chaos = Chaos(server)
    workers = [threading.Thread(target=chaos.work, args=(chance.random(),), daemon=True) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    children = []
    end, next_restart = time.monotonic() + SECONDS, time.monotonic() + 5
    while time.monotonic() < end:
        time.sleep(chance.uniform(0, 0.02))
        what = chance.random()
        if time.monotonic() > next_restart:
            chaos.restart()
            next_restart = time.monotonic() + chance.uniform(4, 8)
        elif what < 0.1:
            chaos.kill(chance)
        elif what < 0.13 and len(children) < 3:
            children.append(chaos.fork())
        else:
            chaos.bolt(chance, workers)
        for child in children[:]:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                children.remove(child)
                if status:
                    chaos.findings.append(f"a forked child ended with {status}")
    chaos.stop.set()
    for worker in workers:
        worker.join(TIMEOUT + 3)
    stuck = [worker for worker in workers if worker.is_alive()]
    for child in children:
        os.waitpid(child, 0)
    print(chaos.counts, chaos.pool.get_stats())  # noqa: T201
    if stuck:
        faulthandler.dump_traceback(all_threads=True)
    assert not stuck
    assert not chaos.findings, chaos.findings[0]

    gc.collect()  # a connection in a cycle of frames that an exception left returns when that is collected
    conns = [chaos.pool.getconn(timeout=5) for _ in range(MAXCONN)]
    for conn in conns:
        chaos.pool.putconn(conn)
    stats = chaos.pool.get_stats()
    lock = chaos.pool._state.lock
    is_free = in_thread(lambda: lock.acquire(timeout=1) and lock.release() is None).get()
    assert (stats["requests_waiting"], is_free) == (0, True)
    wait_until(lambda: chaos.pool.get_stats()["pool_size"] == chaos.pool.get_stats()["pool_available"] <= MAXCONN)
    chaos.pool.close()
    wait_until(lambda: chaos.pool.get_stats()["pool_size"] == 0)
