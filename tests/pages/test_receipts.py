"""Receipts: only the browser that cast a vote, or one with its receipt, is shown it, changes it and withdraws it."""

import re

import pytest
from django.test import Client

from polls import invite_tokens, queries, receipts
from polls.voters import hidden_key
from tests.support.invitations import MANAGER, follow, invite, links_in
from tests.support.responses import text_of
from tests.support.rows import votes
from tests.support.voters import signed_in

VOTED_FOR = "You voted for <strong><bdi>Option {}</bdi></strong>."


def vote(browser, poll, choice=0):
    """Open the ballot and send it, as a browser does; return the results page that follows."""
    page = text_of(browser.get(f"/polls/{poll.slug}/"))
    ballot = re.search(r'name="ballot" value="(\w+)"', page)[1]
    response = browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[choice], "ballot": ballot})
    assert (response.status_code, response["Location"]) == (303, f"/polls/{poll.slug}/results/")
    return text_of(browser.get(response["Location"]))


def receipt_in(page):
    found = re.search(r'<code dir="ltr">(\d+-\w{4}-\w{4}-\w{4}-\w{4})</code>', page)
    return found and found[1]


def use(receipt, poll, browser=None):
    """Show a receipt in another browser."""
    browser = browser or Client()
    return browser, browser.post(f"/polls/{poll.slug}/receipt/", {"code": receipt})


@pytest.fixture(params=["link", "account", "invite"])
def voting(request, make_poll, users, conn, django_user_model):
    """Make a poll for each audience, with the browser of a voter."""

    def make(**columns):
        poll = make_poll(audience=request.param, owner_id=users["owner"].pk, **columns)
        if request.param == "account":
            return poll, signed_in(django_user_model.objects.create_user("ann"))
        return poll, follow(invite(conn, poll, "Ann")[0]) if request.param == "invite" else Client()

    return make


def test_receipt_is_shown_after_voting_and_only_where_the_vote_was_cast(voting):
    poll, browser = voting()
    receipt = receipt_in(vote(browser, poll))
    for path in ("", "results/"):
        assert receipt in text_of(browser.get(f"/polls/{poll.slug}/{path}"))
        assert receipt_in(text_of(Client().get(f"/polls/{poll.slug}/{path}"))) is None


def test_database_holds_a_hash_of_the_receipt_and_not_the_receipt(voting, sql):
    poll, browser = voting()
    receipt = receipts.read_receipt(receipt_in(vote(browser, poll)))
    assert [(vote_id, bytes(seal)) for vote_id, seal in sql("SELECT id, seal FROM polls_vote")] == [
        (receipt.vote_id, receipts.seal_of(receipt.code))
    ]


def test_receipt_shows_changes_and_withdraws_the_vote_in_any_browser(voting, sql):
    poll, browser = voting(changeable=True)
    receipt = receipt_in(vote(browser, poll, 1))
    elsewhere, response = use(receipt.lower().replace("-", " "), poll)
    assert (response.status_code, response["Location"]) == (303, f"/polls/{poll.slug}/")
    page = text_of(elsewhere.get(f"/polls/{poll.slug}/"))
    assert VOTED_FOR.format(2) in page
    assert "is using a receipt" in page
    assert VOTED_FOR.format(1) in vote(elsewhere, poll, 0)
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[0]],)]
    assert elsewhere.post(f"/polls/{poll.slug}/withdraw/").status_code == 303
    assert votes(sql) == 0


def test_receipt_of_a_vote_that_is_final_shows_it_and_changes_nothing(voting, sql):
    poll, browser = voting()
    elsewhere, _ = use(receipt_in(vote(browser, poll, 1)), poll)
    page = text_of(elsewhere.get(f"/polls/{poll.slug}/"))
    assert VOTED_FOR.format(2) in page
    assert 'name="choices"' not in page
    elsewhere.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    elsewhere.post(f"/polls/{poll.slug}/withdraw/")
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[1]],)]


