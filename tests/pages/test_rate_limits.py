"""Limits per address and minute: the address that counts, and the answer to a request too many."""

import pytest
from django.test import Client

from polls import rate_limits
from tests.support.invitations import invite
from tests.support.responses import text_of
from tests.support.rows import votes

HERE = {"REMOTE_ADDR": "192.0.2.1"}


@pytest.fixture
def allow(settings):
    def allow(**limits):
        settings.LIMITS_PER_MINUTE = {"votes": 0, "guesses": 0, **limits}

    return allow


def guess(address="192.0.2.1", token="guess"):
    return Client(REMOTE_ADDR=address).get(f"/i/{token}/")


def test_what_is_allowed_passes_and_what_is_more_waits(allow):
    allow(votes=3)
    assert [rate_limits.count("votes", HERE) for _ in range(3)] == [0, 0, 0]
    assert 1 <= rate_limits.blocked("votes", HERE) <= 60
    assert 1 <= rate_limits.count("votes", HERE) <= 60
    assert rate_limits.count("votes", {"REMOTE_ADDR": "192.0.2.2"}) == 0


def test_asking_whether_one_is_blocked_counts_nothing(allow):
    allow(votes=1)
    assert [rate_limits.blocked("votes", HERE) for _ in range(5)] == [0] * 5
    assert rate_limits.count("votes", HERE) == 0
    assert rate_limits.blocked("votes", HERE)


def test_votes_and_guesses_are_counted_apart(allow):
    allow(votes=1, guesses=1)
    assert [rate_limits.count(action, HERE) for action in ("votes", "guesses")] == [0, 0]


def test_zero_is_no_limit(allow):
    allow()
    assert {rate_limits.count("votes", HERE) + rate_limits.blocked("votes", HERE) for _ in range(2000)} == {0}


@pytest.mark.parametrize(
    ("header", "meta", "address"),
    [
        ("", {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "198.51.100.7"}, "192.0.2.1"),
        ("X-Forwarded-For", {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "198.51.100.7"}, "198.51.100.7"),
        ("x-forwarded-for", {"HTTP_X_FORWARDED_FOR": "forged, 203.0.113.9 , 198.51.100.7"}, "198.51.100.7"),
        ("X-Real-IP", {"REMOTE_ADDR": "127.0.0.1"}, "127.0.0.1"),
        ("", {"REMOTE_ADDR": "2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::"),
        ("", {"REMOTE_ADDR": "::ffff:192.0.2.1"}, "192.0.2.1"),
        ("", {"REMOTE_ADDR": ""}, ""),
        ("X-Real-IP", {"HTTP_X_REAL_IP": "nonsense" * 100}, ("nonsense" * 100)[:100]),
        ("", {}, ""),
    ],
    ids=["unasked", "asked", "list", "missing", "v6", "mapped", "socket", "nonsense", "nothing"],
)
def test_address_is_the_one_that_can_be_believed(settings, header, meta, address):
    settings.CLIENT_ADDRESS_HEADER = header
    assert rate_limits.address_of(meta) == address


def test_guesses_are_limited_and_good_links_do_not_count(conn, make_poll, allow):
    allow(guesses=3)
    poll = make_poll(audience="invite")
    [token] = invite(conn, poll, "Ann")
    assert {guess(token=token).status_code for _ in range(10)} == {303}
    assert [guess(token=f"guess{number}").status_code for number in range(5)] == [404, 404, 404, 429, 429]
    blocked = guess(token=token)
    assert blocked.status_code == 429
    assert 1 <= int(blocked["Retry-After"]) <= 60
    assert "Too much came from your address" in text_of(blocked)
    assert guess("192.0.2.2", token).status_code == 303


def test_guess_that_is_one_too_many_while_another_is_looked_up_is_told_so(conn, allow, monkeypatch):
    allow(guesses=1)
    monkeypatch.setattr(rate_limits, "blocked", lambda action, meta: 0)
    assert [guess().status_code for _ in range(2)] == [404, 429]


def test_votes_of_an_address_are_limited(make_poll, allow, sql):
    allow(votes=2)
    poll = make_poll()
    answers = []
    for _ in range(3):
        browser = Client()
        browser.get(f"/polls/{poll.slug}/")
        answers.append(browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]}))
    assert [answer.status_code for answer in answers] == [303, 303, 429]
    assert int(answers[2]["Retry-After"]) >= 1
    assert votes(sql) == 2
