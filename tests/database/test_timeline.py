"""The pace of a poll: votes per step of time, in coarse steps where the poll is anonymous."""

from datetime import datetime, timedelta, timezone

import pytest

from polls import queries
from tests.support.rows import cast_over_time


def pace(conn, poll, **asked):
    now = datetime.now(timezone.utc)
    return queries.get_timeline(conn, queries.get_results(conn, poll.slug, **asked), now)


def test_pace_counts_every_vote_in_its_step(conn, make_poll, sql):
    poll = make_poll(named=True)
    cast_over_time(sql, poll, 100, 50)
    found = pace(conn, poll)
    assert (found.step, sum(found.counts), len(found.counts)) == (timedelta(minutes=1), 100, 51)
    assert max(found.counts) <= 3


def test_pace_of_an_anonymous_poll_is_coarse(conn, make_poll, sql):
    poll = make_poll()
    cast_over_time(sql, poll, 100, 50)
    found = pace(conn, poll)
    assert (found.step, sum(found.counts), len(found.counts)) == (timedelta(minutes=10), 100, 5)


@pytest.mark.parametrize(("voters", "minutes"), [(20, 110), (25, 300), (60, 1000), (100, 61), (1000, 605)])
def test_pace_of_an_anonymous_poll_shows_no_single_vote(conn, make_poll, sql, voters, minutes):
    """Neither a step for every voter, nor a last step of a few seconds."""
    poll = make_poll()
    cast_over_time(sql, poll, voters, minutes)
    sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
    found = pace(conn, poll)
    assert (sum(found.counts), len(found.counts) <= voters // 5) == (voters, True)
    last = found.end - found.start - found.step * (len(found.counts) - 1)
    assert min(found.step, last) >= timedelta(minutes=10)


def test_pace_of_an_anonymous_poll_needs_twenty_voters(conn, make_poll, sql):
    anonymous, named = make_poll(), make_poll(named=True)
    for poll in (anonymous, named):
        cast_over_time(sql, poll, 19, 600)
    assert pace(conn, anonymous) is None
    assert pace(conn, named)


@pytest.mark.parametrize("minutes", [60 * 24 * 30, 60 * 24 * 365 * 20])
def test_pace_has_sixty_steps_at_most(conn, make_poll, sql, minutes):
    poll = make_poll(named=True)
    cast_over_time(sql, poll, 100, minutes)
    found = pace(conn, poll)
    assert sum(found.counts) == 100
    assert 30 <= len(found.counts) <= 60


def test_pace_of_few_voters_or_few_steps_is_not_told(conn, make_poll, sql):
    few, short = make_poll(), make_poll()
    cast_over_time(sql, few, 9, 50)
    cast_over_time(sql, short, 100, 15)
    assert pace(conn, few) is None
    assert pace(conn, short) is None


@pytest.mark.parametrize("results", ["voted", "closed", "owner"])
def test_pace_stands_behind_the_gate_of_the_results(conn, make_poll, sql, results):
    poll = make_poll(results=results)
    cast_over_time(sql, poll, 100, 50)
    assert pace(conn, poll) is None
