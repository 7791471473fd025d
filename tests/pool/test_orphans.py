"""Forked children whose parent is killed: its sessions end, although the children live."""

import os
import signal

import pytest

from tests.support.programs import start_program
from tests.support.servers import wait_until


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("uses", [False, True], ids=["idle-child", "child-with-a-pool"])
def test_sessions_of_a_killed_parent_end_while_its_child_lives(server, tcp, uses):
    program = f"""
        import os, signal, sys
        from polls.pool import ConnectionPool

        def select(conn):
            with conn.cursor() as cursor:
                cursor.execute("SELECT 1")

        pool = ConnectionPool(0, 3, sys.argv[1], application_name="parent")
        held, idle, keyed = pool.getconn(), pool.getconn(), pool.getconn("key")
        pool.putconn(idle)
        select(held)
        pid = os.fork()
        if pid == 0:
            if {uses}:
                conn = pool.getconn()
                cursor = conn.cursor()
                cursor.execute("SET application_name = 'child'")
                conn.commit()
            print(os.getpid())
            signal.pause()
        select(held)
        select(keyed)
        os.waitpid(pid, 0)
    """
    child = None
    process = start_program(program, server.dsn(tcp=tcp))
    try:
        child = int(process.stdout.readline())
        assert len(server.backends("parent")) == 3
        process.kill()
        process.wait(10)
        os.kill(child, 0)  # it lives
        wait_until(lambda: server.backends("parent") == [], 5)
        os.kill(child, 0)
        assert len(server.backends("child")) == uses
    finally:
        process.kill()
        if child is not None:
            os.kill(child, signal.SIGKILL)
        process.communicate()
    wait_until(lambda: server.backends("parent") == [])
