"""The pool in forked children, and at the end of the interpreter."""

import os
import pickle
import subprocess
import sys
import threading
import time

import psycopg2
import pytest
from psycopg2.pool import PoolError

import polls.pool.pool
from tests.support.paths import BASE_DIR
from tests.support.pool import select, use_all
from tests.support.servers import in_thread, wait_until

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")


def in_child(function):
    """Call a function in a forked child, and return what it returned."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = function()
        except BaseException as error:
            answer = repr(error)
        os.write(writer, pickle.dumps(answer))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(pid, 0)
    return pickle.loads(answer)


def test_a_forked_child_starts_empty_and_works(make_pool, server):
    pool = make_pool(2, 2)
    pool.open(wait=True)
    parents = server.backends(pool.name)

    def child():
        empty = pool.get_stats()["pool_size"]
        with pool.connection() as conn:
            pid = select(conn, "SELECT pg_backend_pid()")
        pool.close()
        return empty, pid

    empty, pid = in_child(child)
    assert empty == 0
    assert pid not in parents
    assert server.backends(pool.name) == parents
    use_all(pool)
    assert server.backends(pool.name) == parents


def test_a_child_forked_inside_a_block_leaves_the_parents_transaction_alone(make_pool, server):
    pool = make_pool(1, 1)
    with pool.connection(autocommit=True) as conn:
        conn.cursor().execute("CREATE TABLE forked (id int)")
    with pool.connection() as conn:
        conn.cursor().execute("INSERT INTO forked VALUES (1)")

        def child():
            lease.__exit__(None, None, None)
            with pool.connection() as mine:
                return select(mine, "SELECT count(*) FROM forked")

        lease = pool.connection()
        lease._conn = conn
        assert in_child(child) == 0
        assert select(conn, "SELECT count(*) FROM forked") == 1
    with pool.connection() as conn:
        assert select(conn, "SELECT count(*) FROM forked") == 1
        conn.cursor().execute("DROP TABLE forked")


def test_a_child_may_return_what_it_inherited_and_nothing_happens(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    select(conn)
    assert in_child(lambda: pool.putconn(conn)) is None
    assert in_child(lambda: in_child(lambda: pool.putconn(conn))) is None
    assert select(conn) == 1
    pool.putconn(conn)


def test_a_lock_held_at_the_moment_of_the_fork_does_not_stop_the_child(make_pool):
    pool = make_pool(1, 1)
    with pool.connection():
        pass
    held, done = threading.Event(), threading.Event()

    def hold():
        with pool._state.lock:
            held.set()
            done.wait()

    holder = in_thread(hold)
    held.wait()

    def child():
        with pool.connection(timeout=2) as conn:
            return select(conn)

    answer = in_child(child)
    done.set()
    holder.get()
    assert answer == 1


def test_a_child_of_a_closed_pool_has_a_closed_pool(make_pool):
    pool = make_pool(1, 1)
    pool.close()
    assert "PoolClosed" in in_child(pool.getconn)


@pytest.mark.parametrize("borrowed", [False, True])
def test_the_end_of_the_interpreter_is_not_delayed_and_silent(server, borrowed):
    program = f"""
from {polls.pool.__name__} import ConnectionPool
pool = ConnectionPool(2, 4, {server.dsn()!r})
pool.open(wait=True)
conn = pool.getconn()
if not {borrowed}:
    pool.putconn(conn)
import time; print(time.time())
"""
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=BASE_DIR,
    )
    assert time.time() - float(run.stdout) < 2
    assert run.stderr == ""


def test_a_fork_leaves_the_books_of_the_parents_connections_behind(make_pool, server):
    """The first thing that a child does, called in this process, where the test sees its effect."""
    pool = make_pool(1, 2)
    conn = pool.getconn()
    lease = pool.connection()
    lease._conn = conn
    select(conn)
    pool._after_fork()
    assert pool.get_stats()["pool_size"] == 0
    lease.__exit__(None, None, None)
    pool.putconn(conn)
    with pytest.raises(psycopg2.DatabaseError):
        select(conn)  # its socket is the parent's alone
    with pytest.raises(PoolError):
        pool.putconn(psycopg2.connect(server.dsn()))


def test_every_pool_is_told_of_a_fork(monkeypatch):
    class Told:
        def _after_fork(self):
            told.append(self)

    told = []
    monkeypatch.setattr(polls.pool.pool, "_pools", {Told()})
    polls.pool.pool._after_fork_in_child()
    assert len(told) == 1


def test_a_child_forked_while_a_connection_is_made_starts_empty_and_works(make_pool):
    parent, allowed = os.getpid(), threading.Event()

    def connect(*arguments, **options):
        assert os.getpid() != parent or allowed.wait(10)
        return psycopg2.connect(*arguments, **options)

    def child():
        empty = pool.get_stats()["pool_size"]
        with pytest.raises(PoolError):
            pool.putconn(None)  # which the slot had for a connection
        with pool.connection(timeout=5) as conn:
            return empty, select(conn)

    pool = make_pool(0, 1, connect=connect)
    caller = in_thread(pool.getconn)
    wait_until(lambda: pool.get_stats()["pool_size"] == 1)
    assert in_child(child) == (0, 1)
    allowed.set()
    pool.putconn(caller.get())
