"""Voting over HTTP, served by gunicorn: many ballots at once, and one round trip to the database per vote."""

import json
import threading

import pytest
from django.db import connection

from tests.support.proxy import Proxy
from tests.support.site import Browser, database_url, serve


@pytest.fixture(scope="module")
def site_address(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), serve() as address:
        yield address


@pytest.fixture
def open_browser(site_address):
    return lambda: Browser(site_address)


def results_of(browser, poll):
    status, _, body = browser.get(f"/polls/{poll.slug}/results.json")
    assert status == 200
    return json.loads(body)


def test_someone_votes_and_the_count_goes_up_by_one(open_browser, make_poll):
    poll, browser = make_poll(), open_browser()
    assert results_of(browser, poll)["voters"] == 0
    status, _, page = browser.get(f"/polls/{poll.slug}/")
    assert status == 200
    assert "Option 2" in page
    status, headers, _ = browser.post(f"/polls/{poll.slug}/", poll.options[1:2])
    assert (status, headers["Location"]) == (303, f"/polls/{poll.slug}/results/")
    _, _, page = browser.get(headers["Location"])
    assert "You voted for <strong><bdi>Option 2</bdi></strong>." in page
    counted = results_of(browser, poll)
    assert len(counted.pop("record")) == 64
    assert counted == {
        "slug": poll.slug,
        "title": "Poll 1",
        "state": "open",
        "voters": 1,
        "options": [
            {"id": poll.options[0], "text": "Option 1", "votes": 0, "share": 0.0},
            {"id": poll.options[1], "text": "Option 2", "votes": 1, "share": 100.0},
            {"id": poll.options[2], "text": "Option 3", "votes": 0, "share": 0.0},
        ],
        "checkpoint": None,  # the first one is taken when the next minute begins
    }


def test_two_browsers_count_twice(open_browser, make_poll):
    poll = make_poll()
    for browser in (open_browser(), open_browser()):
        browser.get(f"/polls/{poll.slug}/")
        browser.post(f"/polls/{poll.slug}/", poll.options[:1])
    assert results_of(browser, poll)["voters"] == 2


@pytest.mark.parametrize("spread", [1, 3], ids=["same option", "different options"])
def test_fifty_ballots_of_one_voter_at_once_count_once(open_browser, make_poll, sql, spread):
    poll, browser = make_poll(), open_browser()
    browser.get(f"/polls/{poll.slug}/")
    start = threading.Barrier(50)
    answers = []

    def send(number):
        start.wait()
        answers.append(browser.post(f"/polls/{poll.slug}/", [poll.options[number % spread]]))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, _, _ in answers} == {303}
    # One is redirected to the results, the others to the page that says that they had voted.
    places = [headers["Location"] for _, headers, _ in answers]
    assert places.count(f"/polls/{poll.slug}/results/") == 1
    assert places.count(f"/polls/{poll.slug}/") == 49
    assert sql("SELECT count(*) FROM polls_vote") == [(1,)]
    results = results_of(browser, poll)
    assert (results["voters"], sum(option["votes"] for option in results["options"])) == (1, 1)


def test_several_choices_are_one_vote(open_browser, make_poll):
    poll, browser = make_poll(max_choices=2), open_browser()
    browser.get(f"/polls/{poll.slug}/")
    browser.post(f"/polls/{poll.slug}/", poll.options[:2])
    assert [option["share"] for option in results_of(browser, poll)["options"]] == [100.0, 100.0, 0.0]
    assert results_of(browser, poll)["voters"] == 1


def test_a_vote_is_one_round_trip(make_poll, sql):
    poll = make_poll()
    folder, port = connection.settings_dict["HOST"], connection.settings_dict["PORT"]
    relay = Proxy(f"{folder}/.s.PGSQL.{port}")
    relayed = database_url(HOST="127.0.0.1", PORT=relay.port)
    with relay, serve(DATABASE_URL=relayed, WEB_CONCURRENCY="1", POOL_MINCONN="1", POOL_MAXCONN="1") as address:
        browser = Browser(address)
        browser.get(f"/polls/{poll.slug}/")  # connects
        connected = relay.round_trips
        assert connected > 1
        status, _, _ = browser.post(f"/polls/{poll.slug}/", poll.options[:1])
        assert status == 303
        assert relay.round_trips - connected == 1
    assert sql("SELECT count(*) FROM polls_vote") == [(1,)]
