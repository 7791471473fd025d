"""Links of invitations: the ballot, the one vote of each, and links that were revoked, replaced or forged."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from polls import invite_tokens, queries
from polls.views.invite_cookies import invited
from tests.support.invitations import MANAGER, cast, create, follow, invite, links_in
from tests.support.responses import text_of
from tests.support.rows import votes
from tests.support.site import Browser, serve


def test_link_leads_to_the_ballot_and_leaves_the_address(conn, poll, sql):
    [token] = invite(conn, poll, "Ann")
    before = sql("SELECT * FROM polls_invite")
    response = Client().get(f"/i/{token}/")
    assert (response.status_code, response["Location"]) == (303, f"/polls/{poll.slug}/")
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    assert token not in str(response.headers) + str(response.cookies)
    cookie = response.cookies["invite_offered"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", f"/polls/{poll.slug}/")
    assert sql("SELECT * FROM polls_invite") == before


def test_link_asks_the_orm_nothing(conn, poll):
    [token] = invite(conn, poll, "Ann")
    with CaptureQueriesContext(connection) as orm:
        browser = follow(token)
        browser.get(f"/polls/{poll.slug}/")
        browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert orm.captured_queries == []


def test_invited_person_votes_once(conn, poll, sql):
    [token] = invite(conn, poll, "Ann")
    browser = follow(token)
    assert 'name="choices"' in text_of(browser.get(f"/polls/{poll.slug}/"))
    for choice in (0, 1):
        assert browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[choice]}).status_code == 303
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[0]],)]


def test_link_followed_again_elsewhere_is_no_second_vote(conn, poll, sql):
    [token] = invite(conn, poll, "Ann")
    for choice in (0, 1):
        follow(token).post(f"/polls/{poll.slug}/", {"choices": poll.options[choice]})
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[0]],)]


def test_two_invited_people_at_one_browser_vote_twice(conn, poll, sql):
    browser = Client()
    for token in invite(conn, poll, "Ann", "Bob"):
        follow(token, browser).post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 2


def test_who_is_not_invited_cannot_vote(desk, poll, sql):
    """A browser and an account cannot vote, not even the owner's."""
    for browser in (Client(), desk):
        browser.get(f"/polls/{poll.slug}/")
        browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 0


def test_vote_can_be_changed_and_taken_back_where_the_poll_allows_it(conn, make_invited_poll, sql):
    poll = make_invited_poll(changeable=True)
    [token] = invite(conn, poll, "Ann")
    browser = follow(token)
    for choice in (0, 1):
        browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[choice]})
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[1]],)]
    browser.post(f"/polls/{poll.slug}/withdraw/")
    assert votes(sql) == 0


@pytest.mark.parametrize("what", ["revoked", "reissued", "draft", "unknown"])
def test_link_that_is_not_valid_gives_one_answer(conn, make_invited_poll, desk, sql, what):
    poll = make_invited_poll(opens_in=None if what == "draft" else "-1 hour")
    [token] = invite(conn, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    if what == "revoked":
        queries.revoke_invite(conn, poll.slug, MANAGER, invite_id)
    if what == "reissued":
        queries.reissue_invite(conn, poll.slug, MANAGER, invite_id, invite_tokens.hash_of("other"), "no vote")
    unknown, response = Client().get("/i/nothing/"), Client().get(f"/i/{token if what != 'unknown' else 'x' * 3000}/")
    assert response.status_code == 404
    assert not response.cookies
    # The pages differ in nothing but their own address.
    assert re.sub("/i/[^/]*/", "", response.content.decode()) == re.sub("/i/[^/]*/", "", unknown.content.decode())
    assert set(response.headers) == set(unknown.headers)


def test_revoked_invitation_votes_no_more(conn, poll, sql):
    [token] = invite(conn, poll, "Ann")
    browser = follow(token)
    sql("UPDATE polls_invite SET revoked_at = now()")
    response = browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert "Your invitation is not valid any more:" in text_of(response)
    assert votes(sql) == 0


def test_revoked_invitation_neither_changes_nor_takes_back_its_vote(conn, make_invited_poll, sql):
    poll = make_invited_poll(changeable=True)
    [token] = invite(conn, poll, "Ann")
    browser = follow(token)
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    sql("UPDATE polls_invite SET revoked_at = now()")
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    browser.post(f"/polls/{poll.slug}/withdraw/")
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[0]],)]


def test_new_link_replaces_the_old_one_and_is_no_second_vote(conn, make_invited_poll, sql):
    poll = make_invited_poll(named=True)
    [old] = invite(conn, poll, "Ann")
    thief = follow(old)
    cast(conn, poll, old)
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    new = invite_tokens.new_token()
    assert queries.reissue_invite(conn, poll.slug, MANAGER, invite_id, invite_tokens.hash_of(new), "") == "Ann"
    assert Client().get(f"/i/{old}/").status_code == 404
    thief.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    follow(new).post(f"/polls/{poll.slug}/", {"choices": poll.options[2]})
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[0]],)]


