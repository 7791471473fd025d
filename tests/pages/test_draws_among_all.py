"""Pages of draws among everybody who voted: the form, and what owners, voters and others see."""

import re

import pytest
from django.test import Client

from polls import queries
from tests.support.draws import (
    codes_of,
)
from tests.support.invitations import follow, invite
from tests.support.responses import text_of


@pytest.fixture
def ballots(make_poll, sql):
    """Make a closed poll with the votes of four browsers; return both."""

    def make(**columns):
        poll = make_poll(**columns)
        browsers = [Client() for _ in range(4)]
        for number, browser in enumerate(browsers):
            browser.get(f"/polls/{poll.slug}/")
            browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[number % 3]})
        sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
        return poll, browsers

    return make


def shown(response):
    """The text of a page, without the emphasis inside the winner's code."""
    return re.sub("</?strong>", "", text_of(response))


def choices_on(page):
    """The choices of the form: the value, whether it is preselected, and the label."""
    return [
        (value, bool(checked), re.sub("<[^>]+>", "", label))
        for value, checked, label in re.findall(
            r'<input type="radio" name="option" value="(\w+)"( checked)?> <span>(.*?)</label>', page
        )
    ]


def test_form_offers_everybody_first_and_says_how_many(owner, users, closed_poll_for_all):
    poll = closed_poll_for_all(owner_id=users["owner"].pk, results="owner")
    page = text_of(owner.get(f"/polls/{poll.slug}/draw/"))
    assert choices_on(page) == [
        ("all", True, "Everybody who voted (6 people)"),
        (str(poll.options[0]), False, "Those who chose Option 1 (2 people)"),
        (str(poll.options[1]), False, "Those who chose Option 2 (4 people)"),
        (str(poll.options[2]), False, "Those who chose Option 3 (6 people)"),
    ]
    assert "the poll cannot be opened again" in page


def test_form_counts_one_person(owner, users, closed_poll_for_all):
    poll = closed_poll_for_all(1, owner_id=users["owner"].pk)
    said = [said for _value, _checked, said in choices_on(text_of(owner.get(f"/polls/{poll.slug}/draw/")))]
    assert said[:2] == ["Everybody who voted (1 person)", "Those who chose Option 1 (1 person)"]


def test_form_preselects_what_was_frozen_last(conn, owner, users, closed_poll_for_all):
    poll = closed_poll_for_all(owner_id=users["owner"].pk, draw_source="Lottery")
    for option_id, value in ((poll.options[1], str(poll.options[1])), (None, "all")):
        queries.freeze_entries(conn, poll.id, option_id, actor="test")
        choices = choices_on(text_of(owner.get(f"/polls/{poll.slug}/draw/")))
        assert [value for value, checked, _said in choices if checked] == [value]
        assert [said.endswith("entries frozen") for choice, _checked, said in choices if choice == value] == [True]


def test_owner_draws_among_everybody_with_the_form(owner, users, client, closed_poll_for_all, conn, sql):
    poll = closed_poll_for_all(owner_id=users["owner"].pk)
    response = owner.post(f"/polls/{poll.slug}/draw/", {"option": "all", "number": 1})
    assert (response.status_code, response["Location"]) == (303, f"/polls/{poll.slug}/draws/1/")
    page = shown(owner.get(response["Location"]))
    [draw] = queries.list_draws(conn, poll.id)
    for told in (draw.winner, *draw.alternates, draw.secret, draw.commitment, draw.entries_hash):
        assert told in page
    assert "One winner was drawn from the 6 people who have voted, each with the same chance." in page
    assert sql("SELECT drawn_by, option_id FROM polls_draw") == [("owner", None)]
    fields = {"option": poll.options[0], "number": 2, "reason": "Moved"}
    assert owner.post(f"/polls/{poll.slug}/draw/", fields).status_code == 303
    listed = text_of(client.get(f"/polls/{poll.slug}/draws/"))
    assert "Draw 1, among everybody who voted</a>" in listed
    assert "Draw 2, among those who chose <bdi>Option 1</bdi></a>" in listed
    assert "<strong><bdi>Everybody who voted</bdi></strong>: 6 entries" in listed
    assert "Draw 1</a>, among everybody who voted" in text_of(client.get(f"/polls/{poll.slug}/draws/2/"))


