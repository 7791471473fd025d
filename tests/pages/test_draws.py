"""Pages of draws among the voters of an option: the form, and what owners, voters and others see."""

import re

import pytest
from django.test import Client

from polls import queries
from tests.support.responses import text_of


def test_owner_draws_with_the_form(as_olga, olga, closed_poll, conn, sql):
    poll = closed_poll(owner=olga)
    form = as_olga.get(f"/polls/{poll.slug}/draw/")
    assert 'name="number" value="1"' in text_of(form)
    assert "Why it is drawn again" not in text_of(form)
    response = as_olga.post(f"/polls/{poll.slug}/draw/", {"option": poll.options[0], "number": 1})
    assert (response.status_code, response["Location"]) == (303, f"/polls/{poll.slug}/draws/1/")
    page = text_of(as_olga.get(response["Location"]))
    [draw] = queries.list_draws(conn, poll.id)
    for shown in (draw.winner, *draw.alternates, draw.secret, draw.commitment, draw.entries_hash, "5 people"):
        assert shown in page
    assert sql("SELECT drawn_by FROM polls_draw") == [("olga",)]

    again = as_olga.get(f"/polls/{poll.slug}/draw/")
    assert "Why it is drawn again" in text_of(again)
    refused = as_olga.post(f"/polls/{poll.slug}/draw/", {"option": poll.options[0], "number": 2})
    assert refused.status_code == 422
    assert "A draw after the first needs a reason." in text_of(refused)
    as_olga.post(f"/polls/{poll.slug}/draw/", {"option": poll.options[0], "number": 2, "reason": "<i>Moved</i>"})
    for path in ("draws/", "draws/1/", "draws/2/"):
        page = text_of(as_olga.get(f"/polls/{poll.slug}/{path}"))
        assert "&lt;i&gt;Moved&lt;/i&gt;" in page
        assert "<i>" not in page


def test_draw_that_is_sent_twice_is_made_once(as_olga, olga, closed_poll, sql):
    poll = closed_poll(owner=olga)
    fields = {"option": poll.options[0], "number": 1}
    assert as_olga.post(f"/polls/{poll.slug}/draw/", fields).status_code == 303
    second = as_olga.post(f"/polls/{poll.slug}/draw/", fields)
    assert second.status_code == 409
    assert "Another draw was made meanwhile." in text_of(second)
    assert sql("SELECT count(*) FROM polls_draw") == [(1,)]


@pytest.mark.parametrize("method", ["get", "head"])
def test_nothing_is_drawn_by_get(as_olga, olga, closed_poll, sql, method):
    poll = closed_poll(owner=olga)
    fields = {"option": poll.options[0], "number": 1}
    assert getattr(as_olga, method)(f"/polls/{poll.slug}/draw/", fields).status_code == 200
    assert sql("SELECT id FROM polls_draw") == sql("SELECT id FROM polls_entries") == []


@pytest.mark.parametrize("who", ["anonymous", "stranger"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_draw_of_somebody_elses_poll_is_not_found(client, django_user_model, olga, closed_poll, sql, who, method):
    poll, unowned = closed_poll(owner=olga), closed_poll()
    if who == "stranger":
        client.force_login(django_user_model.objects.create_user("stranger"))
    for target in (poll, unowned):
        fields = {"option": target.options[0], "number": 1}
        assert getattr(client, method)(f"/polls/{target.slug}/draw/", fields).status_code == 404
        assert "Draw a winner" not in text_of(client.get(f"/polls/{target.slug}/draws/"))
    assert sql("SELECT id FROM polls_draw") == sql("SELECT id FROM polls_entries") == []


def test_staff_who_manage_polls_and_see_results_may_draw(staff_with, olga, closed_poll, sql):
    poll = closed_poll(owner=olga, results="owner")
    client = staff_with("manage_poll", "view_results")
    response = client.post(f"/polls/{poll.slug}/draw/", {"option": poll.options[0], "number": 1})
    assert "5 people" in text_of(client.get(response["Location"]))
    assert sql("SELECT drawn_by FROM polls_draw") == [("member-manage_poll-view_results",)]


def test_draw_from_another_site_is_refused(olga, closed_poll, sql):
    poll = closed_poll(owner=olga)
    client = Client(enforce_csrf_checks=True)
    client.force_login(olga)
    assert client.post(f"/polls/{poll.slug}/draw/", {"option": poll.options[0], "number": 1}).status_code == 403
    assert sql("SELECT id FROM polls_draw") == []


def test_draw_before_closing_is_refused_by_the_page_too(as_olga, olga, make_poll, vote, sql):
    poll = make_poll(owner_id=olga.pk)
    vote(poll, "ann", poll.options[:1])
    assert "after the poll has closed" in text_of(as_olga.get(f"/polls/{poll.slug}/draw/"))
    response = as_olga.post(f"/polls/{poll.slug}/draw/", {"option": poll.options[0], "number": 1})
    assert response.status_code == 422
    assert "A winner is drawn after the poll has closed." in text_of(response)
    assert sql("SELECT id FROM polls_draw") == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"option": "x"},
        {"option": "-1"},
        {"option": str(2**63)},
        {"option": "\0"},
        {"number": ""},
        {"number": "100"},
        {"reason": "x" * 201},
        {"public_value": "x" * 501},
        {"public_value": "\0"},
        {"public_value": "sneaked in"},
    ],
)
def test_bad_form_draws_nothing(as_olga, olga, closed_poll, sql, fields):
    poll = closed_poll(owner=olga)
    good = {"option": poll.options[0], "number": 1} if fields else {}
    response = as_olga.post(f"/polls/{poll.slug}/draw/", {**good, **fields})
    assert response.status_code == 422
    assert "Nothing was drawn" in text_of(response)
    assert sql("SELECT id FROM polls_draw") == []


