"""The size changed under load."""

import threading

import pytest

from tests.support.pool import select
from tests.support.servers import in_thread, wait_until


@pytest.mark.parametrize("rows", [False, True], ids=["bare", "queries"])
def test_a_smaller_pool_gets_smaller_while_the_load_lasts(make_pool, server, rows):
    pool = make_pool(8, 8, timeout=10)
    pool.open(wait=True)
    stop, all_out = threading.Event(), threading.Barrier(8)

    def work():
        with pool.connection():
            all_out.wait(10)
        while not stop.is_set():
            with pool.connection(autocommit=True) as conn:
                if rows:
                    select(conn)

    workers = [in_thread(work) for _ in range(8)]
    try:
        wait_until(lambda: all_out.n_waiting == 0 and pool.get_stats()["requests_num"] > 50)
        assert len(server.backends(pool.name)) == 8
        pool.resize(1, 2)
        wait_until(lambda: len(server.backends(pool.name)) <= 2, 2)
        served = pool.get_stats()["requests_num"]
        wait_until(lambda: pool.get_stats()["requests_num"] > served + 50)
        assert len(server.backends(pool.name)) <= 2
    finally:
        stop.set()
        for worker in workers:
            worker.get()
