"""Editing a poll: text and rules, times, corrections, and a first vote in the meantime."""

import threading
from datetime import datetime, timedelta, timezone

import pytest
from django.db import connection

from polls import queries
from tests.support.poll_forms import LATER, filled, sent, times, wall
from tests.support.responses import text_of
from tests.support.rows import actors, options_of, state_of


def test_poll_without_votes_is_edited_and_kept_options_keep_their_ids(owner, own_poll, sql):
    poll = own_poll()
    fields = sent(title="Another question", options="Option 3\nOPTION 1\nNew", max_choices="2", changeable="on")
    response = owner.post(f"/polls/{poll.slug}/edit/", fields)
    assert response["Location"] == f"/polls/{poll.slug}/manage/"
    assert sql("SELECT title, max_choices, changeable FROM polls_poll") == [("Another question", 2, True)]
    rows = sql("SELECT id, text FROM polls_option ORDER BY position")
    assert [text for _, text in rows] == ["Option 3", "OPTION 1", "New"]
    assert rows[0][0] == poll.options[2]
    assert actors(sql, "option removed") == actors(sql, "option changed") == {"owner"}


def test_edit_that_changes_nothing_leaves_no_trace(owner, own_poll, sql):
    poll = own_poll(listed=False)
    page = owner.get(f"/polls/{poll.slug}/edit/")
    fields = sent(title="Poll 1", options="Option 1\nOption 2\nOption 3")
    events = sql("SELECT count(*) FROM polls_event")
    assert 'value="Poll 1"' in text_of(page)
    assert owner.post(f"/polls/{poll.slug}/edit/", fields).status_code == 303
    assert sql("SELECT count(*) FROM polls_event") == events


def test_edit_does_not_touch_times(owner, own_poll, sql):
    poll = own_poll(opens_in=None)
    owner.post(f"/polls/{poll.slug}/edit/", sent(opens="now", closes_at=wall(LATER)))
    assert sql("SELECT opens_at, closes_at FROM polls_poll") == [(None, None)]


def test_bad_edit_comes_back_and_changes_nothing(owner, own_poll, sql):
    poll = own_poll()
    response = owner.post(f"/polls/{poll.slug}/edit/", sent(title="Another", options="Tea\ntea"))
    assert '<a href="#id_options">Line 2, “tea”, looks the same as line 1.' in text_of(response)
    assert 'value="Another"' in text_of(response)
    assert sql("SELECT title FROM polls_poll") == [("Poll 1",)]


def test_options_that_only_the_database_finds_alike_are_not_saved(owner, own_poll, sql, monkeypatch):
    monkeypatch.setattr("polls.forms.options.looks", lambda text: text)
    poll = own_poll()
    page = text_of(owner.post(f"/polls/{poll.slug}/edit/", sent(options="Tea\nTEA")))
    assert "Two of the options look the same." in page
    assert options_of(sql) == ["Option 1", "Option 2", "Option 3"]


