"""Ballots: each state of a poll, bad input, and the cookie that stands for a voter."""

import pytest
from django.db import connection
from django.test import Client
from django.test.signals import template_rendered
from django.test.utils import CaptureQueriesContext

from tests.support.responses import text_of
from tests.support.rows import votes


def test_ballot_of_a_poll_with_one_choice_has_radio_buttons(client, make_poll):
    page = text_of(client.get(f"/polls/{make_poll().slug}/"))
    assert page.count('type="radio" name="choices"') == 3
    assert "checked" not in page
    assert "Choose one option." in page


def test_ballot_of_a_poll_with_several_choices_has_check_boxes(client, make_poll):
    page = text_of(client.get(f"/polls/{make_poll(min_choices=2, max_choices=3).slug}/"))
    assert page.count('type="checkbox" name="choices"') == 3
    assert "Choose 2 to 3 options." in page


@pytest.mark.parametrize(
    ("window", "says"),
    [
        ({"opens_in": "1 hour"}, "This poll is not open yet."),
        ({"opens_in": "-2 hours", "closes_in": "-1 hour"}, "This poll closed"),
        ({"archived_at": "2026-01-01"}, "This poll is archived."),
    ],
)
def test_poll_that_is_not_open_says_so_and_takes_no_vote(voter, make_poll, sql, window, says):
    client, _ = voter
    poll = make_poll(**window)
    page = text_of(client.get(f"/polls/{poll.slug}/"))
    assert says in page
    assert "<form" not in page
    response = client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]}, follow=True)
    assert says in text_of(response)
    assert votes(sql) == 0


def test_draft_is_unknown_to_everybody(voter, make_poll, sql):
    client, _ = voter
    poll = make_poll(opens_in=None)
    for path in ("", "results/", "results.json", "results.csv"):
        assert client.get(f"/polls/{poll.slug}/{path}").status_code == 404
    assert client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]}).status_code == 404
    assert votes(sql) == 0


def test_unknown_poll_is_a_page_that_helps(client, conn):
    response = client.get("/polls/nowhere-at-all/")
    assert response.status_code == 404
    assert "There is nothing at this address" in text_of(response)


def test_voter_who_comes_back_sees_the_vote(voter):
    client, poll = voter
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    page = text_of(client.get(f"/polls/{poll.slug}/"))
    assert "Your vote is counted." in page
    assert "You voted for <strong><bdi>Option 2</bdi></strong>." in page
    assert "<form" not in page


def test_second_vote_changes_nothing_and_says_what_stands(voter, sql):
    client, poll = voter
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    response = client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]}, follow=True)
    assert response.redirect_chain == [(f"/polls/{poll.slug}/", 303)]
    assert "You voted for <strong><bdi>Option 2</bdi></strong>." in text_of(response)
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[1]],)]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ([], "Choose an option."),
        ([""], "One of the options sent is none of this poll."),
        (["-1"], "One of the options sent is none of this poll."),
        (["1.5"], "One of the options sent is none of this poll."),
        (["abc"], "One of the options sent is none of this poll."),
        (["٣"], "One of the options sent is none of this poll."),
        (["1' OR '1'='1"], "One of the options sent is none of this poll."),
        (["\x00"], "One of the options sent is none of this poll."),
        ([str(2**63 - 1)], "One of the options sent is none of this poll."),
        ([str(2**63)], "One of the options sent is none of this poll."),
        (["9" * 5000], "One of the options sent is none of this poll."),
        ("other poll", "One of the options sent is none of this poll."),
        ("two", "2 options were chosen. Choose one option."),
        ("twice", "2 options were chosen. Choose one option."),
    ],
)
def test_bad_ballot_comes_back_with_an_error_and_writes_nothing(voter, make_poll, sql, sent, says):
    client, poll = voter
    other = make_poll()
    sent = {"other poll": other.options[:1], "two": poll.options[:2], "twice": poll.options[:1] * 2}.get(
        sent if isinstance(sent, str) else "", sent
    )
    response = client.post(f"/polls/{poll.slug}/", {"choices": sent})
    assert response.status_code == 200
    page = text_of(response)
    assert "There is a problem" in page
    assert f'<a href="#option-{poll.options[0]}">{says}' in page
    assert votes(sql) == 0


def test_more_fields_than_any_ballot_has_are_refused(voter, sql):
    client, poll = voter
    assert client.post(f"/polls/{poll.slug}/", {"choices": ["1"] * 1001}).status_code == 400
    assert votes(sql) == 0


