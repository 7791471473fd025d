"""The front page: which polls it lists, in what order, and the search."""

import pytest

from tests.support.responses import text_of


def test_front_page_lists_open_polls(client, make_poll):
    make_poll(title="Tea or coffee?")
    make_poll(title="Long gone", opens_in="-2 hours", closes_in="-1 hour")
    page = text_of(client.get("/"))
    assert "Tea or coffee?" in page
    assert "Long gone" not in page


def test_front_page_says_that_there_is_nothing(client, conn):
    assert "No poll is open at the moment." in text_of(client.get("/"))


def test_front_page_ranks_by_votes_that_everybody_may_see(client, make_poll, vote):
    some, hidden, many = make_poll(title="Some"), make_poll(title="Hidden", results="closed"), make_poll(title="Many")
    for poll, number in ((some, 1), (hidden, 3), (many, 2)):
        for voter in range(number):
            vote(poll, f"voter-{voter}", poll.options[:1])
    page = text_of(client.get("/?order=votes"))
    assert sorted(("Some", "Hidden", "Many"), key=page.index) == ["Many", "Some", "Hidden"]


def test_front_page_is_cut_into_pages(client, make_poll):
    for number in range(21):
        make_poll(title=f"Question {number:02}", opens_in=f"-{60 - number} minutes")
    first, second = text_of(client.get("/?q=question")), text_of(client.get("/?q=question&page=2"))
    assert "Question 20" in first
    assert "Question 00" not in first
    assert 'href="?page=2&amp;q=question"' in first
    assert "Question 00" in second
    assert "Older polls" not in second


@pytest.mark.parametrize("query", ["page=0", "page=x", "page=99999999999", "q=%00", "q=%ED%A0%80", "q=" + "x" * 5000])
def test_bad_search_is_no_error(client, conn, query):
    assert client.get(f"/?{query}").status_code == 200


def test_search_that_finds_nothing_says_so_without_running_markup(client, conn):
    page = text_of(client.get("/?q=<script>alert(1)</script>"))
    assert "No open poll has" in page
    assert "<script>alert" not in page