def test_first_vote_while_editing_is_told_and_nothing_is_saved(owner, own_poll, sql, vote):
    poll = own_poll()
    owner.get(f"/polls/{poll.slug}/edit/")
    vote(poll, "ann", poll.options[:1])
    before = sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option")
    page = text_of(owner.post(f"/polls/{poll.slug}/edit/", sent(title="Another question", results="owner")))
    assert "The first vote came in while you were editing. Nothing was saved" in page
    assert f'href="/polls/{poll.slug}/correct/"' in page
    assert 'value="Another question"' in page
    assert (sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option")) == before


@pytest.mark.parametrize("change", [{"title": "Another"}, {"options": "Option 1\nOption 2"}, {"max_choices": "2"}])
def test_vote_under_way_is_waited_for_and_then_wins(owner, own_poll, sql, connections_to_test_database, change):
    poll = own_poll()
    voting = connections_to_test_database()
    voting.autocommit = False
    with voting.cursor() as cursor:
        cursor.execute(
            "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, 'ann', %s)", [poll.id, poll.options[2:]]
        )
    fields = sent(title="Poll 1", options="Option 1\nOption 2\nOption 3") | change
    pages = []
    edit = threading.Thread(target=lambda: pages.append(_closing(owner.post, f"/polls/{poll.slug}/edit/", fields)))
    edit.start()
    try:
        while not sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            assert edit.is_alive(), text_of(pages[0])
    finally:
        voting.commit()
        edit.join(timeout=10)
    assert "The first vote came in while you were editing." in text_of(pages[0])
    assert sql("SELECT title, max_choices FROM polls_poll") == [("Poll 1", 1)]
    assert options_of(sql) == ["Option 1", "Option 2", "Option 3"]


def _closing(ask, *arguments):
    """Send a request in a thread, and close the connection of the ORM that Django opens for it."""
    try:
        return ask(*arguments)
    finally:
        connection.close()


def test_with_votes_only_what_is_never_frozen_is_edited(owner, own_poll, sql, vote):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    page = text_of(owner.get(f"/polls/{poll.slug}/edit/"))
    assert 'name="results"' in page
    assert 'name="title"' not in page
    assert owner.post(f"/polls/{poll.slug}/edit/", {"results": "closed"}).status_code == 303
    assert sql("SELECT results, listed FROM polls_poll") == [("closed", False)]
    assert "Who sees the results" in text_of(owner.post(f"/polls/{poll.slug}/edit/", {"results": "x"}))


def test_draft_is_scheduled_and_taken_back(owner, own_poll, sql):
    poll = own_poll(opens_in=None)
    scheduled = times(opens="at", opens_at=wall(LATER, "Europe/Berlin"), time_zone="Europe/Berlin")
    assert owner.post(f"/polls/{poll.slug}/times/", scheduled).status_code == 303
    assert state_of(sql, poll) == "scheduled"
    page = text_of(owner.get(f"/polls/{poll.slug}/times/"))
    shown = filled(page)
    assert f"{shown['opens_at_0']}T{shown['opens_at_1']}" == wall(LATER, "Europe/Berlin")
    assert "<option selected>Europe/Berlin" in page
    owner.post(f"/polls/{poll.slug}/times/", times(opens="draft"))
    assert state_of(sql, poll) == "draft"


def test_open_poll_keeps_its_opening_when_its_closing_is_set(owner, own_poll, sql):
    poll = own_poll()
    opened = sql("SELECT opens_at FROM polls_poll")
    assert owner.post(f"/polls/{poll.slug}/times/", times(opens="now", closes_at=wall(LATER))).status_code == 303
    assert sql("SELECT opens_at FROM polls_poll") == opened
    assert sql("SELECT closes_at FROM polls_poll") == [(LATER,)]


@pytest.mark.parametrize("left", ["date and time", "time"])
def test_closing_that_was_set_is_taken_out_by_its_choice_alone(owner, own_poll, sql, left):
    poll = own_poll()
    path = f"/polls/{poll.slug}/times/"
    owner.post(path, times(opens="now", closes_at=wall(LATER)))
    page = filled(text_of(owner.get(path)))
    assert (page["closes"], page["closes_at_0"]) == ("at", f"{LATER:%Y-%m-%d}")
    sent_back = {**page, "time_zone": "UTC", "closes": "never"}
    assert owner.post(path, sent_back if left != "time" else {**sent_back, "closes_at_0": ""}).status_code == 303
    assert sql("SELECT closes_at FROM polls_poll") == [(None,)]


def test_another_closing_beside_the_choice_of_none_is_asked_about(owner, own_poll, sql):
    poll = own_poll()
    path = f"/polls/{poll.slug}/times/"
    owner.post(path, times(opens="now", closes_at=wall(LATER)))
    later = times(opens="now", closes_at=wall(LATER + timedelta(days=1)), closes="never")
    assert "You entered a time to close." in text_of(owner.post(path, later))
    assert sql("SELECT closes_at FROM polls_poll") == [(LATER,)]


def test_poll_with_votes_is_extended_and_its_opening_is_not_asked_for(owner, own_poll, sql, vote):
    poll = own_poll(closes_in="1 hour")
    vote(poll, "ann", poll.options[:1])
    assert 'name="opens"' not in text_of(owner.get(f"/polls/{poll.slug}/times/"))
    forged = times(opens="draft", opens_at=wall(LATER), closes_at=wall(LATER))
    assert owner.post(f"/polls/{poll.slug}/times/", forged).status_code == 303
    assert sql("SELECT closes_at, opens_at < now() FROM polls_poll") == [(LATER, True)]


def test_closed_poll_is_opened_again(owner, own_poll, sql, vote):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    owner.post(f"/polls/{poll.slug}/manage/close/")
    assert "Open the poll again" in text_of(owner.get(f"/polls/{poll.slug}/times/"))
    owner.post(f"/polls/{poll.slug}/times/", times())
    assert state_of(sql, poll) == "open"


def test_drawn_poll_stays_closed(owner, own_poll, sql, vote):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    owner.post(f"/polls/{poll.slug}/manage/close/")
    sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[0])
    assert "Open it again" not in text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    response = owner.post(f"/polls/{poll.slug}/times/", times(), follow=True)
    assert "the poll stays closed" in text_of(response)
    assert state_of(sql, poll) == "closed"


