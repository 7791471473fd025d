"""The admin: making, opening and closing polls, within the promises of the database."""

import threading

import pytest
from django.db import connection

from polls import queries
from polls.admin.polls import POLL_STATE
from polls.models import Option, Poll
from tests.support.poll_forms import filled, guarded, poll_form
from tests.support.servers import wait_until


@pytest.fixture
def admin(admin_client):
    return admin_client


def test_poll_is_made_with_its_options_and_an_address_of_its_own(admin, client, transactional_db):
    response = admin.post("/admin/polls/poll/add/", poll_form(("Yes", "No", "Perhaps")))
    assert response.status_code == 302
    poll = Poll.objects.get()
    assert poll.slug.startswith("tea-")
    assert [option.text for option in poll.options.all()] == ["Yes", "No", "Perhaps"]
    assert client.get(poll.get_absolute_url()).status_code == 200


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"title": ""}, "This field is required."),
        ({"min_choices": 3, "max_choices": 2}, "The fewest choices are at least 1, and no more than the most."),
        ({"closes_at_0": "2025-01-01", "closes_at_1": "12:00"}, "A poll closes after it has opened."),
        ({"title": "x" * 201}, "Ensure this value has at most 200 characters"),
        ({"options": ("Yes", "Yes")}, "Please correct the duplicate data"),
    ],
)
def test_bad_poll_comes_back_with_an_error(admin, transactional_db, fields, says):
    response = admin.post("/admin/polls/poll/add/", poll_form(**fields))
    assert response.status_code == 200
    assert says in response.content.decode()
    assert not Poll.objects.exists()


def test_polls_are_listed_with_their_state(admin, make_poll):
    make_poll(opens_in=None)
    make_poll(opens_in="-2 hours", closes_in="-1 hour")
    page = admin.get("/admin/polls/poll/").content.decode()
    for state in ("draft", "closed"):
        assert f'<td class="field-state">{state}</td>' in page


def act(admin, action, *polls):
    return admin.post(
        "/admin/polls/poll/", {"action": action, "_selected_action": [poll.id for poll in polls]}, follow=True
    ).content.decode()


def states():
    return dict(Poll.objects.annotate(state=POLL_STATE).values_list("pk", "state"))


def test_drafts_with_options_are_opened(admin, make_poll):
    ready, empty = make_poll(opens_in=None), make_poll(options=0, opens_in=None)
    page = act(admin, "open_now", ready, empty)
    assert "1 of 2 polls opened. Only drafts and scheduled polls that have options can be opened." in page
    assert states() == {ready.id: "open", empty.id: "draft"}


def test_open_polls_are_closed(admin, make_poll, vote, refused):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    assert "1 of 1 polls closed." in act(admin, "close_now", poll)
    with refused("polls_vote_while_open"):
        vote(poll, "bob", poll.options[:1])


def test_polls_are_archived(admin, make_poll):
    poll = make_poll()
    act(admin, "archive", poll)
    assert states() == {poll.id: "archived"}


def test_poll_with_votes_shows_its_rules_and_options_read_only(admin, make_poll, vote):
    poll = make_poll()
    address = f"/admin/polls/poll/{poll.id}/change/"
    assert 'name="max_choices"' in admin.get(address).content.decode()
    vote(poll, "ann", poll.options[:1])
    page = admin.get(address).content.decode()
    assert 'name="max_choices"' not in page
    assert "Option 1" in page
    assert 'name="options-0-text"' not in page
    assert "deletelink" not in page.replace("icon-deletelink", "")


def test_first_vote_during_the_editing_of_a_poll_wins(admin, make_poll, vote, monkeypatch):
    """The form is rendered before the vote, and sent after it."""
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    monkeypatch.setattr("polls.admin.polls._has_votes", lambda poll: False)
    response = admin.post(
        f"/admin/polls/poll/{poll.id}/change/",
        poll_form((), kept=Option.objects.all(), title="Poll 1", max_choices=2, opens_at_0="2025-01-01"),
        follow=True,
    )
    assert "Nothing was saved. The rules of a poll are frozen from its first vote on." in response.content.decode()
    assert Poll.objects.get().max_choices == 1


