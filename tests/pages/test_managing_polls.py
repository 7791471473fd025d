"""Managing a poll: its page, its actions, deletion, and bursts of votes."""

import re

import pytest

from polls import queries
from tests.support.responses import text_of
from tests.support.rows import actors, backdate, options_of, state_of


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


@pytest.mark.parametrize(("slow", "fast", "noticed"), [(30, 25, True), (30, 15, False), (3, 25, False)])
def test_burst_of_votes_is_shown_to_the_owner(owner, client, own_poll, sql, slow, fast, noticed):
    poll = own_poll(opens_in="-1 day")
    sql(
        "INSERT INTO polls_vote (poll_id, voter, choices) SELECT %s, n, ARRAY[%s]::bigint[] "
        "FROM generate_series(1, %s) AS n",
        *(poll.id, poll.options[0], slow + fast),
    )
    backdate(
        "date_trunc('minute', now()) - interval '1 minute' * CASE WHEN voter::integer > %s THEN 2 "
        "ELSE voter::integer END",
        slow,
    )
    text = f"{fast + 1} of {slow + fast} votes came in within one minute"
    assert (text in text_of(owner.get(f"/polls/{poll.slug}/manage/"))) is noticed
    assert text not in text_of(client.get(f"/polls/{poll.slug}/results/"))


def test_votes_by_the_million_are_read_only_when_asked(owner, own_poll, vote, monkeypatch):
    monkeypatch.setattr("polls.views.manage.MOST_VOTES_READ", 0)
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