def test_page_says_who_votes_is_missing_or_not_frozen(owner, users, closed_poll_for_all):
    empty = closed_poll_for_all(0, owner_id=users["owner"].pk)
    assert choices_on(text_of(owner.get(f"/polls/{empty.slug}/draw/")))[0][2] == "Everybody who voted (0 people)"
    refused = owner.post(f"/polls/{empty.slug}/draw/", {"option": "all", "number": 1})
    assert (refused.status_code, "Nobody has voted." in text_of(refused)) == (422, True)
    poll = closed_poll_for_all(owner_id=users["owner"].pk, draw_source="Lottery")
    fields = {"option": "all", "number": 1, "public_value": "4 8 15"}
    early = owner.post(f"/polls/{poll.slug}/draw/", fields)
    assert "The entries of everybody who voted are not frozen yet." in text_of(early)
    assert ("all", True) in [choice[:2] for choice in choices_on(text_of(early))]
    frozen = owner.post(f"/polls/{poll.slug}/draw/", {**fields, "public_value": "", "freeze": "on"})
    assert frozen["Location"] == f"/polls/{poll.slug}/draws/"
    assert owner.post(f"/polls/{poll.slug}/draw/", fields).status_code == 303


@pytest.mark.parametrize("results", ["always", "owner"])
def test_voter_finds_their_code_and_whether_it_has_won(conn, ballots, drawn_among_all, sql, results):
    poll, browsers = ballots(results=results)
    draw = drawn_among_all(poll)
    votes = sql("SELECT voter, seal FROM polls_vote ORDER BY id")
    codes = [queries.get_entry_code_among_all(conn, poll.id, [key], [seal]) for key, seal in votes]
    assert sorted(codes) == codes_of(conn, poll)
    won = 0
    for browser, code in zip(browsers, codes, strict=True):
        listed = text_of(browser.get(f"/polls/{poll.slug}/draws/"))
        assert f"<li>Among everybody who voted: <code>{code}</code></li>" in listed
        assert "Among those who chose" in listed
        page = text_of(browser.get(f"/polls/{poll.slug}/draws/1/"))
        assert ("This is you: your entry has won." in page) == (code == draw.winner)
        assert ("of the alternates." in page) == (results == "always" and code != draw.winner)
        won += code == draw.winner
    assert won == 1
    stranger = Client()
    assert "Among everybody who voted:" not in text_of(stranger.get(f"/polls/{poll.slug}/draws/"))
    assert "No entry in this draw is known to be yours here." in text_of(stranger.get(f"/polls/{poll.slug}/draws/1/"))
    assert queries.get_entry_code_among_all(conn, poll.id, ["nobody"], []) is None


def test_winner_is_shown_as_a_code_whose_beginning_stands_out(client, closed_poll_for_all, drawn_among_all):
    poll = closed_poll_for_all()
    winner = drawn_among_all(poll).winner
    page = text_of(client.get(f"/polls/{poll.slug}/draws/1/"))
    assert f"<p><code><strong>{winner[:8]}</strong>{winner[8:]}</code></p>" in page


def test_draw_on_paper_names_its_address(client, closed_poll_for_all, drawn_among_all):
    poll = closed_poll_for_all()
    drawn_among_all(poll)
    assert f"Check this sheet at http://testserver/polls/{poll.slug}/draws/1/" in text_of(
        client.get(f"/polls/{poll.slug}/draws/1/")
    )


@pytest.mark.parametrize("name", ["owner", "staff", "stranger", "anonymous"])
def test_who_runs_the_poll_is_told_how_the_winner_learns_of_it(
    as_user, users, closed_poll_for_all, drawn_among_all, name
):
    poll = closed_poll_for_all(owner_id=users["owner"].pk)
    drawn_among_all(poll)
    page = text_of(as_user(name).get(f"/polls/{poll.slug}/draws/1/"))
    assert ("Tell the voters to open the link of the poll again" in page) == (name in ("owner", "staff"))


