"""Exceptions injected into one thread never close or break a connection of another."""

import contextlib
import ctypes
import sys
import threading
import time

import pytest

from polls.pool import ConnectionPool
from tests.support.pool import Bolt, select, use_all
from tests.support.servers import in_thread

inject = ctypes.pythonapi.PyThreadState_SetAsyncExc


@pytest.fixture
def quick_switches(monkeypatch):
    """Let threads take turns as often as they can. Exceptions that end a destructor or a thread are the test's own."""
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Injection:
    """A thread that borrows and returns until an exception is injected, and others that do it in peace."""

    def __init__(self, pool, others):
        self.pool = pool
        self.stop = threading.Event()
        self.injected = self.uses = 0
        self.findings = []
        self.target = in_thread(self.suffer)
        self.others = [in_thread(self.work) for _ in range(others)]

    def suffer(self):
        while not self.stop.is_set():
            with contextlib.suppress(Bolt):  # and with it the frames that hold a connection
                while not self.stop.is_set():
                    self.pool.putconn(self.pool.getconn())

    def work(self):
        try:
            while not self.stop.is_set():
                self.use()
        except Exception as error:
            self.findings.append(error)

    def use(self):
        conn = self.pool.getconn(timeout=10)
        pid = conn.info.backend_pid
        for _ in range(3):
            time.sleep(0)
            assert not conn.closed, "closed while in use"
        assert select(conn, "SELECT pg_backend_pid()") == pid
        conn.rollback()
        assert conn.info.backend_pid == pid
        self.pool.putconn(conn)
        self.uses += 1

    def run(self, seconds, most):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.injected < most and not self.findings:
            if not self.target.thread.is_alive():
                assert self.target.error is None or isinstance(self.target.error, Bolt), self.target.error
                self.target = in_thread(self.suffer)
            inject(ctypes.c_ulong(self.target.thread.ident), ctypes.py_object(Bolt))
            self.injected += 1
            time.sleep(0.0002)
        self.stop.set()
        for thread in self.others:
            thread.get()
        self.target.thread.join(10)
        assert not self.target.thread.is_alive(), "it hangs"


@pytest.mark.slow
@pytest.mark.skipif(
    sys.gettrace() is not None, reason="under a tracer, Python 3.11 stands still when exceptions are injected"
)
@pytest.mark.parametrize("others", [1, 3])
def test_exceptions_in_one_thread_leave_the_connections_of_others_alone(server, quick_switches, others):
    pool = ConnectionPool(2, others + 1, server.dsn(), leak_after=0)
    injection = Injection(pool, others)
    try:
        injection.run(seconds=6, most=8000)
        assert injection.findings == [], (injection.findings[:3], injection.injected, injection.uses)
        assert injection.uses > 100
        assert injection.injected > 500
        use_all(pool)
    finally:
        in_thread(pool.close, 1).get()