def test_option_of_another_poll_is_not_drawn_from(as_olga, olga, closed_poll, sql):
    poll, other = closed_poll(owner=olga), closed_poll(owner=olga)
    response = as_olga.post(f"/polls/{poll.slug}/draw/", {"option": other.options[0], "number": 1})
    assert response.status_code == 422
    assert "This is no option of the poll." in text_of(response)


def test_entries_are_published_before_the_public_value_enters(as_olga, client, olga, closed_poll, conn, sql):
    poll = closed_poll(owner=olga, draw_source="The lottery of 1 May")
    draw = {"option": poll.options[0], "number": 1, "public_value": "4 8 15 16 23 42"}
    early = as_olga.post(f"/polls/{poll.slug}/draw/", draw)
    assert "The entries of this option are not frozen yet." in text_of(early)
    frozen = as_olga.post(f"/polls/{poll.slug}/draw/", {**draw, "public_value": "", "freeze": "on"})
    assert (frozen.status_code, frozen["Location"]) == (303, f"/polls/{poll.slug}/draws/")
    [entries] = queries.list_entries(conn, poll.id)
    page = text_of(Client().get(f"/polls/{poll.slug}/draws/"))
    assert entries.hash in page
    assert "The lottery of 1 May" in page
    assert queries.list_draws(conn, poll.id) == []
    assert as_olga.post(f"/polls/{poll.slug}/draw/", draw).status_code == 303
    assert "4 8 15 16 23 42" in text_of(as_olga.get(f"/polls/{poll.slug}/draws/1/"))


def test_voter_sees_whether_it_is_them(make_poll, conn, sql, drawn):
    poll = make_poll()
    browsers = [Client() for _ in range(3)]
    for browser in browsers:
        browser.get(f"/polls/{poll.slug}/")
        browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    elsewhere = Client()
    elsewhere.get(f"/polls/{poll.slug}/")
    elsewhere.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
    draw = drawn(poll)
    votes = sql("SELECT voter, seal FROM polls_vote ORDER BY id")
    codes = [queries.get_entry_codes(conn, poll.id, [key], [seal]) for key, seal in votes]
    assert sorted(code for [code] in codes[:3]) == sorted([draw.winner, *draw.alternates])
    for browser, [code] in zip([*browsers, elsewhere], codes, strict=True):
        assert code in text_of(browser.get(f"/polls/{poll.slug}/draws/"))
        page = text_of(browser.get(f"/polls/{poll.slug}/draws/1/"))
        assert ("This is you: your entry has won." in page) == (code == draw.winner)
        assert ("of the alternates." in page) == (code in draw.alternates)
    assert "you" not in re.findall(r'class="state".*', text_of(Client().get(f"/polls/{poll.slug}/draws/1/")))


@pytest.mark.parametrize("results", ["owner", "voted"])
def test_draw_leaks_no_count_to_who_may_not_see_the_results(client, closed_poll, drawn, results):
    poll = closed_poll(results=results)
    draw = drawn(poll)
    page = client.get(f"/polls/{poll.slug}/draws/1/").content.decode()
    assert draw.winner in re.sub("</?strong>", "", page)
    for hidden in (*draw.alternates, draw.entries_hash, draw.secret, "5 people", "entries.txt"):
        assert hidden not in page
    assert draw.entries_hash not in client.get(f"/polls/{poll.slug}/draws/").content.decode()
    response = client.get(f"/polls/{poll.slug}/draws/1/entries.txt")
    assert response.status_code == 403
    assert draw.winner not in response.content.decode()


def test_page_of_a_draw_is_as_long_for_two_entries_as_for_twelve_where_results_are_hidden(client, closed_poll, drawn):
    sizes = set()
    for voters in (2, 12):
        poll = closed_poll(voters, results="owner", title="Same", slug=f"same-{voters:02}")
        drawn(poll)
        page = client.get(f"/polls/{poll.slug}/draws/1/")
        sizes.add(len(page.content))
    assert len(sizes) == 1


def test_voter_who_may_not_see_the_results_still_learns_of_having_won(make_poll, sql, drawn):
    poll = make_poll(results="owner")
    browser = Client()
    browser.get(f"/polls/{poll.slug}/")
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
    drawn(poll)
    assert "This is you: your entry has won." in text_of(browser.get(f"/polls/{poll.slug}/draws/1/"))


@pytest.mark.parametrize("path", ["draws/1/", "draws/2/", "draws/1/entries.txt", "draws/99999999999999999999/"])
def test_draw_that_was_not_made_is_not_found(client, closed_poll, path):
    assert client.get(f"/polls/{closed_poll().slug}/{path}").status_code == 404


@pytest.mark.parametrize("path", ["draws/", "draws/1/", "draws/1/entries.txt", "draw/"])
def test_draws_of_a_draft_or_of_no_poll_are_not_found(client, conn, make_poll, path):
    draft = make_poll(opens_in=None)
    for slug in (draft.slug, "nowhere"):
        assert client.get(f"/polls/{slug}/{path}").status_code == 404