@pytest.mark.parametrize("results", ["owner", "voted"])
def test_draw_among_all_leaks_no_turnout_to_who_may_not_see_the_results(
    client, closed_poll_for_all, drawn_among_all, results
):
    poll = closed_poll_for_all(results=results)
    draw = drawn_among_all(poll)
    page = shown(client.get(f"/polls/{poll.slug}/draws/1/"))
    assert draw.winner in page
    assert "drawn from everybody who has voted" in page
    listed = text_of(client.get(f"/polls/{poll.slug}/draws/"))
    for hidden in (*draw.alternates, draw.entries_hash, draw.secret, "6 people", "6 entries", "entries.txt"):
        assert hidden not in page
        assert hidden not in listed
    assert client.get(f"/polls/{poll.slug}/draws/1/entries.txt").status_code == 403


def test_pages_of_draws_are_as_long_for_two_voters_as_for_twelve_where_results_are_hidden(
    client, closed_poll_for_all, drawn_among_all
):
    sizes = set()
    for voters in (2, 12):
        poll = closed_poll_for_all(voters, results="owner", title="Same", slug=f"same-{voters:02}")
        drawn_among_all(poll)
        sizes.add(tuple(len(client.get(f"/polls/{poll.slug}/draws/{path}").content) for path in ("", "1/")))
    assert len(sizes) == 1


def test_link_to_an_anonymous_poll_tells_no_entry_to_who_made_it(conn, make_poll, drawn_among_all, sql, users):
    """The owner of a poll knows all links, and could follow one to see who is in the draw of an option."""
    poll = make_poll(audience="invite", owner_id=users["owner"].pk)
    [link] = invite(conn, poll, "Ann")
    here, elsewhere = follow(link), follow(link)
    here.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
    option, everybody = drawn_among_all(poll, option_id=poll.options[0]), drawn_among_all(poll, 2, reason="again")
    listed = [text_of(browser.get(f"/polls/{poll.slug}/draws/")) for browser in (here, elsewhere)]
    assert [f"<code>{option.winner}</code>" in page for page in listed] == [True, False]
    assert [f"<code>{everybody.winner}</code>" in page for page in listed] == [True, False]
    for number in (1, 2):
        pages = [text_of(browser.get(f"/polls/{poll.slug}/draws/{number}/")) for browser in (here, elsewhere)]
        assert ["your entry has won" in page for page in pages] == [True, False]


def test_trail_tells_of_a_draw_among_all(owner, users, closed_poll_for_all, drawn_among_all, sql):
    poll = closed_poll_for_all(owner_id=users["owner"].pk)
    drawn_among_all(poll)
    page = text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    assert "froze who is in a draw" in page
    assert "drew a winner, draw 1" in page
    assert sql("SELECT details -> 'option_id' FROM polls_event WHERE action ~ '^(entries|draw) ' ORDER BY id") == [
        ([None, None],),
        ([None, None],),
    ]


@pytest.mark.parametrize("page", ["", "results/"])
def test_voters_are_led_from_the_poll_to_its_latest_draw(ballots, drawn_among_all, page):
    poll, browsers = ballots()
    path = f"/polls/{poll.slug}/{page}"
    assert "A winner was drawn" not in text_of(browsers[0].get(path))
    drawn_among_all(poll)
    drawn_among_all(poll, 2, reason="Once more")
    assert f'<a href="/polls/{poll.slug}/draws/2/">See whether it is you</a>' in text_of(browsers[0].get(path))
    assert f'<a href="/polls/{poll.slug}/draws/2/">See the draw</a>' in text_of(Client().get(path))
    told = ["your entry has won" in text_of(browser.get(f"/polls/{poll.slug}/draws/2/")) for browser in browsers]
    assert sorted(told) == [False, False, False, True]
