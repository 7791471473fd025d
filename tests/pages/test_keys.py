"""Keys: SECRET_KEY changes in the middle of a poll and no one votes twice; another VOTER_KEY is refused."""

import logging
import threading
from typing import NamedTuple

import pytest
from django.core import signing
from django.http import HttpResponse
from django.test import Client
from django.utils.crypto import salted_hmac

from polls import invite_tokens, queries, voters
from tests.support.invitations import MANAGER, follow
from tests.support.responses import text_of
from tests.support.rows import votes
from tests.support.servers import wait_until
from tests.support.site import Browser, serve
from tests.support.voters import keys_of

AUDIENCES = [
    (audience, named, changeable)
    for audience in ("link", "account", "invite")
    for named in (False, True)
    for changeable in (False, True)
]
CANNOT_CHECK = "this site cannot check who has voted in this poll"


class Voter(NamedTuple):
    """A browser whose person may vote in a poll, and how to make that person known again, as by signing in."""

    client: Client
    poll: object
    return_to_the_site: object

    def vote(self, place):
        return self.client.post(f"/polls/{self.poll.slug}/", {"choices": self.poll.options[place]})

    def page(self):
        return text_of(self.client.get(f"/polls/{self.poll.slug}/"))


@pytest.fixture
def make_voter(conn, make_poll, django_user_model):
    def make(audience, **columns):
        poll, client = make_poll(audience=audience, **columns), Client()
        come_back = [lambda: None]
        if audience == "account":
            user = django_user_model.objects.create_user(f"voter of {poll.slug}")
            come_back = [lambda: client.force_login(user)]
        elif audience == "invite":
            token = invite_tokens.new_token()
            queries.make_invites(conn, poll.slug, MANAGER, [("Ann", invite_tokens.hash_of(token))])
            come_back = [lambda: follow(token, client)]
        come_back[0]()
        client.get(f"/polls/{poll.slug}/")
        return Voter(client, poll, come_back[0])

    return make


@pytest.fixture
def rotate(settings):
    """Change SECRET_KEY, and keep the old one as a fallback, or not."""

    def change(keep=True):
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY] if keep else []
        settings.SECRET_KEY = "another key than before, as long as Django wants it"

    return change


@pytest.mark.parametrize(("audience", "named", "changeable"), AUDIENCES)
@pytest.mark.parametrize("keep", [True, False], ids=["fallback", "no fallback"])
def test_secret_key_changes_and_nobody_votes_twice(make_voter, rotate, sql, audience, named, changeable, keep):
    voter = make_voter(audience, named=named, changeable=changeable)
    assert voter.vote(0).status_code == 303
    rotate(keep)
    if not keep and audience == "account":
        assert "Sign in to vote" in voter.page()
        voter.return_to_the_site()
    assert "You voted for <strong><bdi>Option 1</bdi></strong>." in voter.page()
    voter.vote(1)
    assert sql("SELECT choices FROM polls_vote") == [([voter.poll.options[changeable]],)]
    if changeable:
        voter.client.post(f"/polls/{voter.poll.slug}/withdraw/")
        assert votes(sql) == 0


@pytest.mark.parametrize("audience", ["account", "invite"])
def test_returning_with_another_browser_after_the_change_is_the_same_person(make_voter, rotate, sql, audience):
    voter = make_voter(audience)
    voter.vote(0)
    rotate(keep=False)
    voter.client.cookies.clear()
    voter.return_to_the_site()
    voter.vote(1)
    assert sql("SELECT choices FROM polls_vote") == [([voter.poll.options[0]],)]


def test_fallback_keeps_people_signed_in_also_when_it_is_gone_later(make_voter, rotate, settings):
    voter = make_voter("account")
    rotate()
    assert "Sign in to vote" not in voter.page()
    settings.SECRET_KEY_FALLBACKS = []
    assert "Sign in to vote" not in voter.page()


def test_order_of_shuffled_options_survives_the_change(make_voter, rotate):
    voter = make_voter("link", options=8, shuffled=True)

    def order():
        page = voter.page()
        return sorted(voter.poll.options, key=lambda option: page.index(f'value="{option}"'))

    before = order()
    rotate(keep=False)
    assert order() == before


def test_invited_people_who_have_voted_are_listed_so_after_the_change(make_voter, rotate, users, sql):
    voter = make_voter("invite", owner_id=users["owner"].pk, changeable=True)
    voter.vote(0)
    rotate(keep=False)
    desk = Client()
    desk.force_login(users["owner"])
    voted = text_of(desk.get(f"/polls/{voter.poll.slug}/invites/"))
    sql("DELETE FROM polls_vote")
    assert text_of(desk.get(f"/polls/{voter.poll.slug}/invites/")) != voted


