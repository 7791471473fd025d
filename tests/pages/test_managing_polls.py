"""The pages of those who run polls: the list, the page of a poll, what its buttons do, and who may."""

import re

import pytest

from polls import queries, trail
from tests.support.poll_forms import LATER, sent, times, wall
from tests.support.responses import text_of
from tests.support.rows import actors, options_of, state_of

DESIGN = queries.Design("Mine", "", ["A", "B"], "link", True, True, True, 1, 2, "owner", True, "")


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


PAGES = ["manage/", "edit/", "times/", "correct/", "preview/", "delete/"]
ACTIONS = ["manage/open/", "manage/close/", "manage/archive/", "manage/unarchive/"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("state", [{"opens_in": None}, {}, {"closes_in": "-1 minute"}, {"archived_at": "2026-01-01"}])
def test_pages_of_a_poll_are_for_its_owner_and_staff(as_user, own_poll, path, state):
    poll = own_poll(**state)
    codes = {
        name: as_user(name).get(f"/polls/{poll.slug}/{path}").status_code
        for name in ("anonymous", "stranger", "owner", "staff")
    }
    shown = 303 if path == "correct/" else 200  # without votes it leads to editing
    assert codes == {"anonymous": 302, "stranger": 404, "owner": shown, "staff": shown}
    anonymous = as_user("anonymous").get(f"/polls/{poll.slug}/{path}")
    assert anonymous["Location"] == f"/accounts/login/?next=/polls/{poll.slug}/{path}"


@pytest.mark.parametrize("path", [*ACTIONS, "edit/", "times/", "correct/?what=title", "delete/"])
@pytest.mark.parametrize("name", ["anonymous", "stranger"])
def test_nobody_else_changes_a_poll(as_user, own_poll, sql, vote, path, name):
    poll = own_poll()
    if path.startswith("correct"):
        vote(poll, "ann", poll.options[:1])
    before = sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option"), sql("SELECT * FROM polls_event")
    fields = sent(title="Taken over", closes_at=wall(LATER), after="Taken over", reason="mine")
    response = as_user(name).post(f"/polls/{poll.slug}/{path}", fields)
    assert response.status_code == (302 if name == "anonymous" else 404)
    if name == "anonymous":  # signing in does not repeat what was sent
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


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("get_managed", {}),
        ("edit_poll", {"design": DESIGN}),
        ("edit_audience_of_results", {"results": "owner", "listed": True}),
        ("set_times", {"times": queries.Times("draft", None, None, "")}),
        ("correct", {"field": "title", "option_id": None, "after": "Mine", "reason": "mine"}),
        ("open_poll", {}),
        ("close_poll", {}),
        ("archive_poll", {}),
        ("unarchive_poll", {}),
        ("delete_poll", {}),
    ],
)
def test_data_layer_lets_nobody_else_manage_a_poll(conn, own_poll, users, sql, query, arguments):
    """The pages ask it first, and an ownership that changes in between must not matter."""
    poll = own_poll()
    before = sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option"), sql("SELECT * FROM polls_event")
    with pytest.raises(queries.PollNotFound):
        getattr(queries, query)(conn, poll.slug, queries.Manager(users["stranger"].pk, False, "stranger"), **arguments)
    after = sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option"), sql("SELECT * FROM polls_event")
    assert after == before


@pytest.mark.parametrize(
    ("columns", "action", "state", "says"),
    [
        ({"opens_in": None}, "open", "open", "The poll is open."),
        ({"opens_in": "1 hour"}, "open", "open", "The poll is open."),
        ({}, "close", "closed", "The poll is closed."),
        ({"closes_in": "-1 minute"}, "archive", "archived", "The poll is archived."),
        ({"closes_in": "-1 minute", "archived_at": "2026-01-01"}, "unarchive", "closed", "out of the archive."),
        ({}, "open", "open", "Only drafts and scheduled polls"),
        ({"opens_in": None, "options": 0}, "open", "draft", "Only drafts and scheduled polls with enough options"),
        ({"opens_in": None}, "close", "draft", "Only an open poll can be closed."),
        ({}, "archive", "open", "Only a closed poll can be archived."),
        ({}, "unarchive", "open", "The poll is not in the archive."),
    ],
)
def test_action_does_what_it_says_or_says_why_not(owner, own_poll, sql, columns, action, state, says):
    poll = own_poll(**columns)
    response = owner.post(f"/polls/{poll.slug}/manage/{action}/", follow=True)
    assert response.redirect_chain == [(f"/polls/{poll.slug}/manage/", 303)]
    assert says in text_of(response)
    assert state_of(sql, poll) == state


def test_draft_whose_closing_is_over_asks_for_another(owner, own_poll, sql):
    poll = own_poll(opens_in=None, closes_in="-1 minute")
    response = owner.post(f"/polls/{poll.slug}/manage/open/", follow=True)
    assert response.redirect_chain == [(f"/polls/{poll.slug}/times/", 303)]
    assert "Its closing time is over" in text_of(owner.get(f"/polls/{poll.slug}/manage/")) + text_of(response)
    assert state_of(sql, poll) == "draft"