def test_poll_with_votes_cannot_be_deleted_from_the_list(admin, make_poll, vote):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    admin.post("/admin/polls/poll/", {"action": "delete_selected", "_selected_action": [poll.id], "post": "yes"})
    assert Poll.objects.exists()


def test_votes_are_read_only_and_tell_neither_voter_nor_choice(admin, make_poll, vote, sql):
    poll = make_poll()
    vote(poll, "the-key-of-ann", poll.options[:1])
    [(vote_id,)] = sql("SELECT id FROM polls_vote")
    for address in ("/admin/polls/vote/", f"/admin/polls/vote/{vote_id}/change/"):
        page = admin.get(address).content.decode()
        assert "Poll 1" in page
        assert "the-key-of-ann" not in page
        assert "Option 1" not in page
    assert admin.get("/admin/polls/vote/add/").status_code == 403
    assert admin.post(f"/admin/polls/vote/{vote_id}/change/", {}).status_code == 403
    assert admin.post(f"/admin/polls/vote/{vote_id}/delete/", {"post": "yes"}).status_code == 403


def test_typo_is_corrected_after_the_first_vote(admin, make_poll, vote, sql):
    poll = make_poll(title="Tee?")
    vote(poll, "ann", poll.options[:1])
    correction = {"corrections-TOTAL_FORMS": 1, "corrections-0-field": "title", "corrections-0-after": "Tea?"}
    address = f"/admin/polls/poll/{poll.id}/change/"
    assert admin.post(address, poll_form((), **correction, **{"corrections-0-reason": "typo"})).status_code == 302
    assert Poll.objects.get().title == "Tea?"
    assert sql("SELECT actor, details->'title' FROM polls_event WHERE action = 'poll changed'") == [
        ("user admin", ["Tee?", "Tea?"])
    ]


def test_bad_correction_is_refused_in_words(admin, make_poll, vote):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    correction = {
        "corrections-TOTAL_FORMS": 1,
        "corrections-0-field": "option",
        "corrections-0-option": poll.options[0],
        "corrections-0-after": "Option 2",
        "corrections-0-reason": "a mistake",
    }
    response = admin.post(f"/admin/polls/poll/{poll.id}/change/", poll_form((), **correction), follow=True)
    assert "Nothing was saved." in response.content.decode()


def test_trail_can_be_read_and_not_written(admin, make_poll, sql):
    make_poll()
    page = admin.get("/admin/polls/event/").content.decode()
    assert "poll added" in page
    assert admin.get("/admin/polls/event/add/").status_code == 403


def test_deletion_waits_for_the_votes_under_way_and_then_deletes_nothing(
    admin, make_poll, sql, connections_to_test_database
):
    poll = make_poll(3)
    answers = []

    def delete():
        answers.append(admin.post(f"/admin/polls/poll/{poll.id}/delete/", {"post": "yes"}, follow=True))
        connection.close()

    voting = connections_to_test_database()
    voting.autocommit = False
    queries.cast_vote(voting, poll.slug, poll.options[:1], browser=("ann", "a"))
    deleting = threading.Thread(target=delete)
    deleting.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    wait_until(lambda: sql(waiting) == [(1,)])
    for number, option in enumerate(poll.options):
        queries.cast_vote(voting, poll.slug, [option], browser=(f"bob {number}", str(number)))
    voting.commit()
    deleting.join(timeout=20)
    assert "Nothing was deleted: the first vote came in meanwhile." in answers[0].content.decode()
    assert sql("SELECT count(*) FROM polls_vote") == [(4,)]