def test_draw_while_the_times_are_being_set_is_told(owner, own_poll, sql, vote, monkeypatch):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    owner.post(f"/polls/{poll.slug}/manage/close/")
    get_managed = queries.get_managed_poll

    def draw_right_after(*arguments):
        managed = get_managed(*arguments)
        sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[0])
        return managed

    monkeypatch.setattr(queries, "get_managed_poll", draw_right_after)
    response = owner.post(f"/polls/{poll.slug}/times/", times())
    assert "Nothing was saved" in text_of(response)
    assert state_of(sql, poll) == "closed"


def test_bad_times_change_nothing(owner, own_poll, sql, monkeypatch):
    poll = own_poll(opens_in="1 hour")
    before = sql("SELECT opens_at, closes_at FROM polls_poll")
    bad = times(opens="at", opens_at=wall(LATER), closes_at=wall(LATER - timedelta(days=1)))
    assert "The poll would close before it opens." in text_of(owner.post(f"/polls/{poll.slug}/times/", bad))
    late = datetime.now(timezone.utc) - timedelta(days=2)
    monkeypatch.setattr("polls.forms.schedule.timezone.now", lambda: late)
    bad = times(opens="now", closes_at=wall(late + timedelta(days=1)))
    assert "The poll would close before it opens." in text_of(owner.post(f"/polls/{poll.slug}/times/", bad))
    assert sql("SELECT opens_at, closes_at FROM polls_poll") == before


def test_typo_is_corrected_in_sight_of_everybody(owner, client, own_poll, sql, vote):
    poll = own_poll(title="Tee or coffee?", description="Sine text")
    vote(poll, "ann", poll.options[:1])
    assert f'href="?what=option-{poll.options[0]}"' in text_of(owner.get(f"/polls/{poll.slug}/correct/"))
    for what, before, after in (
        ("title", "Tee or coffee?", "Tea or coffee?"),
        ("description", "Sine text", "Fine text"),
        (f"option-{poll.options[0]}", "Option 1", "Option one"),
    ):
        path = f"/polls/{poll.slug}/correct/?what={what}"
        assert before in text_of(owner.get(path))
        assert owner.post(path, {"after": after, "reason": "A typo."}).status_code == 303
    assert sql("SELECT before, after FROM polls_correction ORDER BY id")[0] == ("Tee or coffee?", "Tea or coffee?")
    assert sql("SELECT title, description FROM polls_poll") == [("Tea or coffee?", "Fine text")]
    assert options_of(sql)[0] == "Option one"
    assert "A typo." in text_of(client.get(f"/polls/{poll.slug}/results/"))
    assert actors(sql, "option changed") == {"owner"}
    assert "changed 1 option: “<bdi>Option 1</bdi>” → “<bdi>Option one</bdi>”" in text_of(
        owner.get(f"/polls/{poll.slug}/manage/")
    )


