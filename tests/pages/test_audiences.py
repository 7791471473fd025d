"""Audiences: votes by browser and by account, named or not, changed and withdrawn; and the order of options."""

import pytest
from django.test import Client

from polls import voters
from tests.support.responses import text_of
from tests.support.rows import votes
from tests.support.voters import signed_in


def test_poll_for_accounts_asks_to_sign_in(client, make_poll, sql):
    poll = make_poll(audience="account")
    page = text_of(client.get(f"/polls/{poll.slug}/"))
    assert "This poll is for people with an account here." in page
    assert f'href="/accounts/login/?next=/polls/{poll.slug}/"' in page
    response = client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert "Sign in to vote" in text_of(response)
    assert votes(sql) == 0


def test_signing_in_leads_back_to_the_poll(client, make_poll, django_user_model):
    poll = make_poll(audience="account")
    django_user_model.objects.create_user("ann", password="correct horse")
    response = client.post(
        "/accounts/login/", {"username": "ann", "password": "correct horse", "next": f"/polls/{poll.slug}/"}
    )
    assert response["Location"] == f"/polls/{poll.slug}/"
    assert "<form" in text_of(client.get(f"/polls/{poll.slug}/"))


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_signing_in_leads_to_this_site_only(client, django_user_model, transactional_db, target):
    django_user_model.objects.create_user("ann", password="correct horse")
    response = client.post("/accounts/login/", {"username": "ann", "password": "correct horse", "next": target})
    assert response["Location"] == "/mine/"


def test_one_vote_per_account_from_whichever_browser(make_poll, ann_and_bob, sql):
    poll = make_poll(audience="account")
    for user in (*ann_and_bob, *ann_and_bob):
        signed_in(user).post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 2


def test_account_does_not_vote_in_a_poll_by_link_beside_its_browser(make_poll, ann_and_bob, sql):
    poll, client = make_poll(), Client()
    client.get(f"/polls/{poll.slug}/")
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    client.force_login(ann_and_bob[0])
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 1


def test_signing_in_between_seeing_and_voting_is_no_second_person(make_poll, ann_and_bob, sql):
    poll, client = make_poll(audience="account"), signed_in(ann_and_bob[0])
    client.get(f"/polls/{poll.slug}/")
    client.force_login(ann_and_bob[1])
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    [(voter,)] = sql("SELECT voter FROM polls_vote")
    assert voter == voters.hidden_key(poll.slug, f"user:{ann_and_bob[1].pk}")


def test_poll_for_invited_people_takes_no_account_and_no_browser(make_poll, ann_and_bob, sql):
    poll, client = make_poll(audience="invite"), signed_in(ann_and_bob[0])
    page = text_of(client.get(f"/polls/{poll.slug}/"))
    assert "This poll is for people with an invitation." in page
    assert "<form" not in page
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 0


@pytest.mark.parametrize("named", [True, False])
def test_named_poll_stores_the_person_and_the_other_only_a_hash(make_poll, ann_and_bob, sql, named):
    poll = make_poll(audience="account", named=named)
    signed_in(ann_and_bob[0]).post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    person = f"user:{ann_and_bob[0].pk}"
    assert sql("SELECT voter FROM polls_vote") == [(person if named else voters.hidden_key(poll.slug, person),)]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"named": True}, "The owner of this poll sees who chose what."),
        ({}, "a code made from your browser's cookie with a key that only this server has"),
        ({}, "One vote per browser: that stops double clicks, and not somebody who uses several browsers."),
        ({"audience": "account"}, "a code made from your account"),
        ({"audience": "account"}, "You cannot change your vote later."),
        ({"changeable": True}, "You can change it or take it back while the poll is open."),
    ],
)
def test_ballot_says_what_happens_with_the_vote(make_poll, ann_and_bob, columns, says):
    poll = make_poll(**columns)
    assert says in text_of(signed_in(ann_and_bob[0]).get(f"/polls/{poll.slug}/"))


def choices(sql):
    return [row[0] for row in sql("SELECT choices FROM polls_vote")]


def test_vote_is_changed_and_counted_once(client, make_poll, sql):
    poll = make_poll(changeable=True)
    client.get(f"/polls/{poll.slug}/")
    for option in poll.options:
        assert client.post(f"/polls/{poll.slug}/", {"choices": option}).status_code == 303
    assert choices(sql) == [[poll.options[2]]]
    results = client.get(f"/polls/{poll.slug}/results.json").json()
    assert [option["votes"] for option in results["options"]] == [0, 0, 1]
    page = text_of(client.get(f"/polls/{poll.slug}/"))
    assert "You voted for <strong><bdi>Option 3</bdi></strong>." in page
    assert f'id="option-{poll.options[2]}" checked' in page


def test_vote_is_taken_back_and_may_be_cast_again(client, make_poll, sql):
    poll = make_poll(changeable=True)
    client.get(f"/polls/{poll.slug}/")
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert client.post(f"/polls/{poll.slug}/withdraw/").status_code == 303
    assert votes(sql) == 0
    assert client.get(f"/polls/{poll.slug}/results.json").json()["voters"] == 0
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    assert choices(sql) == [[poll.options[1]]]


def test_final_vote_is_neither_changed_nor_taken_back(client, make_poll, sql):
    poll = make_poll()
    client.get(f"/polls/{poll.slug}/")
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    client.post(f"/polls/{poll.slug}/withdraw/")
    assert choices(sql) == [[poll.options[0]]]


def test_vote_in_a_closed_poll_is_neither_changed_nor_taken_back(client, make_poll, sql):
    poll = make_poll(changeable=True)
    client.get(f"/polls/{poll.slug}/")
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    sql("UPDATE polls_poll SET closes_at = now()")
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    client.post(f"/polls/{poll.slug}/withdraw/")
    assert choices(sql) == [[poll.options[0]]]


def test_nobody_takes_back_the_vote_of_another(client, make_poll, vote, sql):
    poll = make_poll(changeable=True)
    vote(poll, "ann", poll.options[:1])
    client.get(f"/polls/{poll.slug}/")
    client.post(f"/polls/{poll.slug}/withdraw/")
    assert votes(sql) == 1


def test_taking_back_is_never_by_get_and_unknown_polls_are_unknown(client, make_poll):
    assert client.get(f"/polls/{make_poll().slug}/withdraw/").status_code == 405
    assert client.post("/polls/nowhere/withdraw/").status_code == 404


def test_options_are_shuffled_per_voter_and_stay_so(make_poll):
    poll = make_poll(options=8, shuffled=True)

    def order(client):
        page = text_of(client.get(f"/polls/{poll.slug}/"))
        return sorted(poll.options, key=lambda option: page.index(f'value="{option}"'))

    clients = [Client() for _ in range(6)]
    orders = [order(client) for client in clients]
    assert len({tuple(each) for each in orders}) > 1
    assert [order(client) for client in clients] == orders


def test_options_keep_their_order_by_default(client, make_poll):
    poll = make_poll(options=8)
    page = text_of(client.get(f"/polls/{poll.slug}/"))
    assert sorted(poll.options, key=lambda option: page.index(f'value="{option}"')) == poll.options


def test_times_are_shown_in_the_zone_of_the_poll_with_its_name(client, make_poll, sql):
    poll = make_poll(time_zone="Europe/Berlin")
    for closes_at, shown in (
        ("2099-07-01 10:00+00", "1 July 2099, 12:00 CEST"),
        ("2099-12-01 10:00+00", "1 December 2099, 11:00 CET"),
    ):
        sql("UPDATE polls_poll SET closes_at = %s", closes_at)
        assert shown in text_of(client.get(f"/polls/{poll.slug}/"))
