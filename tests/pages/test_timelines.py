"""Votes over time: counted by one thread at a time, and no one waits for another."""

import threading

import pytest

from polls import queries
from polls.views import timelines
from polls.views.timelines import timeline_of
from tests.support.rows import cast_over_time
from tests.support.servers import wait_until


@pytest.fixture
def results(conn, make_poll, sql):
    """The results of a poll whose votes were cast in an hour."""
    poll = make_poll()
    cast_over_time(sql, poll, 30, 60)
    timelines.forget()
    return queries.get_results(conn, poll.slug)


@pytest.fixture
def slow(owner_conn):
    """Let counting wait, until this is called."""
    owner_conn.autocommit = False
    with owner_conn.cursor() as cursor:
        cursor.execute("LOCK TABLE polls_vote IN ACCESS EXCLUSIVE MODE")
    yield owner_conn.rollback
    owner_conn.rollback()


def start_counting(results, sql):
    """Count in a thread, and return it with what it will have returned."""
    returned = []
    thread = threading.Thread(target=lambda: returned.append(timeline_of(results)))
    thread.start()
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%date_bin%%'"
    wait_until(lambda: sql(waits) == [(1,)])
    return thread, returned


def test_first_count_lets_the_others_go_without(results, slow, sql):
    thread, returned = start_counting(results, sql)
    assert timeline_of(results) is None
    slow()
    thread.join()
    assert sum(returned[0].counts) == 30
    assert timeline_of(results) == returned[0]


def test_later_count_shows_the_others_the_one_before(results, owner_conn, sql, monkeypatch):
    monkeypatch.setattr(timelines, "KEPT_SECONDS", 0)
    monkeypatch.setattr(timelines, "SHARE", float("inf"))
    before = timeline_of(results)
    owner_conn.autocommit = False
    with owner_conn.cursor() as cursor:
        cursor.execute("LOCK TABLE polls_vote IN ACCESS EXCLUSIVE MODE")
    thread, returned = start_counting(results, sql)
    assert timeline_of(results) is before
    owner_conn.rollback()
    thread.join()
    assert returned[0] is not before
    assert returned[0].counts == before.counts


def test_count_that_takes_long_is_kept_for_long(results, slow, sql, monkeypatch):
    monkeypatch.setattr(timelines, "KEPT_SECONDS", 0)
    monkeypatch.setattr(timelines, "SHARE", 1e-6)
    thread, returned = start_counting(results, sql)
    slow()
    thread.join()
    assert timeline_of(results) is returned[0]


def test_count_that_fails_leaves_the_next_one_to_count(results, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(timelines, "timezone", None)  # an error of any kind
        with pytest.raises(AttributeError):
            timeline_of(results)
    assert sum(timeline_of(results).counts) == 30


def test_hidden_results_have_none(results):
    assert timeline_of(results._replace(visible=False)) is None
    assert timeline_of(results._replace(in_steps=True)) is None
