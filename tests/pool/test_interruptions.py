"""The pool and its users' faults: leaks, forks, exceptions out of nowhere, and threads that die."""

import ctypes
import functools
import gc
import linecache
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import psycopg2
import pytest
from psycopg2.pool import PoolError

import polls.pool
from polls.pool import ConnectionPool, PoolClosed, PoolTimeout, checkout, keeper, ledger, renewal
from polls.pool.slot import Slot
from tests.support.paths import BASE_DIR
from tests.support.pool import Bolt, select, use_all
from tests.support.servers import in_thread, wait_until

POOL_FOLDER = str(Path(polls.pool.__file__).parent)


# Leaks


def test_a_connection_held_for_long_is_reported_once_with_its_place(make_pool, caplog):
    pool = make_pool(1, 1, leak_after=0.1)
    conn = pool.getconn()
    wait_until(lambda: pool.get_stats()["leaks"] == 1)
    wait_until(lambda: "is held by thread" in caplog.text)
    time.sleep(0.3)
    assert caplog.text.count("is held by thread") == 1
    assert f"{__file__}:" in caplog.text
    pool.putconn(conn)


def test_a_dropped_connection_comes_back_within_a_second_with_a_warning(make_pool, server, caplog):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    started = time.monotonic()
    del conn
    with pool.connection(timeout=5) as conn:
        assert select(conn) == 1
    assert time.monotonic() - started < 1
    assert "was dropped, not returned" in caplog.text
    assert f"{__file__}:" in caplog.text
    assert pool.get_stats()["leaks"] == 1
    assert len(server.backends(pool._options.name)) == 1


def test_a_connection_dropped_in_a_cycle_comes_back_when_it_is_collected(make_pool):
    class Holder:
        pass

    pool = make_pool(1, 1)
    holder = Holder()
    holder.itself, holder.conn = holder, pool.getconn()
    del holder
    gc.collect()
    with pool.connection(timeout=5):
        pass


def test_a_forgotten_pool_ends_its_thread_and_its_connections(server):
    pool = ConnectionPool(1, 1, server.dsn(), application_name="forgotten", name="forgotten", max_idle=0.1)
    with pool.connection():
        pass
    reference, thread = weakref.ref(pool), pool._keeper
    assert thread() is not None
    del pool
    gc.collect()
    wait_until(lambda: reference() is None)
    wait_until(lambda: server.backends("forgotten") == [])
    wait_until(lambda: thread() is None)


# Exceptions out of nowhere


def strike_at(nth, action):
    """Call `action`, and raise Bolt at the nth line it comes to in the pool's code. Whether there was such a line.

    Python raises asynchronous exceptions after a call or a jump back, so never between the body of a `with` and its
    __exit__; a tracer could, when it is told of the line of the `with` for the second time.
    """
    count, entered = 0, set()

    def trace(frame, event, arg):
        nonlocal count
        if not frame.f_code.co_filename.startswith(POOL_FOLDER):
            return None
        if event in ("line", "return"):
            if linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip().startswith("with "):
                place = (id(frame), frame.f_lineno)
                entered.symmetric_difference_update({place})
                if place not in entered:
                    return trace
            count += 1
            if count == nth:
                sys.settrace(None)
                raise Bolt
        return trace

    others = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except Bolt:
        pass
    finally:
        sys.settrace(others)
    return count >= nth


def borrow_and_return(pool):
    conn = pool.getconn(timeout=2)
    pool.putconn(conn)


def borrow_and_leave_a_transaction(pool):
    conn = pool.getconn(timeout=2)
    select(conn)
    pool.putconn(conn)


def borrow_in_a_block(pool):
    with pool.connection(timeout=2, autocommit=True):
        pass


def borrow_stale(pool):
    pool._idle[-1][1].due_ns = 0
    borrow_and_return(pool)


def borrow_first(pool):
    pool.drain()
    borrow_and_return(pool)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # from a line of a destructor
@pytest.mark.parametrize(
    "action", [borrow_and_return, borrow_and_leave_a_transaction, borrow_in_a_block, borrow_stale, borrow_first]
)
def test_an_exception_at_any_line_loses_no_slot_and_holds_no_lock(make_pool, action, caplog):
    pool = make_pool(2, 2)
    pool.open(wait=True)
    strikes = 0
    while strike_at(strikes + 1, functools.partial(action, pool)):
        strikes += 1
        assert not pool._lock.locked() or (pool._lock.acquire(timeout=1) and pool._lock.release() is None)
        use_all(pool)
        wait_until(lambda: pool.get_stats()["pool_available"] == 2)
    assert strikes > 20
    assert pool.get_stats()["requests_waiting"] == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # from a line of a destructor