def test_option_sent_twice_to_a_poll_with_several_choices_is_named(client, make_poll, sql):
    poll = make_poll(max_choices=3)
    client.get(f"/polls/{poll.slug}/")
    response = client.post(f"/polls/{poll.slug}/", {"choices": [poll.options[0]] * 2})
    assert "An option was sent twice." in text_of(response)
    assert votes(sql) == 0


def test_bad_ballot_keeps_what_was_chosen(client, make_poll):
    poll = make_poll(min_choices=2, max_choices=2)
    client.get(f"/polls/{poll.slug}/")
    page = text_of(client.post(f"/polls/{poll.slug}/", {"choices": [poll.options[1]]}))
    assert page.count(" checked") == 1
    assert f'id="option-{poll.options[1]}" checked' in page


def test_vote_without_the_cookie_gets_the_ballot_and_the_cookie(client, make_poll, sql):
    poll = make_poll()
    response = client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert response.status_code == 200
    assert "please vote again" in text_of(response)
    assert votes(sql) == 0
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 1


def test_forged_cookie_is_no_cookie(voter, sql):
    client, poll = voter
    client.cookies["voter"] = "mallory:forged:signature"
    assert "please vote again" in text_of(client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]}))
    assert votes(sql) == 0


def test_vote_without_csrf_token_is_refused_with_a_page_that_helps(make_poll, sql):
    poll, client = make_poll(), Client(enforce_csrf_checks=True)
    client.get(f"/polls/{poll.slug}/")
    response = client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert response.status_code == 403
    assert "This could not be accepted" in text_of(response)
    assert votes(sql) == 0


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(voter, method):
    client, poll = voter
    assert getattr(client, method)(f"/polls/{poll.slug}/").status_code == 405


def test_get_never_votes(voter, sql):
    client, poll = voter
    for ask in (client.get, client.head):
        assert ask(f"/polls/{poll.slug}/", {"choices": poll.options[0]}).status_code == 200
    assert votes(sql) == 0


def test_cookie_is_for_this_site_and_no_script(client, make_poll):
    cookie = client.get(f"/polls/{make_poll().slug}/").cookies["voter"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_voter_key_in_the_database_is_not_what_the_browser_holds(voter, sql):
    client, poll = voter
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    [(key,)] = sql("SELECT voter FROM polls_vote")
    assert key not in client.cookies["voter"].value
    assert client.cookies["voter"].value.split(":")[0] not in key


def test_one_browser_has_another_key_in_each_poll(voter, make_poll, sql):
    client, poll = voter
    for each in (poll, make_poll()):
        client.post(f"/polls/{each.slug}/", {"choices": each.options[0]})
    assert sql("SELECT count(DISTINCT voter) FROM polls_vote") == [(2,)]


def test_markup_in_every_text_stays_text(client, make_poll, sql):
    evil = "<script>alert(1)</script>"
    poll = make_poll(title=evil, description=evil)
    sql("UPDATE polls_option SET text = text || %s", evil)
    for path in ("/", f"/polls/{poll.slug}/", f"/polls/{poll.slug}/results/"):
        page = text_of(client.get(path))
        assert evil not in page
        assert "&lt;script&gt;" in page


def test_voting_pages_of_an_anonymous_visitor_ask_the_orm_nothing(client, make_poll, sql):
    poll = make_poll()
    with CaptureQueriesContext(connection) as orm:
        for path in ("/", f"/polls/{poll.slug}/", f"/polls/{poll.slug}/results/", f"/polls/{poll.slug}/results.json"):
            assert client.get(path).status_code == 200
        assert client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]}).status_code == 303
        assert client.post(f"/polls/{poll.slug}/", {"choices": []}).status_code == 200
    assert orm.captured_queries == []
    assert "sessionid" not in client.cookies
    assert votes(sql) == 1
    assert sql("SELECT count(*) FROM django_session") == [(0,)]


def test_no_page_is_rendered_while_a_connection_is_held(client, make_poll, pool):
    held = []

    def look(**_):
        held.append([row for row in pool.status() if row["state"] == "in use"])

    poll = make_poll(changeable=True)
    template_rendered.connect(look)
    try:
        for path in ("/", f"/polls/{poll.slug}/", f"/polls/{poll.slug}/results/"):
            client.get(path)
        client.post(f"/polls/{poll.slug}/", {"choices": []})
        client.post(f"/polls/{poll.slug}/", {"choices": poll.options[:2]})
    finally:
        template_rendered.disconnect(look)
    assert len(held) >= 5
    assert not any(held)