def signed(name, value, salt):
    """The value of a cookie as Django signs it, with SECRET_KEY."""
    response = HttpResponse()
    response.set_signed_cookie(name, value, salt=salt)
    return response.cookies[name].value


def test_cookie_that_an_older_django_signed_is_good(make_poll, settings, sql):
    settings.VOTER_KEY = settings.SECRET_KEY
    poll, client = make_poll(), Client()
    client.cookies["voter"] = signing.get_cookie_signer(salt="voterpolls.voter").sign("a-browser-of-then")
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert sql("SELECT voter FROM polls_vote") == [(voters.hidden_key(poll.slug, "browser:a-browser-of-then"),)]


@pytest.mark.parametrize("keep", [True, False], ids=["fallback", "no fallback"])
@pytest.mark.parametrize("named", [False, True])
def test_poll_from_before_there_was_a_voter_key_goes_on(make_poll, rotate, settings, sql, named, keep):
    """What was written with SECRET_KEY, as Django signs cookies: the browser, its invitation, and the vote."""
    settings.VOTER_KEY = settings.SECRET_KEY
    poll, client = make_poll(named=named, changeable=True), Client()
    client.cookies["voter"] = signed("voter", "a-browser-of-then", "polls.voter")
    person = "browser:a-browser-of-then"
    hidden = salted_hmac(f"polls.voter/{poll.slug}", person, algorithm="sha256").hexdigest()
    sql(
        "INSERT INTO polls_vote (poll_id, voter, choices, seal) VALUES (%s, %s, %s, NULL)",
        *(poll.id, person if named else hidden, poll.options[:1]),
    )
    rotate(keep)
    assert "You voted for <strong><bdi>Option 1</bdi></strong>." in text_of(client.get(f"/polls/{poll.slug}/"))
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[1]],)]


def test_invitation_cookies_from_before_there_was_a_voter_key_are_good(conn, make_poll, rotate, settings):
    settings.VOTER_KEY = settings.SECRET_KEY
    poll, token = make_poll(audience="invite"), invite_tokens.new_token()
    queries.make_invites(conn, poll.slug, MANAGER, [("Ann", invite_tokens.hash_of(token))])
    _, invite_id = queries.find_invite(conn, invite_tokens.hash_of(token))
    client = Client()
    for cookie, value in {
        "invite": f"{invite_id}.{invite_tokens.hash_of(token)}",
        "invite_voted": str(invite_id),
    }.items():
        client.cookies[cookie] = signed(cookie, value, f"polls.{cookie}/{poll.slug}")
    rotate(keep=False)
    assert "<form" in text_of(client.get(f"/polls/{poll.slug}/"))
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert "You voted for" in text_of(client.get(f"/polls/{poll.slug}/"))


def test_who_knows_secret_key_alone_cannot_sign_the_cookie_of_a_voter(client, make_poll, settings, sql):
    settings.SECRET_KEY, settings.VOTER_KEY = "a" * 50, "b" * 50
    poll = make_poll()
    client.cookies["voter"] = signed("voter", "a-browser-that-never-was", "polls.voter")
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 0


@pytest.mark.parametrize(("audience", "named", "changeable"), AUDIENCES)
def test_changed_voter_key_is_refused_and_not_a_second_vote(
    make_voter, settings, sql, caplog, audience, named, changeable
):
    voter = make_voter(audience, named=named, changeable=changeable)
    voter.vote(0)
    before, settings.VOTER_KEY = settings.VOTER_KEY, "another key"
    voter.return_to_the_site()
    voter.client.get(f"/polls/{voter.poll.slug}/")
    with caplog.at_level(logging.ERROR, "polls"):
        response = voter.vote(1)
    if named and audience != "link":  # stored under the account or the invitation itself: the key does not matter
        assert sql("SELECT choices FROM polls_vote") == [([voter.poll.options[0]],)]
        assert caplog.messages == []
        return
    assert (response.status_code, CANNOT_CHECK in text_of(response)) == (200, True)
    assert [message for message in caplog.messages if "VOTER_KEY" in message and voter.poll.slug in message]
    assert sql("SELECT choices FROM polls_vote") == [([voter.poll.options[0]],)]
    settings.VOTER_KEY = before
    voter.return_to_the_site()
    if audience != "link":  # whose browser has another cookie now, and so is another voter
        voter.vote(1)  # without the receipt, for the cookie has changed
        assert sql("SELECT choices FROM polls_vote") == [([voter.poll.options[0]],)]