def test_an_exception_at_any_line_of_a_renewal_loses_no_slot(make_pool, monkeypatch):
    """Renewals run in this thread, so that they can be traced; nobody else tends the pool."""
    inline = []
    monkeypatch.setattr(polls.pool.pool, "ensure_keeper", lambda pool: None)
    pool = make_pool(1, 1)
    strikes, struck = 0, True
    while struck:
        with monkeypatch.context() as patch:
            patch.setattr(renewal, "start_new_thread", lambda run, arguments: inline.append(run))
            pool._retire()
            keeper.tend(pool)
            struck = strike_at(strikes + 1, lambda: inline.pop()())
            inline.clear()
        strikes += struck
        wait_until(lambda: keeper.tend(pool) and pool.get_stats()["pool_available"] == 1)
        assert pool.get_stats()["pool_size"] == 1
    assert strikes > 30


def test_a_caller_struck_while_it_waits_leaves_the_queue(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    caller = in_thread(pool.getconn)
    wait_until(lambda: pool.get_stats()["requests_waiting"] == 1)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(caller.thread.ident), ctypes.py_object(Bolt))
    with pytest.raises(Bolt):
        caller.get()
    assert pool.get_stats()["requests_waiting"] == 0
    pool.putconn(conn)
    use_all(pool)


def test_a_caller_that_fell_out_of_the_queue_finds_its_way_back(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    caller = in_thread(pool.getconn)
    wait_until(lambda: pool.get_stats()["requests_waiting"] == 1)
    pool._queue.clear()  # as if an exception had struck whoever served it
    wait_until(lambda: pool.get_stats()["requests_waiting"] == 1)
    pool.putconn(conn)
    assert caller.get() is conn
    pool.putconn(conn)


def test_a_keeper_that_is_ended_comes_back_without_anybodys_help(make_pool):
    pool = make_pool(1, 2)
    with pool.connection():
        pass
    first = pool._keeper
    wait_until(lambda: first().thread)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(first().thread), ctypes.py_object(SystemExit))
    pool._wake.put(None)
    wait_until(lambda: pool._keeper is not first)
    conn = pool.getconn()
    del conn
    wait_until(lambda: pool.get_stats()["leaks"] == 1)
    use_all(pool)


def test_a_keeper_struck_before_its_first_line_keeps_nobody_waiting(make_pool, monkeypatch):
    monkeypatch.setattr(keeper, "start_new_thread", lambda run, arguments: None)
    pool = make_pool(1, 1)
    conn = pool.getconn(timeout=5)
    assert pool._keeper() is None
    monkeypatch.undo()
    del conn
    with pool.connection(timeout=5):
        assert pool._keeper() is not None


def test_of_two_keepers_started_at_once_one_goes(make_pool):
    pool = make_pool(1, 1)
    keeper.start_keeper(pool)
    first = pool._keeper
    keeper.start_keeper(pool)
    wait_until(lambda: first() is None)
    assert pool._keeper() is not None
    use_all(pool)


def test_a_keeper_whose_work_fails_says_so_and_goes_on(make_pool, monkeypatch, caplog):
    def tend(pool):
        monkeypatch.undo()
        raise ValueError("no tending")

    pool = make_pool(1, 1)
    with pool.connection():
        pass
    monkeypatch.setattr(keeper, "tend", tend)
    pool._wake.put(None)
    wait_until(lambda: "no tending" in caplog.text)
    conn = pool.getconn()
    del conn
    use_all(pool)


def test_a_caller_who_waits_does_the_work_of_a_keeper_that_is_dead(make_pool, monkeypatch):
    monkeypatch.setattr(checkout, "ensure_keeper", lambda pool: None)
    pool = make_pool(1, 1)
    conn = pool.getconn()
    del conn
    with pool.connection(timeout=2) as conn:
        assert select(conn) == 1
    assert pool._keeper() is None


def test_a_descriptor_that_cannot_be_had_is_tried_for_again(make_pool, monkeypatch):
    def dup(fd):
        monkeypatch.undo()
        raise OSError("too many open files")

    pool = make_pool(1, 1, max_use=0.1)
    conn = pool.getconn()
    monkeypatch.setattr("polls.pool.slot.os.dup", dup)
    with pytest.raises(psycopg2.DatabaseError):
        wait_until(lambda: time.sleep(0.05) or select(conn) != 1)
    pool.putconn(conn)


def test_a_descriptor_is_closed_once_though_there_is_no_other(monkeypatch):
    def dup(fd):
        raise OSError("too many open files")

    class Connection:
        def fileno(self):
            return 0

    slot = Slot()
    slot.fd = before = os.dup(0)
    monkeypatch.setattr("polls.pool.slot.os.dup", dup)
    with pytest.raises(OSError, match="too many"):
        slot.attach(Connection())
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(before)
    assert slot.fd == -1


