"""The pool where no thread can be started: at a limit of the system, and at the end of the interpreter."""

import pytest

from tests.support.ports import free_port
from tests.support.programs import run_program

NO_THREADS = """
    import _thread, atexit, sys, threading, time
    import psycopg2

    refused = False

    def refusing(function):
        def start(*arguments, **options):
            if refused:
                raise RuntimeError("can't start new thread")
            return function(*arguments, **options)
        return start

    def refuse_threads():
        global refused
        refused = True

    for module, name in (
        (_thread, "start_new_thread"), (_thread, "start_joinable_thread"), (threading, "_start_new_thread"),
        (threading, "_start_joinable_thread"), (threading.Thread, "start"),
    ):
        if hasattr(module, name):
            setattr(module, name, refusing(getattr(module, name)))

    def seconds(function, *arguments, **options):
        started = time.monotonic()
        function(*arguments, **options)
        return time.monotonic() - started
"""


def test_a_checkout_ends_at_its_deadline_while_the_server_is_down(server):
    program = f"""{NO_THREADS}
    refuse_threads()
    from polls.pool import ConnectionPool, PoolTimeout

    def ask():
        try:
            pool.getconn(timeout=1)
        except PoolTimeout as error:
            assert "refused" in str(error), error
        else:
            raise AssertionError("a connection to nowhere")

    pool = ConnectionPool(1, 2, sys.argv[1])
    for _ in range(2):
        print(seconds(ask))
    print(seconds(pool.close, timeout=0))
    """
    first, second, closing = map(float, run_program(program, server.dsn(port=free_port()), seconds=12).split())
    assert first < 2.5
    assert second < 2.5
    assert closing < 1


def test_the_pool_serves_without_threads_while_the_server_is_up(server):
    program = f"""{NO_THREADS}
    refuse_threads()
    from polls.pool import ConnectionPool
    pool = ConnectionPool(1, 2, sys.argv[1])
    for _ in range(20):
        with pool.connection(timeout=2) as conn, conn.cursor() as cursor:
            cursor.execute("SELECT 1")
    print(seconds(pool.close, timeout=0))
    """
    assert float(run_program(program, server.dsn(), seconds=12)) < 1


CLOSE = f"""{NO_THREADS}
    from tests.support.proxy import Proxy
    from polls.pool import ConnectionPool
    proxy = Proxy(int(sys.argv[1])).__enter__()
    pool = ConnectionPool(5, 5, host="127.0.0.1", port=proxy.port, user="postgres", dbname="postgres")
    pool.open(wait=True)

    def close():
        refuse_threads()
        print(seconds(pool.close, timeout=0))
"""


@pytest.mark.parametrize("borrowed", [False, True], ids=["idle", "borrowed"])
@pytest.mark.parametrize("silent", [False, True], ids=["up", "silent"])
@pytest.mark.parametrize("at_exit", [False, True], ids=["now", "at-exit"])
def test_close_returns_at_once(server, borrowed, silent, at_exit):
    program = f"""{CLOSE}
    if {borrowed}:
        conn = pool.getconn()
        conn.cursor().execute("SELECT 1")
    if {silent}:
        proxy.swallowing.set()
    if {at_exit}:
        atexit.register(close)
    else:
        close()
    """
    assert float(run_program(program, server.port, seconds=15)) < 1


def test_close_at_exit_returns_at_once_while_a_connect_is_under_way(server):
    program = f"""{NO_THREADS}
    from tests.support.proxy import Proxy
    from polls.pool import ConnectionPool, PoolTimeout
    proxy = Proxy(int(sys.argv[1])).__enter__()
    proxy.swallowing.set()
    pool = ConnectionPool(2, 2, host="127.0.0.1", port=proxy.port, user="postgres", dbname="postgres")
    try:
        pool.getconn(timeout=0.2)
    except PoolTimeout:
        pass

    @atexit.register
    def close():
        refuse_threads()
        print(seconds(pool.close, timeout=0))
    """
    assert float(run_program(program, server.port, seconds=12)) < 1