@pytest.mark.parametrize(
    ("what", "fields", "says"),
    [
        ("title", {"after": ""}, "Write the correct text."),
        ("title", {"after": "x" * 201}, "at most 200 characters"),
        ("title", {"after": "Poll  1 "}, "This is what stands there already."),
        ("title", {"reason": " "}, "Say why."),
        ("title", {"reason": "x" * 201}, "at most 200 characters"),
        ("title", {"after": "a\x00b"}, "Take out the character that is no text."),
        ("description", {"after": "x" * 5001}, "at most 5000 characters"),
        ("option-{0}", {"after": "option 2"}, "Another option looks like this."),
        ("option-{0}", {"after": "\u200b"}, "Write the correct text."),
    ],
)
def test_bad_correction_comes_back_and_changes_nothing(owner, own_poll, sql, vote, what, fields, says):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    path = f"/polls/{poll.slug}/correct/?what={what.format(poll.options[0])}"
    response = owner.post(path, {"after": "Mended", "reason": "A typo.", **fields})
    assert says in text_of(response)
    assert sql("SELECT count(*) FROM polls_correction") == [(0,)]


def test_correction_of_something_else_is_unknown(owner, own_poll, vote):
    poll, other = own_poll(), own_poll()
    vote(poll, "ann", poll.options[:1])
    for what in (f"option-{other.options[0]}", "slug", "option-", "option-x"):
        assert owner.get(f"/polls/{poll.slug}/correct/?what={what}").status_code == 404


def test_correction_of_a_poll_whose_votes_were_taken_back_is_told(owner, own_poll, sql, vote, monkeypatch):
    poll = own_poll(changeable=True)
    vote(poll, "ann", poll.options[:1])
    get_managed = queries.get_managed_poll

    def withdraw_right_after(*arguments):
        managed = get_managed(*arguments)
        sql("DELETE FROM polls_vote")
        return managed

    monkeypatch.setattr(queries, "get_managed_poll", withdraw_right_after)
    response = owner.post(f"/polls/{poll.slug}/correct/?what=title", {"after": "Mended", "reason": "A typo."})
    assert "can be edited again" in text_of(response)


def opened(client, path):
    """The fields of a page's form that guard what it was filled in against."""
    return {"revision": filled(text_of(client.get(path)))["revision"]}


def test_edit_of_a_poll_that_has_changed_loses_nothing_and_shows_both(as_user, own_poll, sql):
    poll = own_poll(listed=False)
    owner, administrator = as_user("owner"), as_user("staff")
    path = f"/polls/{poll.slug}/edit/"
    seen = opened(administrator, path)
    with_vegan = sent(title="Poll 1", options="Option 1\nOption 2\nOption 3\nVegan", **opened(owner, path))
    assert owner.post(path, with_vegan).status_code == 303
    fields = sent(title="Where do we eat?", options="Option 1\nOption 2\nOption 3")
    response = administrator.post(path, fields | seen)
    page = text_of(response)
    assert "This poll has changed since you opened this page, and nothing was saved." in page
    assert "<bdi>owner</bdi> added 1 option: “<bdi>Vegan</bdi>”" in page
    assert '<th scope="row">Question</th><td dir="auto">Poll 1</td><td dir="auto">Where do we eat?</td>' in page
    assert "<br>Option 3<br>Vegan</td>" in page
    assert 'value="Where do we eat?"' in page
    assert ">Description" not in page.partition("</table>")[0]
    assert options_of(sql) == ["Option 1", "Option 2", "Option 3", "Vegan"]
    assert sql("SELECT title FROM polls_poll") == [("Poll 1",)]
    # Saving again is a decision.
    assert administrator.post(path, fields | {"revision": filled(page)["revision"]}).status_code == 303
    assert options_of(sql) == ["Option 1", "Option 2", "Option 3"]


def test_edit_that_comes_back_for_another_error_is_still_guarded(as_user, own_poll, sql):
    poll = own_poll()
    path = f"/polls/{poll.slug}/edit/"
    client = as_user("owner")
    seen = opened(client, path)
    sql("UPDATE polls_poll SET title = 'Meanwhile'")
    page = text_of(client.post(path, sent(title="") | seen))
    assert "Write a question." in page
    assert filled(page)["revision"] == seen["revision"]
    assert "has changed since" in text_of(client.post(path, sent() | seen))
    assert sql("SELECT title FROM polls_poll") == [("Meanwhile",)]