# Forks


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


pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")


def test_a_forked_child_starts_empty_and_works(make_pool, server):
    pool = make_pool(2, 2)
    pool.open(wait=True)
    parents = server.backends(pool._options.name)

    def child():
        empty = pool.get_stats()["pool_size"]
        with pool.connection() as conn:
            pid = select(conn, "SELECT pg_backend_pid()")
        pool.close()
        return empty, pid

    empty, pid = in_child(child)
    assert empty == 0
    assert pid not in parents
    assert server.backends(pool._options.name) == parents
    use_all(pool)
    assert server.backends(pool._options.name) == parents


def test_a_child_forked_inside_a_block_leaves_the_parents_transaction_alone(make_pool, server):
    pool = make_pool(1, 1)
    with pool.connection(autocommit=True) as conn:
        conn.cursor().execute("CREATE TABLE forked (id int)")
    with pool.connection() as conn:
        conn.cursor().execute("INSERT INTO forked VALUES (1)")

        def child():
            loan = loans[0]
            loan.__exit__(None, None, None)
            with pool.connection() as mine:
                return select(mine, "SELECT count(*) FROM forked")

        loans = [polls.pool.checkout.Loan(pool, None, False)]
        loans[0]._conn = conn
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
        with pool._lock:
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


# The interpreter's end


