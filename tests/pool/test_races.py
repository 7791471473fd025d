"""Races of callers, returns, pings and closing in the pool, arranged where no test can wait for them."""

import os
import time

import psycopg2
import pytest

from polls.pool import PoolClosed, worker
from polls.pool.slot import Slot
from tests.support.pool import select
from tests.support.servers import in_thread, wait_until


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
        slot.attach(Connection(), print)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(before)
    assert slot.fd == -1


def test_a_caller_who_joins_as_the_connection_is_laid_down_is_served(make_pool):
    class Racing(list):
        def append(self, entry):
            callers.append(in_thread(pool.getconn))
            wait_until(lambda: pool.get_stats()["requests_waiting"] == 1)
            super().append(entry)

    callers = []
    pool = make_pool(1, 1)
    conn = pool.getconn()
    pool._state.idle = Racing()
    pool.putconn(conn)
    assert callers[0].get(1) is conn
    pool._state.idle = []
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
    [(_, slot)] = pool._state.idle
    slot.poll = poll
    with pytest.raises(PoolClosed):
        pool.getconn()
    wait_until(lambda: pool.get_stats()["pool_size"] == 0)


def test_a_connection_cut_while_it_is_pinged_is_not_lent(make_pool):
    pool = make_pool(1, 1)
    with pool.connection() as conn:
        pass
    [(_, slot)] = pool._state.idle
    poll, slot.due_ns = slot.poll, 0

    def cut_meanwhile(timeout):
        if slot.state == "checking":
            with pool._state.lock:
                slot.task.deadline_ns = 0
            pool._keeper.maintain()
        return poll(timeout)

    slot.poll = cut_meanwhile
    with pool.connection() as other:
        assert other is not conn


def test_a_slot_without_a_connection_has_no_owner_and_no_events():
    slot = Slot()
    assert slot.conn() is None
    assert slot.poll(0) == []


def test_a_connection_that_looks_well_and_fails_its_ping_is_replaced(make_pool, server):
    pool = make_pool(1, 1)
    with pool.connection() as conn:
        pass
    [(_, slot)] = pool._state.idle
    slot.due_ns, slot.poll = 0, lambda timeout: []
    with pool._state.lock:  # so that the keeper does not find it first
        server.kill(slot.pid)
        caller = in_thread(pool.getconn)
    other = caller.get()
    assert other is not conn
    pool.putconn(other)


def test_a_task_left_over_when_the_pool_is_closed_starts_no_thread(make_pool, monkeypatch):
    def give_twice(state, task, **options):
        state.maintain()  # the worker has taken the task and not begun it, so it is given to the workers again
        carry_out(state, task, **options)

    def count(*arguments):
        started.append(arguments)
        return start_thread(*arguments)

    carry_out, start_thread, started = worker.carry_out, worker.start_thread, []
    pool = make_pool(1, 1)
    with pool.connection():
        pass
    wait_until(lambda: not any(member.is_busy for member in pool._workers.members))
    monkeypatch.setattr(worker, "carry_out", give_twice)
    monkeypatch.setattr(worker, "start_thread", count)
    pool.close(1)
    time.sleep(0.1)
    assert len(started) <= worker.WORKERS
