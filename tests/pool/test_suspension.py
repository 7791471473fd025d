"""Time in which the process did not run: it is not the borrower's."""

import os
import signal
import time

import pytest

from tests.support.programs import start_program
from tests.support.servers import wait_until


@pytest.mark.slow
def test_a_connection_is_not_cut_for_the_time_in_which_the_process_was_stopped(server):
    program = """
        import sys, time
        from polls.pool import ConnectionPool
        pool = ConnectionPool(1, 1, sys.argv[1], max_use=2)
        conn = pool.getconn()
        time.sleep(0.5)
        print("held")
        sys.stdin.readline()
        cursor = conn.cursor()
        cursor.execute("SELECT 'alive'")
        print(cursor.fetchone()[0])
        print(pool.status()[0]["state"])
        pool.putconn(conn)
        pool.close(0)
    """
    with start_program(program, server.dsn()) as process:
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        time.sleep(2.5)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.6)  # the pool looks around at least this often
        answer, _ = process.communicate("now\n", timeout=30)
    assert answer == "alive\nin use\n"


def test_time_in_which_the_process_was_stopped_counts_for_no_borrower_and_no_task(make_pool):
    pool = make_pool(2, 2, max_use=60)
    pool.open(wait=True)
    conn, state = pool.getconn(), pool._state
    with state.lock:  # so that the keeper does not look meanwhile
        [slot] = [slot for slot in state.slots if slot.conn() is conn]
        [checked] = state.check_idle()
        slot.since_ns -= 70 * 10**9
        checked.task.deadline_ns = time.monotonic_ns() - 10**9
        assert state.maintain(stalled_ns=20 * 10**9).cut == []
    pool.putconn(conn)
    pool._workers.ensure()
    wait_until(lambda: pool.get_stats()["pool_available"] == 2)
