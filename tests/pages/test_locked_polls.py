"""Locked polls, and polls that anyone can recount: chosen in the forms, kept by pages, data layer and database."""

import pytest

from polls import queries
from tests.support.poll_forms import LATER, poll_form, sent, times, wall
from tests.support.responses import text_of
from tests.support.rows import state_of

TOLD = "This poll is locked: since it opened"
WITHOUT_END = "A locked poll needs a closing time"


@pytest.fixture
def locked_poll(own_poll):
    """Make open, locked polls of the owner's."""

    def make(**columns):
        return own_poll(**{"locked": True, "closes_in": "1 day", **columns})

    return make


def everything(sql):
    """What there is but for the events of who looked."""
    tables = ("polls_poll", "polls_option", "polls_invite", "polls_event")
    return [sql(f"SELECT * FROM {table} ORDER BY id") for table in tables]


def test_poll_is_made_locked_and_says_so_on_its_ballot(owner, client, sql):
    page = text_of(owner.get("/polls/new/"))
    assert 'name="locked"' in page
    assert 'name="recountable"' in page
    made = owner.post("/polls/new/", sent(locked="on", recountable="on", closes_at=wall(LATER)))
    assert sql("SELECT locked, recountable FROM polls_poll") == [(True, True)]
    ballot = text_of(client.get(made["Location"].replace("manage/", "")))
    assert "This poll is locked." in ballot
    assert "Anyone can recount the votes." in ballot
    assert "This poll is locked." in text_of(owner.get(made["Location"]))


def test_copy_of_a_locked_poll_begins_locked(owner, locked_poll):
    page = text_of(owner.get(f"/polls/new/?like={locked_poll(recountable=True).slug}"))
    assert 'name="locked" aria-describedby="id_locked_helptext" id="id_locked" checked' in page
    assert 'id="id_recountable" checked' in page


def test_preview_tells_what_will_be_locked(owner, own_poll):
    poll = own_poll(opens_in=None, locked=True)
    assert "This poll locks when it opens." in text_of(owner.get(f"/polls/{poll.slug}/preview/"))


def test_locked_poll_needs_a_closing_time(owner, own_poll, sql):
    page = text_of(owner.post("/polls/new/", sent(locked="on")))
    assert f'<a href="#id_closes_0">{WITHOUT_END}' in page
    assert sql("SELECT count(*) FROM polls_poll") == [(0,)]
    # A draft may get one later, and opens when it has one.
    made = owner.post("/polls/new/", sent(locked="on", opens="draft"))["Location"]
    refused = owner.post(f"{made}open/", follow=True)
    assert refused.redirect_chain[-1][0].endswith("/times/")
    assert WITHOUT_END in text_of(owner.get(made)) + text_of(refused)
    schedule = made.replace("manage", "times")
    page = text_of(owner.post(schedule, times(opens="now")))
    assert f'<a href="#id_closes_0">{WITHOUT_END}' in page
    assert owner.post(schedule, times(opens="now", closes_at=wall(LATER))).status_code == 303
    assert sql("SELECT count(*) FROM polls_poll WHERE opens_at <= now()") == [(1,)]


def test_poll_is_locked_until_it_opens_only_with_a_closing_time(owner, own_poll, sql):
    poll = own_poll(opens_in="1 hour")
    page = text_of(owner.post(f"/polls/{poll.slug}/edit/", sent(locked="on")))
    assert f'<a href="#id_locked">{WITHOUT_END}' in page
    sql("UPDATE polls_poll SET closes_at = now() + interval '1 day'")
    assert owner.post(f"/polls/{poll.slug}/edit/", sent(locked="on")).status_code == 303
    assert owner.post(f"/polls/{poll.slug}/edit/", sent()).status_code == 303
    assert sql("SELECT locked FROM polls_poll") == [(False,)]


def test_recount_does_not_go_together_with_hidden_results(owner, own_poll, sql, vote):
    refusal = "Where anyone can recount the votes, others than you see the results."
    page = text_of(owner.post("/polls/new/", sent(recountable="on", results="owner")))
    assert f'<a href="#id_results_0">{refusal}' in page
    poll = own_poll(recountable=True)
    vote(poll, "ann", poll.options[:1])
    page = text_of(owner.post(f"/polls/{poll.slug}/edit/", {"results": "owner"}))
    assert refusal in page
    assert sql("SELECT results FROM polls_poll") == [("always",)]


@pytest.mark.parametrize("votes", [0, 1])
@pytest.mark.parametrize("audience", ["link", "invite"])
def test_what_a_locked_poll_refuses_is_not_offered(owner, locked_poll, owner_sql, vote, audience, votes):
    poll = locked_poll(audience=audience)
    if votes:
        vote(poll, "ann", poll.options[:1])
    path = f"/polls/{poll.slug}"
    pages = [text_of(owner.get(f"{path}/manage/"))]
    if audience == "invite":
        pages.append(text_of(owner.get(f"{path}/invites/")))
        assert "nobody else can be invited" in pages[-1]
    owner_sql("SET session_replication_role = replica")
    owner_sql("UPDATE polls_poll SET closes_at = now() - interval '1 second'")
    pages.append(text_of(owner.get(f"{path}/manage/")))
    for page in pages:
        for refused in ("times/", "edit/", "manage/close/", "invites/add/"):
            assert f'"{path}/{refused}"' not in page