def test_receipt_is_put_away(voting):
    poll, browser = voting()
    elsewhere, _ = use(receipt_in(vote(browser, poll)), poll)
    elsewhere.post(f"/polls/{poll.slug}/receipt/", {"forget": ""})
    assert "You voted for" not in text_of(elsewhere.get(f"/polls/{poll.slug}/"))


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "This field is required."),
        ("hello", "This is not a receipt."),
        ("12-ABCD-EFGH-8JKL-MN9I", "This is not a receipt."),
        ("9" * 40, "This is not a receipt."),
        ("1-2222-2222-2222-2222", "No vote in this poll matches this receipt."),
        ("999999999999999999-2222-2222-2222-2222", "No vote in this poll matches this receipt."),
    ],
)
def test_what_is_no_receipt_is_told_and_kept(voter, typed, says):
    browser, poll = voter
    vote(browser, poll)
    page = text_of(Client().post(f"/polls/{poll.slug}/receipt/", {"code": typed}))
    assert says in page
    assert f'value="{typed}"' in page or not typed


def test_receipt_is_worth_nothing_in_another_poll_nor_with_another_number(make_poll, sql):
    poll, other = make_poll(), make_poll()
    browser = Client()
    receipt = receipt_in(vote(browser, poll))
    vote(browser, other)
    assert "matches this receipt" in text_of(use(receipt, other)[1])
    number, _, code = receipt.partition("-")
    assert "matches this receipt" in text_of(use(f"{int(number) + 1}-{code}", poll)[1])


def test_receipts_are_guessed_a_few_times_a_minute(make_poll, settings):
    settings.LIMITS_PER_MINUTE = {**settings.LIMITS_PER_MINUTE, "guesses": 3}
    poll, browser = make_poll(), Client()
    answers = [use("1-2222-2222-2222-2222", poll, browser)[1].status_code for _ in range(5)]
    assert answers == [200, 200, 200, 429, 429]


def test_two_people_at_one_browser_have_receipts_of_their_own(conn, poll):
    browser, shown = Client(), []
    for token in invite(conn, poll, "Ann", "Bob"):
        follow(token, browser)
        browser.post(f"/polls/{poll.slug}/invitation/", {"accept": ""})
        shown.append(receipt_in(vote(browser, poll)))
    assert len(set(shown)) == 2


def test_vote_cast_twice_at_once_keeps_the_receipt_that_is_shown(voting):
    poll, browser = voting()
    first = receipt_in(vote(browser, poll))
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    assert receipt_in(text_of(browser.get(f"/polls/{poll.slug}/"))) == first


# What the owner and others could do with links, accounts and passwords.


def test_owner_does_not_take_a_vote_back_with_a_new_link(desk, conn, make_invited_poll, sql):
    poll = make_invited_poll(changeable=True, results="closed")
    ann = follow(invite(conn, poll, "Ann")[0])
    vote(ann, poll)
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    before = sql("SELECT token_hash FROM polls_invite")
    response = desk.post(f"/polls/{poll.slug}/invites/{invite_id}/reissue/", follow=True)
    assert "This person has voted, and the poll is anonymous" in text_of(response)
    assert sql("SELECT token_hash FROM polls_invite") == before
    assert "New link" not in text_of(desk.get(f"/polls/{poll.slug}/invites/"))
    assert VOTED_FOR.format(1) in text_of(ann.get(f"/polls/{poll.slug}/"))


@pytest.mark.parametrize("named", [False, True])
def test_link_that_was_kept_neither_shows_nor_changes_the_vote(conn, make_invited_poll, sql, named):
    poll = make_invited_poll(changeable=True, named=named, results="closed")
    [token] = invite(conn, poll, "Ann")
    vote(follow(token), poll)
    owner = follow(token)
    page = text_of(owner.get(f"/polls/{poll.slug}/"))
    assert "A vote was cast with your invitation." in page
    assert "You voted for" not in page
    assert 'name="choices"' not in page
    owner.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    owner.post(f"/polls/{poll.slug}/withdraw/")
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[0]],)]


def test_link_of_a_named_poll_is_replaced_after_the_vote_and_does_not_change_it(desk, conn, make_invited_poll, sql):
    poll = make_invited_poll(changeable=True, named=True)
    [token] = invite(conn, poll, "Ann")
    vote(follow(token), poll)
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    [new] = links_in(desk.post(f"/polls/{poll.slug}/invites/{invite_id}/reissue/"))
    browser = follow(new)
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    browser.post(f"/polls/{poll.slug}/withdraw/")
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[0]],)]