def test_closing_is_by_the_clock_of_the_database_and_keeps_every_vote(owner, own_poll, sql, vote):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    owner.post(f"/polls/{poll.slug}/manage/close/")
    assert sql("SELECT closes_at >= cast_at AND closes_at <= clock_timestamp() FROM polls_poll, polls_vote") == [
        (True,)
    ]


@pytest.mark.parametrize("columns", [{"opens_in": None}, {}, {"audience": "invite"}])
def test_poll_without_votes_is_deleted_after_a_question(owner, own_poll, sql, columns):
    poll = own_poll(**columns)
    sql("INSERT INTO polls_invite (poll_id, label, token_hash) VALUES (%s, 'ann', 'x')", poll.id)
    assert "Delete this poll?" in text_of(owner.get(f"/polls/{poll.slug}/delete/"))
    assert sql("SELECT count(*) FROM polls_poll") == [(1,)]
    response = owner.post(f"/polls/{poll.slug}/delete/", follow=True)
    assert "The poll is deleted." in text_of(response)
    for table in ("polls_poll", "polls_option", "polls_invite", "polls_secret"):
        assert sql(f"SELECT count(*) FROM {table}") == [(0,)]
    assert actors(sql, "poll removed") == {"owner"}


def test_poll_with_votes_is_not_deleted(owner, own_poll, sql, vote):
    poll = own_poll()
    owner.get(f"/polls/{poll.slug}/delete/")
    vote(poll, "ann", poll.options[:1])
    assert owner.get(f"/polls/{poll.slug}/delete/").status_code == 303
    response = owner.post(f"/polls/{poll.slug}/delete/", follow=True)
    assert "The poll has votes" in text_of(response)
    assert options_of(sql) == ["Option 1", "Option 2", "Option 3"]


def test_manage_page_offers_what_the_state_allows(owner, own_poll, vote):
    offers = {
        "draft": ({"opens_in": None}, {"Open it now", "Schedule", "Edit", "Delete", "Preview"}, {"Close it now"}),
        "scheduled": ({"opens_in": "1 hour"}, {"Open it now", "Change the times", "Link to share"}, {"Schedule"}),
        "open": ({}, {"Close it now", "Change the times", "Link to share", "Delete"}, {"Open it now", "Archive"}),
        "closed": ({"closes_in": "-1 minute"}, {"Open it again", "Archive", "Draw a winner"}, {"Close it now"}),
        "archived": (
            {"closes_in": "-1 minute", "archived_at": "2026-01-01"},
            {"Take it out of the archive"},
            {"Open it again", "Close it now"},
        ),
    }
    for columns, offered, missing in offers.values():
        poll = own_poll(**columns)
        page = text_of(owner.get(f"/polls/{poll.slug}/manage/"))
        buttons = set(re.findall(r">([^<>]+)</(?:a|button|h2)>", page))
        assert (offered - buttons, missing & buttons) == (set(), set())
        assert f'href="/polls/new/?like={poll.slug}"' in page


def test_manage_page_of_a_poll_with_votes_offers_corrections_and_no_deletion(owner, own_poll, vote):
    poll = own_poll(named=True)
    vote(poll, "ann", poll.options[:1])
    page = text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    assert "1 person has voted." in page
    assert f"/polls/{poll.slug}/correct/" in page
    assert f"/polls/{poll.slug}/votes.csv" in page
    assert f"/polls/{poll.slug}/delete/" not in page


def test_manage_page_of_a_poll_for_invited_people_leads_to_the_invitations(owner, own_poll, sql):
    poll = own_poll(audience="invite")
    sql("INSERT INTO polls_invite (poll_id, label, token_hash) VALUES (%s, 'ann', 'x')", poll.id)
    page = text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    assert "1 is invited." in page
    assert f'href="/polls/{poll.slug}/invites/"' in page


def test_trail_tells_what_was_done_by_whom(owner, sql):
    manage = owner.post("/polls/new/", sent(opens="draft", options="\n".join(map(str, range(1, 8)))))["Location"]
    edit = sent(title="Tea?", named="on", options="2\n1\nNew <b>one</b>")
    for path, fields in (
        ("edit/", edit),
        (
            "times/",
            times(opens="at", opens_at="2998-01-01T12:00", closes_at="2998-01-02T12:00"),
        ),
        ("times/", times(opens="draft")),
        ("manage/open/", {}),
        ("manage/close/", {}),
        ("manage/archive/", {}),
        ("manage/unarchive/", {}),
    ):
        assert owner.post(manage.replace("manage/", path), fields).status_code == 303
    page = text_of(owner.get(manage))
    lines = [re.sub(r"<(?!/?b>)[^>]+>", "", line) for line in re.findall(r"<bdi>owner</bdi> (.*?)</li>", page)]
    assert lines[::-1][-6:] == [
        "set the closing to 2 January 2998, 12:00 UTC, set the opening to 1 January 2998, 12:00 UTC",
        "took the closing time out, made it a draft",
        "opened the poll",
        "closed the poll",
        "archived the poll",
        "took the poll out of the archive",
    ]
    told = " / ".join(lines[::-1])
    for sentence in (
        "made the poll",
        "added 7 options: “1”, “2”, “3”, “4”, “5”…",
        "took 5 options out: “3”, “4”, “5”, “6”, “7”",
        "moved 2 options",
        "added 1 option: “New &lt;b&gt;one&lt;/b&gt;”",
        "changed whether the owner sees who chose what, changed the question from “Tea or coffee?” to “Tea?”",
    ):
        assert sentence in told
    assert "<b>" not in told