def test_old_link_cannot_vote_before_the_new_one(conn, poll, sql):
    [old] = invite(conn, poll, "Ann")
    thief = follow(old)
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    queries.reissue_invite(conn, poll.slug, MANAGER, invite_id, invite_tokens.hash_of("new"), "no vote")
    page = text_of(thief.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]}))
    assert "Your invitation is not valid any more:" in page
    assert votes(sql) == 0


def test_new_link_brings_a_revoked_invitation_back(conn, poll, sql):
    invite(conn, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    queries.revoke_invite(conn, poll.slug, MANAGER, invite_id)
    queries.reissue_invite(conn, poll.slug, MANAGER, invite_id, invite_tokens.hash_of("new"), "no vote")
    follow("new").post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 1


def test_cookie_is_worth_nothing_in_another_poll(conn, poll, make_invited_poll, sql):
    other = make_invited_poll()
    ann, bob = invite(conn, poll, "Ann")[0], invite(conn, other, "Bob")[0]
    stolen = opened(ann, poll).cookies["invite"].value
    request = RequestFactory().get("/")
    request.COOKIES["invite"] = stolen
    assert invited(request, poll.slug)
    assert invited(request, other.slug) is None
    for path in ("/", f"/polls/{other.slug}/"):
        browser = opened(bob, other)
        browser.cookies["invite"] = stolen
        browser.cookies["invite"]["path"] = path
        browser.post(f"/polls/{other.slug}/", {"choices": other.options[0]})
    assert votes(sql) == 0


def opened(token, poll):
    """A browser that has followed the link of an invitation, and keeps the invitation."""
    browser = follow(token)
    assert browser.get(f"/polls/{poll.slug}/").status_code == 200
    return browser


FORGERIES = {
    "another invitation": lambda value: f"{int(value.partition('.')[0]) + 1}.{value.partition('.')[2]}",
    "another signature": lambda value: value[:-1] + ("_" if value[-1] != "_" else "-"),
    "no signature": lambda value: value.partition(":")[0],
    "nonsense": str.upper,
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_forged_cookie_is_no_invitation(conn, poll, sql, forge):
    [token, _] = invite(conn, poll, "Ann", "Bob")
    browser = opened(token, poll)
    value = browser.cookies["invite"].value
    browser.cookies["invite"] = forge(value)
    assert browser.cookies["invite"].value != value
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 0


def test_links_are_kept_as_hashes_only(desk, poll, conn, sql):
    [token] = links_in(create(desk, poll, "Ann"))
    assert sql("SELECT token_hash FROM polls_invite") == [(invite_tokens.hash_of(token),)]
    rows = sql(
        "SELECT (SELECT jsonb_agg(to_jsonb(e)) FROM polls_event AS e)::text"
        " || (SELECT jsonb_agg(to_jsonb(i)) FROM polls_invite AS i)::text"
        " || (SELECT coalesce(jsonb_agg(to_jsonb(s)), '[]') FROM django_session AS s)::text"
    )
    assert token not in rows[0][0]
    assert invite_tokens.hash_of(token) not in sql("SELECT jsonb_agg(to_jsonb(e))::text FROM polls_event AS e")[0][0]


@pytest.mark.parametrize("changeable", [False, True])
def test_fifty_votes_with_one_invitation_at_once_count_once(conn, make_invited_poll, sql, changeable):
    poll = make_invited_poll(changeable=changeable)
    [token] = invite(conn, poll, "Ann")
    start = threading.Barrier(50)
    with serve(WEB_THREADS="50", WEB_CONCURRENCY="1", POOL_MAXCONN="20") as address:
        browser = Browser(address)
        browser.get(f"/i/{token}/")
        browser.get(f"/polls/{poll.slug}/")

        def send(number):
            start.wait()
            return browser.post(f"/polls/{poll.slug}/", [poll.options[number % 3]])[0]

        with ThreadPoolExecutor(50) as threads:
            assert set(threads.map(send, range(50))) == {303}
    assert votes(sql) == 1
    assert sql("SELECT sum(votes) FROM polls_tally") == [(1,)]
    assert sql("SELECT sum(voters) FROM polls_turnout") == [(1,)]


def test_whoever_made_the_links_of_an_anonymous_poll_does_not_learn_by_them_who_chose_what(conn, make_invited_poll):
    for changeable in (False, True):
        poll = make_invited_poll(changeable=changeable, results="closed")
        [token] = invite(conn, poll, "Ann")
        ann = follow(token)
        ann.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
        for path in ("", "results/"):
            address = f"/polls/{poll.slug}/{path}"
            assert "You voted for" in text_of(follow(token, ann).get(address))
            page = text_of(follow(token).get(address))
            assert "A vote was cast with your invitation." in page
            assert "You voted for" not in page
            assert " checked" not in page


def test_browser_shared_by_two_shows_the_vote_of_the_last_only(conn, poll):
    ann, bob = invite(conn, poll, "Ann", "Bob")
    browser = Client()
    for token, choice in ((ann, 0), (bob, 1)):
        follow(token, browser).post(f"/polls/{poll.slug}/", {"choices": poll.options[choice]})
    assert "Option 2</bdi></strong>." in text_of(browser.get(f"/polls/{poll.slug}/"))
    assert "You voted for" not in text_of(follow(ann, browser).get(f"/polls/{poll.slug}/"))