@pytest.mark.parametrize("borrowed", [False, True])
def test_the_end_of_the_interpreter_is_not_delayed_and_silent(server, borrowed):
    program = f"""
from polls.pool import ConnectionPool
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


def test_a_key_or_a_dropped_handle_under_maxconn_one_is_no_deadlock(make_pool):
    pool = make_pool(1, 1, timeout=0.2)
    conn = pool.getconn("key")
    assert pool.getconn("key") is conn
    with pytest.raises(PoolError):
        pool.getconn("other")
    caller = in_thread(pool.getconn)
    with pytest.raises(PoolTimeout):
        caller.get()
    pool.putconn(conn)
    use_all(pool)


# Moments that cannot be waited for, arranged


def test_an_exception_between_taking_a_connection_and_giving_it_closes_it(make_pool):
    def strike(timeout):
        raise Bolt

    pool = make_pool(1, 1)
    with pool.connection():
        pass
    [(_, slot)] = pool._idle
    slot.poll = strike
    with pytest.raises(Bolt):
        pool.getconn()
    use_all(pool)
    assert slot not in pool._slots


def test_an_exception_inside_a_return_closes_the_connection(make_pool):
    def strike(conn):
        if conn is first:
            raise Bolt

    pool = make_pool(1, 1, reset=strike)
    for key in (None, "key"):
        first = pool.getconn(key)
        with pytest.raises(Bolt):
            pool.putconn(first)
        use_all(pool)


def test_a_caller_who_joins_as_the_connection_is_laid_down_is_served(make_pool):
    class Racing(list):
        def append(self, entry):
            callers.append(in_thread(pool.getconn))
            wait_until(lambda: pool.get_stats()["requests_waiting"] == 1)
            super().append(entry)

    callers = []
    pool = make_pool(1, 1)
    conn = pool.getconn()
    pool._idle = Racing()
    pool.putconn(conn)
    assert callers[0].get(1) is conn
    pool._idle = []
    pool.putconn(conn)


def test_a_key_is_served_from_the_idle(make_pool):
    pool = make_pool(1, 1)
    with pool.connection() as conn:
        pass
    assert pool.getconn("key") is conn
    pool.putconn(conn)


def test_a_stale_connection_in_hand_as_the_pool_closes_is_closed(make_pool):
    def poll(timeout):
        pool.close(0)
        return [(0, 0)]

    pool = make_pool(1, 1)
    with pool.connection():
        pass
    [(_, slot)] = pool._idle
    slot.poll = poll
    with pytest.raises(PoolClosed):
        pool.getconn()
    wait_until(lambda: pool.get_stats()["pool_size"] == 0)


def test_a_suspected_connection_that_is_dead_tells_nothing_new(make_pool, server):
    pool = make_pool(2, 2)
    pool.open(wait=True)
    (_, first), (_, second) = pool._idle
    first.due_ns = 0
    due = second.due_ns
    server.kill(first.pid)
    pool._wake.put(None)
    wait_until(lambda: pool.get_stats()["connections_lost"] == 1)
    assert second.due_ns == due


def test_a_connection_cut_while_it_is_pinged_is_not_lent(make_pool):
    pool = make_pool(1, 1)
    with pool.connection() as conn:
        pass
    [(_, slot)] = pool._idle
    poll, slot.due_ns = slot.poll, 0

    def cut_meanwhile(timeout):
        if slot.state == "checking":
            slot.state = "cut"
        return poll(timeout)

    slot.poll = cut_meanwhile
    with pool.connection() as other:
        assert other is not conn


def test_a_connection_that_does_not_close_is_given_up(make_pool, monkeypatch, server):
    allowed = threading.Event()

    class Stuck(psycopg2.extensions.connection):
        def close(self):
            allowed.wait(10)
            super().close()

    monkeypatch.setitem(keeper.LIMITS_NS, "closing", 100_000_000)
    pool = make_pool(1, 1, connection_factory=Stuck)
    conn = pool.getconn()
    pool.putconn(conn, close=True)
    with pool.connection() as other:
        assert other is not conn
        wait_until(lambda: len(server.backends(pool._options.name)) == 1)
    allowed.set()
    wait_until(lambda: conn.closed)
    use_all(pool)


def test_a_slot_is_given_up_while_the_server_is_down(make_pool, server):
    pool = make_pool(1, 1, timeout=0.2)
    conn = pool.getconn()
    server.stop()
    try:
        pool._down = True
        pool.putconn(conn, close=True)
        wait_until(lambda: pool.get_stats()["connections_errors"] > 0)
        assert pool._prober in pool._slots
    finally:
        server.start()
    use_all(pool)


def test_a_fork_leaves_the_books_of_the_parents_connections_behind(make_pool):
    """What a child does first, done here, where it can be watched."""
    pool = make_pool(1, 2)
    conn = pool.getconn()
    loan = pool.connection()
    loan._conn = conn
    select(conn)
    pool._after_fork()
    assert pool.get_stats()["pool_size"] == 0
    loan.__exit__(None, None, None)
    pool.putconn(conn)
    assert select(conn) == 1
    conn.close()
    with pytest.raises(PoolError):
        pool.putconn(psycopg2.connect(conn.dsn))


def test_every_pool_is_told_of_a_fork(monkeypatch):
    class Told:
        def _after_fork(self):
            told.append(self)

    told = []
    monkeypatch.setattr(ledger, "_ledgers", {Told()})
    ledger._after_fork_in_child()
    assert len(told) == 1


def test_a_keeper_struck_after_its_pool_is_forgotten_has_no_successor():
    class Struck:
        def get(self, timeout):
            raise Bolt

    pool = ConnectionPool(1, 1)
    orphan = keeper.Keeper(pool)
    orphan.wake = Struck()
    del pool
    gc.collect()
    orphan.run()


def test_a_slot_without_a_connection_has_no_owner_and_no_events():
    slot = Slot()
    assert slot.owner() is None
    assert slot.poll(0) == []


def test_an_exception_before_a_connection_is_taken_takes_none(make_pool):
    class Striking(list):
        def pop(self):
            raise Bolt

    pool = make_pool(1, 1)
    idle, pool._idle = pool._idle, Striking()
    with pytest.raises(Bolt):
        pool.getconn()
    pool._idle = idle
    use_all(pool)


def test_an_exception_after_a_connection_is_laid_down_leaves_it_there(make_pool, monkeypatch):
    def strike():
        pool.closed = False
        raise Bolt

    pool = make_pool(1, 1)
    conn = pool.getconn()
    monkeypatch.setattr(pool, "_settle", strike)
    pool.closed = True
    with pytest.raises(Bolt):
        pool.putconn(conn)
    assert pool.getconn() is conn
    pool.putconn(conn)


def test_a_connection_on_its_way_back_is_not_cut(make_pool):
    pool = make_pool(1, 1, max_use=0.05)
    conn = pool.getconn()
    slot = pool._out.pop(id(conn))  # as putconn does first
    time.sleep(0.06)
    keeper.tend(pool)
    assert select(conn) == 1
    conn.rollback()
    pool._out[id(conn)] = slot
    pool.putconn(conn)


def test_a_first_connection_to_a_server_that_was_down_is_the_probers(make_pool):
    pool = make_pool(1, 1)
    pool._down = True
    with pool.connection():
        assert not pool._down


def test_a_connection_that_looks_well_and_fails_its_ping_is_replaced(make_pool, server):
    pool = make_pool(1, 1)
    with pool.connection() as conn:
        pass
    [(_, slot)] = pool._idle
    slot.due_ns, slot.poll = 0, lambda timeout: []
    with pool._lock:  # keeps the keeper from finding it first
        server.kill(slot.pid)
        caller = in_thread(pool.getconn)
    other = caller.get()
    assert other is not conn
    pool.putconn(other)


def test_a_connection_that_is_gone_leaves_no_number_that_another_could_be_taken_for(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    assert pool._out
    del conn
    assert not pool._out
