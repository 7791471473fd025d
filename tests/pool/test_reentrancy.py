"""The pool called from inside itself: by signal handlers, and by destructors that the collector runs at any moment."""

import pytest
from psycopg2.pool import PoolError

from tests.support.pool import select
from tests.support.programs import run_program
from tests.support.servers import wait_until

ASK = "lambda: (repr(pool), pool.status(), pool.get_stats())"


@pytest.mark.slow
def test_a_signal_handler_may_ask_the_pool_at_any_moment(server):
    program = f"""
        import signal, sys, time
        from polls.pool import ConnectionPool
        pool = ConnectionPool(1, 2, sys.argv[1])
        ask, asked = {ASK}, 0
        def handle(number, frame):
            global asked
            ask()
            asked += 1
            signal.setitimer(signal.ITIMER_REAL, 0.0003)
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.0003)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            conn = pool.getconn()
            pool.putconn(conn)
            conn = pool.getconn("key")
            conn.cursor().execute("SELECT 1")
            pool.putconn(conn, "key")
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        pool.close(0)
        print(asked)
    """
    assert int(run_program(program, server.dsn(), seconds=20)) > 1000


# A signal handler runs between any two instructions of the main thread. So does a function called by a tracer, which
# comes to every line, and so to each one with a lock held.
AT_EVERY_LINE = """
    import os, sys, threading
    import polls.pool
    from polls.pool import ConnectionPool

    FOLDER = os.path.dirname(polls.pool.__file__)

    def call_at_lines(action, nth=None):
        count = 0
        def trace(frame, event, argument):
            nonlocal count
            if not frame.f_code.co_filename.startswith(FOLDER):
                return None
            if event == "line":
                count += 1
                if nth is None or count == nth:
                    action()
            return trace
        def end():
            sys.settrace(None)
            return count
        sys.settrace(trace)
        return end

    def use(pool):
        conn = pool.getconn()
        pool.putconn(conn)
        conn = pool.getconn("key")
        conn.cursor().execute("SELECT 1")
        pool.putconn(conn, "key")
"""


def test_a_call_at_any_line_of_the_pool_is_answered(server):
    program = f"""{AT_EVERY_LINE}
    pool = ConnectionPool(1, 2, sys.argv[1])
    use(pool)
    end = call_at_lines({ASK})
    use(pool)
    for operation in (pool.status, pool.get_stats, pool.pop_stats, pool.get_waiters, pool.check, pool.drain):
        operation()
    pool.resize(1, 3)
    pool.close(0)
    print(end())
    """
    assert int(run_program(program, server.dsn())) > 20


@pytest.mark.slow
def test_a_signal_handler_may_close_the_pool_at_any_line(server):
    program = f"""{AT_EVERY_LINE}
    from psycopg2 import Error
    from psycopg2.pool import PoolError

    def interrupt(nth):
        pool = ConnectionPool(1, 1, sys.argv[1])
        use(pool)
        end = call_at_lines(lambda: pool.close(0), nth)
        try:
            use(pool)
        except (PoolError, Error):
            pass
        counts.append(end())
        assert nth > counts[-1] or pool.closed

    counts = []
    for first in range(1, 200, 20):
        threads = [threading.Thread(target=interrupt, args=(nth,)) for nth in range(first, first + 20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(counts) == 200
    """
    run_program(program, server.dsn(), seconds=60)


@pytest.mark.slow
def test_a_signal_handler_may_close_the_pool_at_any_moment(server):
    program = """
        import signal, sys, time
        from psycopg2 import Error
        from psycopg2.pool import PoolError
        from polls.pool import ConnectionPool
        def handle(number, frame):
            pool.close(0)
            signal.setitimer(signal.ITIMER_REAL, 0.0005)

        signal.signal(signal.SIGALRM, handle)
        for turn in range(20):
            pool = ConnectionPool(1, 2, sys.argv[1], reset=lambda conn: None)
            pool.open(wait=True)
            signal.setitimer(signal.ITIMER_REAL, 0.0005 + turn / 20000)
            try:
                while True:
                    pool.putconn(pool.getconn())
            except (PoolError, Error):
                signal.setitimer(signal.ITIMER_REAL, 0)
            assert pool.closed
    """
    run_program(program, server.dsn(), seconds=60)


# A connection that goes with its holder is garbage itself, which the pool may see first: then its return is refused.
HOLDER = """
    import gc

    sys.unraisablehook = lambda refused: refusals.append(repr(refused.exc_value))
    borrowed, refusals, returned = set(), [], 0

    class Holder:
        def __init__(self):
            self.conn = pool.getconn(timeout=10)
            self.me = self  # only the collector finds it
            if KEPT:
                borrowed.add(self.conn)

        def __del__(self):
            global returned
            returned += 1
            borrowed.discard(self.conn)
            pool.putconn(self.conn)

    def check():
        gc.collect()
        assert not (KEPT and refusals), refusals
        conns = [pool.getconn(timeout=5) for _ in range(pool.maxconn)]
        for conn in conns:
            pool.putconn(conn)
        pool.close(1)
        print(returned)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True], ids=["connection-goes-too", "connection-stays"])
def test_a_destructor_may_return_a_connection_at_any_moment(server, kept):
    program = f"""
    import sys, threading, time
    from polls.pool import ConnectionPool
    KEPT = {kept}
    {HOLDER.strip()}
    def work():
        while time.monotonic() < end:
            Holder()
            pool.get_stats(), pool.status(), repr(pool)
            conn = pool.getconn(timeout=10)
            conn.cursor().execute("SELECT 1")
            pool.putconn(conn)

    pool = ConnectionPool(2, 8, sys.argv[1], leak_after=0)
    end = time.monotonic() + 4
    gc.freeze()
    gc.set_threshold(1)
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check()
    """
    assert int(run_program(program, server.dsn(), seconds=30)) > 50


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True], ids=["connection-goes-too", "connection-stays"])
def test_a_destructor_may_return_a_connection_at_any_line(server, kept):
    program = f"""{AT_EVERY_LINE}
    KEPT = {kept}
    {HOLDER.strip()}
    def collect():
        if held:
            held.clear()
            gc.collect()

    gc.disable()
    pool = ConnectionPool(2, 2, sys.argv[1])
    pool.open(wait=True)
    use(pool)
    held, nth, lines = [], 0, 1
    while nth < lines:
        nth += 1
        held.append(Holder())
        end = call_at_lines(collect, nth)
        use(pool)
        pool.get_stats(), pool.status(), repr(pool)
        lines = end()
        collect()
    check()
    """
    assert int(run_program(program, server.dsn(), seconds=60)) > 20


def test_a_handler_that_interrupts_the_pool_waits_for_nothing(make_pool):
    pool = make_pool(1, 3)
    conn, keyed, idle = pool.getconn(), pool.getconn("key"), pool.getconn()
    select(conn)
    pool.putconn(idle)
    with pool._state.lock:  # as a handler that interrupts a method that has it
        with pytest.raises(PoolError, match="cannot wait"):
            pool.getconn("another key")
        pool.putconn(conn)
        pool.putconn(keyed)
        pool.check()
        assert pool.get_stats()["pool_available"] == 1
    wait_until(lambda: pool.get_stats()["pool_available"] == 3)
    with pool._state.lock:
        pool.close()
        assert pool.closed
    wait_until(lambda: pool.get_stats()["pool_size"] == 0)