def test_edit_that_is_sent_twice_is_saved_once_and_no_error(owner, own_poll, sql):
    poll = own_poll()
    for path, fields in (
        ("edit", sent(title="Another question", options="Tea\nCoffee")),
        ("times", times(opens="now", closes_at=wall(LATER))),
    ):
        fields |= opened(owner, f"/polls/{poll.slug}/{path}/")
        answers = [owner.post(f"/polls/{poll.slug}/{path}/", fields) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303], path


@pytest.mark.parametrize("revision", ["-1", "x", "1" * 30, "²", ""])
def test_revision_that_is_none_saves_nothing(owner, own_poll, sql, revision):
    poll = own_poll()
    response = owner.post(f"/polls/{poll.slug}/edit/", sent(revision=revision))
    assert "has changed since" in text_of(response)
    assert sql("SELECT title FROM polls_poll") == [("Poll 1",)]


def test_visibility_of_a_poll_that_has_changed_is_not_overwritten(owner, own_poll, sql, vote):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    path = f"/polls/{poll.slug}/edit/"
    seen = opened(owner, path)
    sql("UPDATE polls_poll SET results = 'owner'")
    page = text_of(owner.post(path, {"results": "always", "listed": "on"} | seen))
    assert 'Who sees the results?</th><td dir="auto">Only me</td><td dir="auto">Everyone, at any time</td>' in page
    assert sql("SELECT results FROM polls_poll") == [("owner",)]
    assert owner.post(path, {"results": "always", "revision": filled(page)["revision"]}).status_code == 303


def test_times_of_a_poll_that_has_changed_are_not_overwritten(owner, own_poll, sql):
    poll = own_poll()
    path = f"/polls/{poll.slug}/times/"
    seen = opened(owner, path)
    sql("UPDATE polls_poll SET closes_at = %s", LATER)
    page = text_of(owner.post(path, times(opens="now") | seen))
    assert "This poll has changed since you opened this page" in page
    assert f'datetime="{LATER:%Y-%m-%dT%H:%M}' in page
    assert sql("SELECT closes_at FROM polls_poll") == [(LATER,)]
    assert owner.post(path, times(opens="now", revision=filled(page)["revision"])).status_code == 303
    assert sql("SELECT closes_at FROM polls_poll") == [(None,)]


def test_correction_of_a_text_that_was_corrected_meanwhile_is_shown_it(owner, own_poll, sql, vote):
    poll = own_poll(title="Tee?")
    vote(poll, "ann", poll.options[:1])
    path = f"/polls/{poll.slug}/correct/?what=title"
    seen = opened(owner, path)
    assert owner.post(path, {"after": "Tea?", "reason": "A typo."} | seen).status_code == 303
    page = text_of(owner.post(path, {"after": "The?", "reason": "A typo."} | seen))
    assert "This poll has changed since you opened this page" in page
    assert "<strong><bdi>Tea?</bdi></strong>" in page
    assert sql("SELECT title FROM polls_poll") == [("Tea?",)]
    again = {"after": "The tea?", "reason": "A typo.", "revision": filled(page)["revision"]}
    assert owner.post(path, again).status_code == 303


@pytest.mark.parametrize("page", ["manage/open/", "delete/"])
def test_poll_that_has_changed_is_neither_opened_nor_deleted_unseen(owner, own_poll, sql, page):
    poll = own_poll(opens_in=None)
    seen = opened(owner, f"/polls/{poll.slug}/{page.replace('open/', '')}")
    sql("UPDATE polls_option SET text = 'Not what I saw' WHERE id = %s", poll.options[0])
    answer = owner.post(f"/polls/{poll.slug}/{page}", seen, follow=True)
    assert "This poll has changed since you opened this page" in text_of(answer)
    assert state_of(sql, poll) == "draft"
    owner.post(f"/polls/{poll.slug}/{page}", {"revision": filled(text_of(answer))["revision"]})
    assert sql("SELECT polls_state(opens_at, closes_at, archived_at) FROM polls_poll") == (
        [("open",)] if "open" in page else []
    )