def test_old_link_shows_nothing_after_it_was_replaced(conn, make_invited_poll, sql):
    poll = make_invited_poll(named=True)
    [token] = invite(conn, poll, "Ann")
    old = follow(token)
    old.get(f"/polls/{poll.slug}/")
    vote(follow(token), poll)
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    queries.reissue_invite(conn, poll.slug, MANAGER, invite_id, invite_tokens.hash_of("new"), "")
    for path in ("", "results/"):
        page = text_of(old.get(f"/polls/{poll.slug}/{path}"))
        assert "You voted for" not in page
        assert "A vote was cast" not in page
    assert "Your invitation is not valid any more:" in text_of(old.get(f"/polls/{poll.slug}/"))


def test_old_link_opens_no_results_that_only_voters_see(conn, make_invited_poll, sql):
    poll = make_invited_poll(results="voted")
    [token] = invite(conn, poll, "Ann")
    old = follow(token)
    old.get(f"/polls/{poll.slug}/")
    vote(follow(token), poll)
    sql("UPDATE polls_invite SET revoked_at = now()")
    assert old.get(f"/polls/{poll.slug}/results.json").status_code == 403


@pytest.mark.parametrize("named", [False, True])
def test_password_that_others_set_shows_no_vote_and_changes_none(make_poll, django_user_model, sql, named):
    poll = make_poll(audience="account", changeable=True, named=named)
    ann = django_user_model.objects.create_user("ann")
    vote(signed_in(ann), poll)
    intruder = signed_in(ann)
    page = text_of(intruder.get(f"/polls/{poll.slug}/"))
    assert "A vote was cast with your account." in page
    assert "You voted for" not in page
    intruder.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    intruder.post(f"/polls/{poll.slug}/withdraw/")
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[0]],)]


def test_link_of_another_says_for_whom_it_is_before_it_takes_the_place(conn, poll, sql):
    ann, bob = invite(conn, poll, "Ann", "Bob <b>")
    browser = follow(ann)
    browser.get(f"/polls/{poll.slug}/")
    follow(bob, browser)
    response = browser.get(f"/polls/{poll.slug}/", follow=True)
    assert response.redirect_chain == [(f"/polls/{poll.slug}/invitation/", 303)]
    page = text_of(response)
    assert "is for <strong><bdi>Bob &lt;b&gt;</bdi></strong>" in page
    assert "the invitation for <strong><bdi>Ann</bdi></strong>" in page
    browser.post(f"/polls/{poll.slug}/invitation/", {"decline": ""})
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    follow(bob, browser)
    browser.post(f"/polls/{poll.slug}/invitation/", {"accept": ""})
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    chosen = dict(sql("SELECT choices[1], voter FROM polls_vote"))
    ids = dict(sql("SELECT label, id FROM polls_invite"))
    assert chosen == {
        poll.options[0]: hidden_key(poll.slug, f"invite:{ids['Ann']}"),
        poll.options[1]: hidden_key(poll.slug, f"invite:{ids['Bob <b>']}"),
    }


def test_new_link_of_the_same_person_takes_the_place_at_once(conn, poll, sql):
    [token] = invite(conn, poll, "Ann")
    browser = follow(token)
    browser.get(f"/polls/{poll.slug}/")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    queries.reissue_invite(conn, poll.slug, MANAGER, invite_id, invite_tokens.hash_of("new"), "no vote")
    follow("new", browser)
    vote(browser, poll)
    assert votes(sql) == 1


@pytest.mark.parametrize(("audience", "named"), [("link", False), ("account", True), ("account", False)])
def test_vote_from_before_there_were_receipts(make_poll, django_user_model, sql, owner_sql, audience, named):
    """Its voter may go on in a poll by link and in a named poll; in an anonymous one no one may change it."""
    poll = make_poll(audience=audience, named=named, changeable=True)
    browser = Client() if audience == "link" else signed_in(django_user_model.objects.create_user("ann"))
    vote(browser, poll)
    owner_sql("SET session_replication_role = replica")
    owner_sql("UPDATE polls_vote SET seal = NULL")
    page = text_of(browser.get(f"/polls/{poll.slug}/"))
    free = audience == "link" or named
    assert (VOTED_FOR.format(1) in page) is free
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    [(choices, seal)] = sql("SELECT choices, seal FROM polls_vote")
    assert choices == [poll.options[1 if free else 0]]
    assert (seal is not None) is free