def test_locked_poll_refuses_what_is_posted_anyway(owner, as_user, locked_poll, sql):
    poll = locked_poll(audience="invite")
    before = everything(sql)
    for browser in (owner, as_user("staff")):
        for path, fields in (
            ("manage/close/", {}),
            ("times/", times(closes_at=wall(LATER))),
            ("times/", times()),
            ("edit/", sent(results="owner")),
            ("edit/", {"results": "owner"}),
            ("invites/add/", {"people": "Ann", "key": "k" * 22, "create": ""}),
        ):
            page = text_of(browser.post(f"/polls/{poll.slug}/{path}", fields, follow=True))
            assert TOLD in page, path
    assert everything(sql) == before
    assert state_of(sql, poll) == "open"


def test_locked_poll_does_not_open_again(owner, locked_poll, sql):
    poll = locked_poll(opens_in="-2 hours", closes_in="-1 hour")
    page = text_of(owner.post(f"/polls/{poll.slug}/times/", times(closes_at=wall(LATER)), follow=True))
    assert TOLD in page
    assert state_of(sql, poll) == "closed"


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("close_poll", {}),
        ("set_schedule", {"schedule": queries.Schedule("keep", None, LATER, "UTC")}),
        ("edit_visibility", {"results": "owner", "listed": True}),
        (
            "edit_poll",
            {
                "details": queries.PollDetails(
                    "Q", "", ["A", "B"], "link", False, False, False, 1, 1, "always", True, "", locked=False
                )
            },
        ),
        ("make_invites", {"people": [("Ann", "a" * 64)]}),
    ],
)
def test_data_layer_refuses_changes_of_a_locked_poll(conn, locked_poll, users, sql, query, arguments):
    poll = locked_poll(audience="invite")
    before = everything(sql)
    with pytest.raises(queries.PollLocked):
        getattr(queries, query)(conn, poll.slug, queries.Actor(users["owner"].pk, False, "owner"), **arguments)
    assert everything(sql) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE polls_poll SET closes_at = clock_timestamp()",
        "UPDATE polls_poll SET closes_at = closes_at + interval '1 day'",
        "UPDATE polls_poll SET opens_at = opens_at + interval '1 day'",
        "UPDATE polls_poll SET opens_at = NULL",
        "UPDATE polls_poll SET results = 'owner'",
        "UPDATE polls_poll SET listed = false",
        "UPDATE polls_poll SET locked = false",
        "UPDATE polls_poll SET recountable = true",
        "UPDATE polls_poll SET archived_at = now()",
        "INSERT INTO polls_invite (poll_id, label, token_hash) SELECT id, 'Ann', 'a' FROM polls_poll WHERE locked",
    ],
)
def test_database_refuses_changes_of_a_locked_poll(locked_poll, sql, refused, statement):
    locked_poll(audience="invite")
    with refused("polls_poll_locked"):
        sql(statement)


def test_invitation_does_not_move_into_a_locked_poll(locked_poll, own_poll, sql, refused):
    poll, other = locked_poll(audience="invite"), own_poll(audience="invite")
    sql("INSERT INTO polls_invite (poll_id, label, token_hash) VALUES (%s, 'Ann', 'a')", other.id)
    with refused("polls_poll_locked"):
        sql("UPDATE polls_invite SET poll_id = %s", poll.id)


def test_locked_poll_is_archived_after_it_has_closed(owner, locked_poll, sql):
    poll = locked_poll(opens_in="-2 hours", closes_in="-1 hour")
    owner.post(f"/polls/{poll.slug}/manage/archive/")
    assert state_of(sql, poll) == "archived"


def test_admin_keeps_locked_polls_locked(admin_client, locked_poll, sql):
    poll = locked_poll()
    change = f"/admin/polls/poll/{poll.id}/change/"
    page = text_of(admin_client.get(change))
    for name in ("locked", "results", "closes_at_0", "opens_at_0", "audience"):
        assert f'name="{name}"' not in page
    before = everything(sql)
    for action in ("close_now", "archive"):
        response = admin_client.post(
            "/admin/polls/poll/", {"action": action, "_selected_action": [poll.id]}, follow=True
        )
        assert "Nothing was changed. This poll is locked" in text_of(response)
    assert everything(sql) == before


def test_admin_makes_locked_polls_with_a_closing_time_only(admin_client, sql, conn):
    page = text_of(admin_client.post("/admin/polls/poll/add/", poll_form(locked="on")))
    assert "A locked poll needs a closing time before it opens." in page
    fields = poll_form(locked="on", closes_at_0=f"{LATER:%Y-%m-%d}", closes_at_1="12:00")
    assert admin_client.post("/admin/polls/poll/add/", fields).status_code == 302
    assert sql("SELECT locked FROM polls_poll") == [(True,)]


def test_admin_acts_as_staff_and_as_the_owner_of_their_own_polls(admin_client, admin_user, make_poll, sql):
    for owner_id in (None, admin_user.pk):
        poll = make_poll(owner_id=owner_id, opens_in=None)
        admin_client.post(f"/admin/polls/poll/{poll.id}/delete/", {"post": "yes"})
    assert sql("SELECT role FROM polls_event WHERE action = 'poll removed' ORDER BY id") == [("staff",), ("owner",)]