def test_form_about_a_poll_that_has_changed_is_not_saved_and_shows_both(admin, make_poll, sql):
    poll = make_poll(listed=True)
    address = f"/admin/polls/poll/{poll.id}/change/"
    fields = poll_form((), kept=Option.objects.all(), title="Typed", opens_at_0="2025-01-01") | guarded(admin, address)
    fields["options-2-DELETE"] = "on"
    sql("UPDATE polls_poll SET description = 'Bring spoons', results = 'owner'")
    sql("INSERT INTO polls_option (poll_id, text, position) VALUES (%s, 'Vegan', 9)", poll.id)
    before = sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option")
    page = admin.post(address, fields).content.decode()
    assert "This poll has changed since you opened this page, and nothing was saved." in page
    assert "The options are now: “Option 1”, “Option 2”, “Option 3”, “Vegan”." in page
    assert "Saved now: Poll 1" in page
    assert "Saved now: Bring spoons" in page
    assert "Saved now: only the owner" in page
    assert page.count("Saved now:") == 4  # and the opening, which the form says otherwise
    assert 'value="Typed"' in page
    assert (sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option")) == before
    # Saving again is a decision, and takes out no option that the form has never shown.
    again = fields | {"seen_revision": filled(page)["seen_revision"]}
    assert admin.post(address, again).status_code == 302
    assert sql("SELECT title FROM polls_poll") == [("Typed",)]
    assert [text for (text,) in sql("SELECT text FROM polls_option ORDER BY position")] == [
        "Option 1",
        "Option 2",
        "Vegan",
    ]


@pytest.mark.parametrize("revision", ["x", "99"])
def test_revision_that_is_none_saves_nothing(admin, make_poll, sql, revision):
    poll = make_poll()
    fields = poll_form((), kept=Option.objects.all(), title="Typed", seen_revision=revision)
    assert admin.post(f"/admin/polls/poll/{poll.id}/change/", fields).status_code == 200
    assert sql("SELECT title FROM polls_poll") == [("Poll 1",)]


def test_correction_in_a_form_about_a_poll_that_has_changed_is_not_made(admin, make_poll, vote, sql):
    poll = make_poll(title="Tee?")
    vote(poll, "ann", poll.options[:1])
    address = f"/admin/polls/poll/{poll.id}/change/"
    seen = guarded(admin, address)
    sql("INSERT INTO polls_correction (poll_id, field, after, reason) VALUES (%s, 'title', 'Tea?', 'typo')", poll.id)
    correction = {"corrections-TOTAL_FORMS": 1, "corrections-0-field": "title", "corrections-0-after": "Thee?"}
    response = admin.post(address, poll_form((), **correction, **{"corrections-0-reason": "typo"}, **seen))
    assert "This poll has changed since you opened this page" in response.content.decode()
    assert sql("SELECT title FROM polls_poll") == [("Tea?",)]


@pytest.mark.parametrize(
    "change", ["UPDATE polls_poll SET title = 'Meanwhile'", "DELETE FROM polls_option WHERE id = {}"]
)
def test_change_under_way_is_waited_for_and_then_not_overwritten(
    admin, make_poll, sql, connections_to_test_database, change
):
    poll = make_poll()
    address = f"/admin/polls/poll/{poll.id}/change/"
    fields = poll_form((), kept=Option.objects.all(), title="Typed", opens_at_0="2025-01-01") | guarded(admin, address)
    answers = []

    def save():
        answers.append(admin.post(address, fields))
        connection.close()

    changing = connections_to_test_database()
    changing.autocommit = False
    with changing.cursor() as cursor:
        cursor.execute(change.format(poll.options[2]))
    saving = threading.Thread(target=save)
    saving.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    wait_until(lambda: sql(waiting) == [(1,)] or not saving.is_alive())
    assert not answers
    changing.commit()
    saving.join(timeout=20)
    assert "This poll has changed since you opened this page" in answers[0].content.decode()
    assert sql("SELECT title FROM polls_poll WHERE title = 'Typed'") == []
