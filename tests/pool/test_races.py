"""Races of callers, returns, pings and closing in the pool, arranged where no test can wait for them."""

import os
import time

import psycopg2
import pytest

from polls.pool import PoolClosed, worker
from polls.pool.slot import Slot
from tests.support.pool import select, use_all
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


def take_for_lost(pool):
    """Let the keeper find every connection that is in no one's hands, as if it had been so for long."""
    with pool._state.lock:
        for slot in pool._state.slots:
            slot.since_ns -= 10**9
        for _ in range(2):
            pool._state.maintain()


@pytest.mark.parametrize("closed", [False, True], ids=["to-be-closed", "closed"])
@pytest.mark.parametrize("events", [[], [(0, 0)]], ids=["fresh", "stale"])
def test_a_connection_taken_for_lost_on_its_way_to_a_caller_is_not_lent(make_pool, events, closed):
    def poll(timeout):
        if not polled:
            polled.append(timeout)
            take_for_lost(pool)
            if closed:
                pool._workers.ensure()
                wait_until(lambda: slot not in pool._state.slots)
        return events

    polled = []
    pool = make_pool(1, 1)
    with pool.connection() as conn:
        pass
    [(_, slot)] = pool._state.idle
    slot.poll = poll
    with pool.connection() as other:
        assert other is not conn
    stats = pool.get_stats()
    assert stats["pool_size"] == 1
    assert stats["requests_num"] == 2 or not closed  # of the lost one a use may be counted that was none


def test_a_connection_taken_for_lost_on_its_way_back_is_closed(make_pool):
    class Slow(psycopg2.extensions.connection):
        def get_transaction_status(self):
            if self in returned:
                returned.clear()
                take_for_lost(pool)
            return super().get_transaction_status()

    returned = []
    pool = make_pool(1, 1, connection_factory=Slow)
    conn = pool.getconn()
    select(conn)
    returned.append(conn)
    pool.putconn(conn)
    with pool.connection() as other:
        assert other is not conn


def test_a_connection_taken_for_lost_as_it_is_laid_down_is_not_idle(make_pool):
    pool = make_pool(1, 1)
    conn = pool.getconn()
    slot = pool._state.lent.pop(id(conn))
    with pool._state.lock:
        take_for_lost(pool)
        pool._state.idle.append((conn, slot))  # the last line of its return
        pool._state.maintain()
        assert pool._state.idle == []
    use_all(pool)
    assert conn.closed


def test_a_connection_lent_as_it_is_taken_for_lost_stays(make_pool):
    class Late(dict):
        def get(self, number):
            asked.append(number)
            return super().get(number) if len(asked) > 2 else None

    asked = []
    pool = make_pool(1, 1)
    conn = pool.getconn()
    lent = pool._state.lent
    with pool._state.lock:  # so that the keeper does not look meanwhile
        pool._state.lent = Late(lent)
        take_for_lost(pool)
        pool._state.lent = lent
    assert len(asked) == 3
    assert select(conn) == 1
    conn.rollback()
    pool.putconn(conn)
    assert pool.getconn() is conn
    pool.putconn(conn)


def test_an_idle_connection_that_is_taken_as_the_keeper_closes_it_stays(make_pool):
    class Racing(list):
        def remove(self, entry):
            taken.append(self.pop())
            super().remove(entry)

    taken = []
    pool = make_pool(1, 1)
    with pool.connection() as conn:
        pass
    state = pool._state
    with state.lock:
        state.idle = Racing(state.idle)
        state.retire()
        state.maintain()
        [entry] = taken
        state.idle = [entry]
        assert entry[1].task is None
    assert not conn.closed
    use_all(pool)
    assert conn.closed
