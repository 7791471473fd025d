"""The site under load, and the folder in which its processes publish the state of their pools."""

import contextlib
import http.client
import threading

import pytest

from polls.monitoring import processes
from tests.support.site import Browser


@pytest.fixture
def state_folder(tmp_path):
    """A folder for POOL_STATE_DIR, not made yet."""
    return tmp_path / "pools"


@contextlib.contextmanager
def load(address, clients=8):
    """Clients that ask for the front page as fast as they can."""
    ended = threading.Event()

    def ask():
        while not ended.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):  # a worker may be killed as it answers
                Browser(address).get("/")

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def front_page_stuck(conn, sql):
    """Lock the polls: a request for the front page holds a connection of the pool, and waits."""
    conn.autocommit = False
    sql("LOCK TABLE polls_poll IN ACCESS EXCLUSIVE MODE")
    try:
        yield
    finally:
        conn.rollback()
        conn.autocommit = True


def both_workers(folder):
    """The published states of both workers, or None while there are not two."""
    found = processes.read(folder)
    return found if len(found) == 2 else None
