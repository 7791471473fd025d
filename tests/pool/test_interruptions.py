"""Exceptions at any line of the pool, in callers and workers: no slot is lost, and no lock stays held."""

import ast
import contextlib
import ctypes
import functools
import linecache
import sys
from pathlib import Path

import pytest

import polls.pool
from polls.pool import worker
from polls.pool.lock import Lock
from polls.pool.slot import CLOSING, Slot
from polls.pool.task import Task
from tests.support.pool import Bolt, select, use_all
from tests.support.servers import in_thread, wait_until

POOL_FOLDER = str(Path(polls.pool.__file__).parent)
TAKING = getattr(Lock.__enter__, "__code__", None)  # a function of Python where Python needs one


def interrupt_at(nth, action):
    """Call `action`, and raise Bolt at the nth line of the pool's code that it reaches. Return whether it reached one.

    Python raises asynchronous exceptions after a call or a jump back, so never between the body of a `with` and its
    __exit__; a tracer could, when it comes to the line of the `with` for the second time. The same is true of the lines
    with which a lock is taken.
    """
    count, entered = 0, set()

    def trace(frame, event, arg):
        nonlocal count
        if not frame.f_code.co_filename.startswith(POOL_FOLDER) or frame.f_code is TAKING:
            return None
        if event == "return":
            entered.difference_update({place for place in entered if place[0] == id(frame)})
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
    pool._state.idle[-1][1].due_ns = 0
    borrow_and_return(pool)


def borrow_first(pool):
    pool.drain()
    borrow_and_return(pool)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # raised in a destructor
@pytest.mark.parametrize(
    "action", [borrow_and_return, borrow_and_leave_a_transaction, borrow_in_a_block, borrow_stale, borrow_first]
)
def test_an_exception_at_any_line_loses_no_slot_and_holds_no_lock(make_pool, action, caplog):
    pool = make_pool(2, 2)
    pool.open(wait=True)
    interruptions = 0
    while interrupt_at(interruptions + 1, functools.partial(action, pool)):
        interruptions += 1
        assert in_thread(lambda: pool._state.lock.acquire(timeout=1) and pool._state.lock.release() is None).get()
        use_all(pool)
        wait_until(lambda: pool.get_stats()["pool_available"] == 2)
    assert interruptions > 20
    assert pool.get_stats()["requests_waiting"] == 0


def dismiss(workers):
    """End the threads of the workers: each gets a task that is given up already, and then finds itself dismissed."""
    idents = {member.ident for member in workers.members}
    for _ in range(len(workers.members)):
        workers.state.todo.put(Task(CLOSING, Slot()))
    workers.members.clear()
    wait_until(lambda: not idents & set(sys._current_frames()))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # raised in a destructor
def test_an_exception_at_any_line_of_a_task_loses_no_slot(make_pool, monkeypatch, caplog):
    """Tasks are carried out in this thread, where they can be traced."""
    pool = make_pool(1, 1)
    pool.open(wait=True)
    state, interruptions, interrupted = pool._state, 0, True
    while interrupted:
        with monkeypatch.context() as patch:
            patch.setattr(worker.Workers, "ensure", lambda workers: None)
            dismiss(pool._workers)
            state.retire()
            pool._keeper.maintain()
            count = interruptions + 1

            def carry_out():
                while state.todo.qsize():
                    worker.carry_out(state, state.todo.get())

            interrupted = interrupt_at(count, carry_out)
        interruptions += interrupted
        assert not state.is_inside()
        pool._keeper.maintain()
        wait_until(lambda: pool.get_stats()["pool_available"] == 1)
        assert pool.get_stats()["pool_size"] == 1
    assert interruptions > 30


LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp)


def test_no_loop_is_in_the_body_of_a_with_that_takes_the_lock():
    """Since Python 3.13 an exception raised as a loop begins again may pass the `with` around it."""
    blocks = 0
    for module in Path(POOL_FOLDER).glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.With) and "lock" in ast.unparse(node.items[0]):
                blocks += 1
                loops = [inner.lineno for inner in ast.walk(node) if isinstance(inner, LOOPS)]
                assert not loops, f"{module.name}:{loops[0]}"
    assert blocks > 20


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
    pool._state.queue.clear()  # as if an exception had interrupted the thread that served it
    wait_until(lambda: pool.get_stats()["requests_waiting"] == 1)
    pool.putconn(conn)
    assert caller.get() is conn
    pool.putconn(conn)


def test_an_exception_between_taking_a_connection_and_giving_it_closes_it(make_pool):
    def interrupt(timeout):
        raise Bolt

    pool = make_pool(1, 1)
    with pool.connection():
        pass
    [(_, slot)] = pool._state.idle
    slot.poll = interrupt
    with pytest.raises(Bolt):
        pool.getconn()
    use_all(pool)
    assert slot not in pool._state.slots


def test_a_caller_that_stalls_as_it_takes_a_connection_gets_no_closed_one(make_pool):
    def stall(timeout):
        slot.poll = poll
        wait_until(lambda: slot not in pool._state.slots)  # the keeper took it for lost
        return []

    pool = make_pool(1, 1)
    with pool.connection():
        pass
    [(_, slot)] = pool._state.idle
    poll, slot.poll = slot.poll, stall
    with pool.connection() as conn:
        assert select(conn) == 1
    assert pool.get_stats()["pool_size"] == 1


def test_an_exception_inside_a_return_closes_the_connection(make_pool):
    def interrupt(conn):
        if conn is first:
            raise Bolt

    pool = make_pool(1, 1, reset=interrupt)
    for key in (None, "key"):
        first = pool.getconn(key)
        with pytest.raises(Bolt):
            pool.putconn(first)
        use_all(pool)


def test_an_exception_before_a_connection_is_taken_takes_none(make_pool):
    class Interrupting(list):
        def pop(self):
            raise Bolt

    pool = make_pool(1, 1)
    idle, pool._state.idle = pool._state.idle, Interrupting()
    with pytest.raises(Bolt):
        pool.getconn()
    pool._state.idle = idle
    use_all(pool)


def test_an_exception_after_a_connection_is_laid_down_leaves_it_there(make_pool, monkeypatch):
    def interrupt():
        pool._state.closed = False
        raise Bolt

    pool = make_pool(1, 1)
    conn = pool.getconn()
    monkeypatch.setattr(pool._state, "serve_queue", interrupt)
    pool._state.closed = True
    with pytest.raises(Bolt):
        pool.putconn(conn)
    assert pool.getconn() is conn
    pool.putconn(conn)


def test_a_connection_that_goes_with_the_exception_before_its_first_use_is_no_leak(make_pool):
    def interrupt(timeout):
        raise Bolt

    pool = make_pool(1, 1)
    pool.open(wait=True)
    [slot] = pool._state.slots
    slot.poll = interrupt
    with contextlib.suppress(Bolt):  # and with it the frames that hold the connection
        pool.getconn()
    use_all(pool)
    assert slot not in pool._state.slots
    assert pool.get_stats()["leaks"] == 0


def test_a_return_whose_thread_does_something_else_ends(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    state = pool._state
    state.begin_return(conn, state.lent.pop(id(conn)), interrupt_at.__code__)  # as if it had left that function
    use_all(pool)
    wait_until(lambda: conn.closed)
