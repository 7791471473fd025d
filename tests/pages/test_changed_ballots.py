"""A ballot that was read is the ballot that counts: one that has changed since is refused and shown anew."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from polls import queries
from tests.support.responses import text_of
from tests.support.rows import votes
from tests.support.voters import keys_of

CHANGED = "This poll has changed since you opened this page, and your vote was not counted."


def hash_in(page):
    return re.search(r'name="ballot" value="(\w{64})"', page)[1]


def opened(browser, poll):
    return hash_in(text_of(browser.get(f"/polls/{poll.slug}/")))


CHANGES = {
    "title": "UPDATE polls_poll SET title = 'Close the office?'",
    "description": "UPDATE polls_poll SET description = 'Or not'",
    "option": "UPDATE polls_option SET text = 'Definitely not' WHERE position = 1",
    "order": "UPDATE polls_option SET position = 9 WHERE position = 1",
    "new option": "INSERT INTO polls_option (poll_id, text, position) SELECT id, 'Vegan', 9 FROM polls_poll",
    "option gone": "DELETE FROM polls_option WHERE position = 3",
    "named": "UPDATE polls_poll SET named = true",
    "changeable": "UPDATE polls_poll SET changeable = true",
    "results": "UPDATE polls_poll SET results = 'closed'",
    "most choices": "UPDATE polls_poll SET max_choices = 2",
    "draw": "UPDATE polls_poll SET draw_source = 'the lottery'",
    "locked": "UPDATE polls_poll SET locked = true, closes_at = now() + interval '1 day'",
    "recountable": "UPDATE polls_poll SET recountable = true",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_ballot_that_has_changed_is_refused_and_shown_anew(voter, sql, change):
    browser, poll = voter
    before = opened(browser, poll)
    sql(change)
    response = browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0], "ballot": before})
    page = text_of(response)
    assert CHANGED in page
    assert f'value="{poll.options[0]}" id="option-{poll.options[0]}" checked' in page  # the choice is kept
    assert votes(sql) == 0
    now = hash_in(page)
    assert now != before
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0], "ballot": now})
    assert votes(sql) == 1


def test_correction_after_the_first_vote_refuses_open_ballots(voter, vote, sql):
    browser, poll = voter
    vote(poll, "ann", poll.options[:1])
    before = opened(browser, poll)
    sql(
        "INSERT INTO polls_correction (poll_id, field, option_id, after, reason) "
        "VALUES (%s, 'option', %s, 'Definitely not', 'clearer')",
        *(poll.id, poll.options[0]),
    )
    response = browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0], "ballot": before})
    assert CHANGED in text_of(response)
    assert votes(sql) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE polls_poll SET closes_at = now() + interval '2 days'",
        "UPDATE polls_poll SET listed = NOT listed",
        "UPDATE polls_poll SET time_zone = 'Europe/Berlin'",
        "UPDATE polls_poll SET owner_id = NULL",
    ],
)
def test_what_no_ballot_shows_does_not_refuse_it(voter, sql, change):
    browser, poll = voter
    before = opened(browser, poll)
    sql(change)
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0], "ballot": before})
    assert votes(sql) == 1


def test_vote_names_the_ballot_that_was_read(voter, sql):
    browser, poll = voter
    before = opened(browser, poll)
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0], "ballot": before})
    assert sql("SELECT encode(ballot, 'hex') FROM polls_vote") == [(before,)]


def test_hash_that_is_none_is_refused_and_none_at_all_is_a_program(voter, sql):
    browser, poll = voter
    for ballot in ("x", "0" * 63, "0" * 64, " " * 64):
        page = text_of(browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0], "ballot": ballot}))
        assert CHANGED in page
        assert votes(sql) == 0
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 1


def test_change_under_way_is_waited_for(connections_to_test_database, conn, make_poll, vote, sql):
    """The hash is compared after the poll's lock is granted, so no vote slips in while words are replaced."""
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    before = queries.get_poll(conn, poll.slug).verification.content_hash
    correcting, voting = connections_to_test_database(), connections_to_test_database()
    correcting.autocommit = False
    with correcting.cursor() as cursor:
        cursor.execute(
            "INSERT INTO polls_correction (poll_id, field, after, reason) VALUES (%s, 'title', 'Close it?', 'typo')",
            [poll.id],
        )
    started = threading.Event()

    def cast():
        started.set()
        queries.cast_vote(voting, poll.slug, poll.options[:1], browser=keys_of("bob"), ballot=before)

    with ThreadPoolExecutor(1) as thread:
        outcome = thread.submit(cast)
        started.wait()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        while sql(waits, voting.info.backend_pid) == [(0,)]:
            assert not outcome.done(), outcome.result()
        correcting.commit()
        with pytest.raises(queries.BallotChanged):
            outcome.result()
    assert votes(sql) == 1
