"""Access to the pages that manage a poll: for its owner, and staff who may manage polls of others."""

import re

import pytest

from tests.support.poll_forms import LATER, sent, wall
from tests.support.responses import text_of
from tests.support.rows import actors, state_of

PAGES = ["manage/", "edit/", "times/", "correct/", "preview/", "delete/"]
ACTIONS = ["manage/open/", "manage/close/", "manage/archive/", "manage/unarchive/"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("state", [{"opens_in": None}, {}, {"closes_in": "-1 minute"}, {"archived_at": "2026-01-01"}])
def test_pages_of_a_poll_are_for_its_owner_and_staff_who_may(as_user, own_poll, path, state):
    poll = own_poll(**state)
    codes = {
        name: as_user(name).get(f"/polls/{poll.slug}/{path}").status_code
        for name in ("anonymous", "stranger", "clerk", "owner", "staff")
    }
    shown = 303 if path == "correct/" else 200  # without votes, it redirects to editing
    assert codes == {"anonymous": 302, "stranger": 404, "clerk": 404, "owner": shown, "staff": shown}
    anonymous = as_user("anonymous").get(f"/polls/{poll.slug}/{path}")
    assert anonymous["Location"] == f"/accounts/login/?next=/polls/{poll.slug}/{path}"


@pytest.mark.parametrize("path", [*ACTIONS, "edit/", "times/", "correct/?what=title", "delete/"])
@pytest.mark.parametrize("name", ["anonymous", "stranger", "clerk"])
def test_nobody_else_changes_a_poll(as_user, own_poll, sql, vote, path, name):
    poll = own_poll()
    if path.startswith("correct"):
        vote(poll, "ann", poll.options[:1])
    before = sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option"), sql("SELECT * FROM polls_event")
    fields = sent(title="Taken over", closes_at=wall(LATER), after="Taken over", reason="mine")
    response = as_user(name).post(f"/polls/{poll.slug}/{path}", fields)
    assert response.status_code == (302 if name == "anonymous" else 404)
    if name == "anonymous":  # signing in does not repeat the request
        assert response["Location"] == "/accounts/login/?next=/mine/"
    after = sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option"), sql("SELECT * FROM polls_event")
    assert after == before


@pytest.mark.parametrize("path", ["edit/", "times/", "manage/close/", "delete/"])
def test_changes_need_the_token_of_a_page(as_user, own_poll, sql, path):
    poll = own_poll()
    events = sql("SELECT count(*) FROM polls_event")
    response = as_user("owner", enforce_csrf_checks=True).post(f"/polls/{poll.slug}/{path}", sent())
    assert response.status_code == 403
    assert sql("SELECT count(*) FROM polls_event") == events


@pytest.mark.parametrize("path", ACTIONS)
def test_actions_are_no_pages(owner, own_poll, sql, path):
    poll = own_poll()
    assert owner.get(f"/polls/{poll.slug}/{path}").status_code == 405
    assert state_of(sql, poll) == "open"


def test_staff_act_under_their_own_name(as_user, own_poll, sql):
    poll = own_poll()
    as_user("staff").post(f"/polls/{poll.slug}/manage/close/")
    assert actors(sql, "poll changed") == {"staff"}
    assert "<bdi>staff</bdi> closed the poll" in text_of(as_user("owner").get(f"/polls/{poll.slug}/manage/"))


@pytest.mark.parametrize("path", ["/mine/", "/polls/new/"])
def test_own_pages_ask_to_sign_in(client, conn, path):
    assert client.get(path)["Location"] == f"/accounts/login/?next={path}"


def test_pages_of_polls_that_there_are_not_are_unknown(owner):
    for path in [*PAGES, *ACTIONS]:
        ask = owner.post if path in ACTIONS else owner.get
        assert ask(f"/polls/nowhere-at-all/{path}").status_code == 404
    assert owner.post("/polls/nowhere-at-all/manage/explode/").status_code == 404


def test_pages_are_small_and_have_neither_script_nor_style_in_them(owner, own_poll):
    poll = own_poll()
    for path in ("/mine/", "/polls/new/", *(f"/polls/{poll.slug}/{path}" for path in PAGES[:3])):
        page = owner.get(path).content.decode()
        assert len(page) < 30_000
        assert not re.search(r"<script>|<style| style=| on\w+=", page)


@pytest.mark.parametrize("page", ["", "results/", "draws/"])
def test_who_runs_a_poll_gets_from_its_pages_to_where_that_is_done(as_user, own_poll, page):
    poll = own_poll()
    shown = {
        name: f'href="/polls/{poll.slug}/manage/"' in text_of(as_user(name).get(f"/polls/{poll.slug}/{page}"))
        for name in ("owner", "staff", "clerk", "stranger", "anonymous")
    }
    assert shown == {"owner": True, "staff": True, "clerk": False, "stranger": False, "anonymous": False}


@pytest.mark.parametrize("page", ["", "results/"])
def test_poll_of_nobody_is_not_run_by_who_is_not_signed_in(client, make_poll, page):
    assert "/manage/" not in text_of(client.get(f"/polls/{make_poll(owner_id=None).slug}/{page}"))
