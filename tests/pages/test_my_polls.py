"""The list of a user's polls."""

import re

from tests.support.responses import text_of


def test_my_polls_are_mine_newest_first_and_archived_last(owner, own_poll, make_poll, users):
    own_poll(title="Put away", archived_at="2026-01-01", created_at="2026-03-01")
    own_poll(title="The first", created_at="2026-01-01")
    own_poll(title="The second", created_at="2026-02-01", opens_in=None)
    make_poll(title="Of nobody")
    make_poll(title="Of somebody else", owner_id=users["staff"].pk)
    page = text_of(owner.get("/mine/"))
    titles = re.findall(r"/manage/\"><bdi>([^<]+)<", page)
    assert titles == ["The second", "The first", "Put away"]


def test_my_polls_tell_state_turnout_and_link(owner, own_poll, vote):
    poll = own_poll(slug="tea-2345678bcd", closes_in="1 hour", time_zone="Asia/Tokyo")
    for voter in ("ann", "bob"):
        vote(poll, voter, poll.options[:1])
    page = text_of(owner.get("/mine/"))
    assert "2 people have voted." in page
    assert "JST" in page
    assert "http://testserver/s/2345678bcd/" in page


def test_my_polls_with_a_zone_that_there_is_not_are_shown(owner, own_poll):
    poll = own_poll(time_zone="Mars/Olympus", closes_in="1 hour")
    for path in ("/mine/", f"/polls/{poll.slug}/manage/", f"/polls/{poll.slug}/times/"):
        assert "UTC" in text_of(owner.get(path))


def test_my_polls_come_in_pages(owner, own_poll):
    for number in range(21):
        own_poll(title=f"Question {number:02}", created_at=f"2026-01-{number + 1:02}")
    first, second = text_of(owner.get("/mine/")), text_of(owner.get("/mine/?page=2"))
    assert ("Question 20" in first, "Question 00" in first, "Question 00" in second) == (True, False, True)
    assert "There are no more polls." in text_of(owner.get("/mine/?page=3"))
    assert owner.get("/mine/?page=x").status_code == 200


def test_no_polls_yet_says_so(owner):
    assert "You have no polls yet." in text_of(owner.get("/mine/"))