def test_trail_groups_what_came_by_the_hundred_and_says_that_there_is_more(owner, own_poll, sql):
    poll = own_poll()
    sql(
        "INSERT INTO polls_invite (poll_id, label, token_hash) "
        "SELECT %s, 'person ' || n, n FROM generate_series(1, 300) AS n",
        poll.id,
    )
    sql("UPDATE polls_invite SET revoked_at = now() WHERE label = 'person 7'")
    sql("UPDATE polls_invite SET issued_at = clock_timestamp() WHERE label = 'person 8'")
    page = text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    assert "invited 300 people: “<bdi>person 1</bdi>”" in page
    assert "revoked 1 invitation<" in page
    assert "replaced 1 link<" in page
    for number in range(60):
        sql("UPDATE polls_poll SET results = %s", ("owner", "closed")[number % 2])
    page = text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    assert page.count("changed who sees the results") == 50
    assert "Earlier events are kept" in page


def test_trail_tells_draws(owner, own_poll, vote, sql):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    owner.post(f"/polls/{poll.slug}/manage/close/")
    sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[0])
    sql("INSERT INTO polls_draw (poll_id, number, option_id) VALUES (%s, 1, %s)", poll.id, poll.options[0])
    page = text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    assert "froze who is in a draw" in page
    assert "drew a winner, draw 1" in page


def test_event_of_a_kind_to_come_is_shown_as_it_is():
    run = queries.EventRun(LATER, "ann", "surprise", 1, [{}])
    assert trail.tell([run])[0].what == "surprise"


@pytest.mark.parametrize(("slow", "fast", "noticed"), [(30, 25, True), (30, 15, False), (3, 25, False)])
def test_burst_of_votes_is_shown_to_the_owner(owner, client, own_poll, sql, slow, fast, noticed):
    poll = own_poll(opens_in="-1 day")
    sql(
        "INSERT INTO polls_vote (poll_id, voter, choices, cast_at) "
        "SELECT %s, 'slow ' || n, ARRAY[%s], date_trunc('minute', now()) - n * interval '1 minute' "
        "FROM generate_series(1, %s) AS n",
        poll.id,
        poll.options[0],
        slow,
    )
    sql(
        "INSERT INTO polls_vote (poll_id, voter, choices, cast_at) "
        "SELECT %s, 'fast ' || n, ARRAY[%s], date_trunc('minute', now()) - interval '2 minutes' "
        "FROM generate_series(1, %s) AS n",
        poll.id,
        poll.options[0],
        fast,
    )
    text = f"{fast + 1} of {slow + fast} votes came in within one minute"
    assert (text in text_of(owner.get(f"/polls/{poll.slug}/manage/"))) is noticed
    assert text not in text_of(client.get(f"/polls/{poll.slug}/results/"))


def test_votes_by_the_million_are_read_only_when_asked(owner, own_poll, vote, monkeypatch):
    monkeypatch.setattr("polls.views.manage.VOTES_READ_AT_ONCE", 0)
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    asked = []
    monkeypatch.setattr(queries, "get_busiest_minute", lambda *arguments: asked.append(arguments))
    assert 'href="?pace"' in text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    assert asked == []
    assert 'href="?pace"' not in text_of(owner.get(f"/polls/{poll.slug}/manage/?pace"))
    assert len(asked) == 1


def test_markup_in_every_text_stays_text(owner, own_poll, sql, vote):
    evil = "<script>alert(1)</script>"
    poll = own_poll(title=evil, description=evil, draw_source=evil)
    sql("UPDATE polls_option SET text = text || %s", evil)
    sql("UPDATE polls_poll SET title = title || '!'")
    for path in ("manage/", "edit/", "times/", "preview/", "delete/"):
        page = text_of(owner.get(f"/polls/{poll.slug}/{path}"))
        assert evil not in page
        assert "&lt;script&gt;" in page
    vote(poll, "ann", poll.options[:1])
    for path in ("correct/", "correct/?what=title"):
        assert evil not in text_of(owner.get(f"/polls/{poll.slug}/{path}"))
    assert evil not in text_of(owner.get("/mine/"))


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
        for name in ("owner", "staff", "stranger", "anonymous")
    }
    assert shown == {"owner": True, "staff": True, "stranger": False, "anonymous": False}


@pytest.mark.parametrize("page", ["", "results/"])
def test_poll_of_nobody_is_not_run_by_who_is_not_signed_in(client, make_poll, page):
    assert "/manage/" not in text_of(client.get(f"/polls/{make_poll(owner_id=None).slug}/{page}"))