def test_new_poll_goes_on_where_an_old_one_has_lost_its_key(make_voter, settings, sql):
    old = make_voter("link")
    old.vote(0)
    settings.VOTER_KEY = "another key"
    new = make_voter("link")
    assert new.vote(0).status_code == 303
    assert votes(sql) == 2
    settings.VOTER_KEY = "a third key"
    other = Client()
    other.get(f"/polls/{new.poll.slug}/")
    assert CANNOT_CHECK in text_of(other.post(f"/polls/{new.poll.slug}/", {"choices": new.poll.options[0]}))


def test_named_polls_for_accounts_take_new_voters_under_any_key(make_voter, django_user_model, settings, sql):
    voter = make_voter("account", named=True)
    voter.vote(0)
    settings.VOTER_KEY = "another key"
    other = Client()
    other.force_login(django_user_model.objects.create_user("another"))
    voter._replace(client=other).vote(1)
    voter.vote(1)
    assert votes(sql) == 2


def test_vote_that_is_refused_claims_no_poll(make_voter, sql):
    voter = make_voter("link", max_choices=1)
    voter.client.post(f"/polls/{voter.poll.slug}/", {"choices": voter.poll.options[:2]})
    invited = make_voter("invite")
    sql("UPDATE polls_invite SET revoked_at = now()")
    invited.vote(0)
    Client().post(f"/polls/{voter.poll.slug}/", {"choices": voter.poll.options[0]})  # without the cookie
    assert sql("SELECT * FROM polls_pollkey") == []
    voter.vote(0)
    assert sql("SELECT poll_id, key_id FROM polls_pollkey") == [(voter.poll.id, voters.key_id())]


def test_first_votes_at_once_are_all_counted(make_voter, connections_to_test_database, sql):
    voter, first = make_voter("link"), connections_to_test_database()
    first.autocommit = False
    choice = voter.poll.options[:1]
    queries.cast_vote(first, voter.poll.slug, choice, browser=keys_of("first"), key_id=voters.key_id())
    answers = []
    second = threading.Thread(target=lambda: answers.append(voter.vote(0).status_code))
    second.start()
    wait_until(lambda: sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
    first.commit()
    second.join()
    assert answers == [303]
    assert votes(sql) == 2


def test_first_vote_under_another_key_that_comes_second_is_refused(make_poll, connections_to_test_database, sql):
    poll, first, conn, refusals = make_poll(), connections_to_test_database(), connections_to_test_database(), []
    first.autocommit = False
    queries.cast_vote(first, poll.slug, poll.options[:1], browser=keys_of("a"), key_id="one key")

    def vote_under_another_key():
        with pytest.raises(queries.OtherVoterKey) as refusal:
            queries.cast_vote(conn, poll.slug, poll.options[:1], browser=keys_of("b"), key_id="another")
        refusals.append(refusal)

    second = threading.Thread(target=vote_under_another_key)
    second.start()
    wait_until(lambda: sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
    first.commit()
    second.join()
    assert len(refusals) == 1
    assert sql("SELECT voter FROM polls_vote") == [("a",)]


def test_poll_whose_votes_are_withdrawn_can_still_be_deleted(make_voter, sql):
    voter = make_voter("link", changeable=True)
    voter.vote(0)
    voter.client.post(f"/polls/{voter.poll.slug}/withdraw/")
    sql("DELETE FROM polls_option")
    sql("DELETE FROM polls_poll")
    assert sql("SELECT * FROM polls_pollkey") == []


def test_database_does_not_hold_the_key(make_voter, settings, sql):
    settings.VOTER_KEY = "a key that nobody finds in a dump of the database"
    make_voter("link").vote(0)
    [(row,)] = sql("SELECT to_jsonb(polls_pollkey)::text FROM polls_pollkey")
    assert settings.VOTER_KEY not in row
    assert voters.key_id() in row


def test_site_is_restarted_with_another_secret_key(make_poll, sql):
    poll, keep = make_poll(), {"VOTER_KEY": "v" * 50, "WEB_CONCURRENCY": "1"}
    with serve(SECRET_KEY="a" * 50, **keep) as address:
        browser = Browser(address)
        browser.get(f"/polls/{poll.slug}/")
        assert browser.post(f"/polls/{poll.slug}/", poll.options[:1])[0] == 303
    with serve(SECRET_KEY="b" * 50, **keep) as address:
        browser.address = address
        assert "You voted for <strong><bdi>Option 1</bdi></strong>." in browser.get(f"/polls/{poll.slug}/results/")[2]
        browser.get(f"/polls/{poll.slug}/")
        browser.post(f"/polls/{poll.slug}/", poll.options[1:2])
    assert sql("SELECT choices FROM polls_vote") == [(poll.options[:1],)]
