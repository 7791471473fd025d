"""What staff may do with polls of others: each page asks for its own permission, and being staff opens none."""

from typing import NamedTuple

import pytest
from django.urls import reverse

from polls import queries, urls
from tests.support.draws import codes_of
from tests.support.invitations import cast, invite
from tests.support.owners import EVERYTHING
from tests.support.poll_forms import sent
from tests.support.responses import text_of
from tests.support.rows import cast_over_time, state_of


class Page(NamedTuple):
    """What a page of an owner needs of others, and what it answers without that."""

    needs: tuple[str, ...]
    method: str = "get"
    refusal: int = 404  # as if there were no such poll


MANAGING = Page(("manage_poll",))
DOING = Page(("manage_poll",), "post")
COUNTS = Page(("view_results",), refusal=403)
CHOICES = Page(("view_choices",))

# Every address below that of a poll is in one of the two: a new one fails until it is.
PUBLIC = {
    *("poll", "withdraw", "receipt", "invitation", "results", "history", "history_txt", "receipt_list"),
    *("checkpoints_json", "bundle_json", "wall", "embed", "qr_code", "draw_list", "draw"),
}
GUARDED = {
    "results_json": COUNTS,
    "results_csv": COUNTS,
    "draw_entries": COUNTS,
    "draw_create": Page(("manage_poll", "view_results")),
    "manage": MANAGING,
    "change_state": DOING,
    "edit": MANAGING,
    "schedule": MANAGING,
    "correct": MANAGING,
    "preview": MANAGING,
    "delete": MANAGING,
    "votes_csv": CHOICES,
    "votes_json": CHOICES,
    "invite_list": MANAGING,
    "invite_add": MANAGING,
    "invite_links_csv": DOING,
    "invite_slips": DOING,
    "invite_revoke": DOING,
    "invite_reissue": DOING,
}
PATTERNS = {pattern.name: pattern for pattern in urls.urlpatterns if "<slug:slug>" in str(pattern.pattern)}


def test_each_address_of_a_poll_is_public_or_guarded():
    assert set(PATTERNS) == PUBLIC | set(GUARDED)


@pytest.fixture
def held(conn, make_invited_poll, sql):
    """A closed, named poll for invited people, with votes and a draw, whose results are the owner's alone."""
    poll = make_invited_poll(named=True, results="owner", title="Held")
    for token in invite(conn, poll, "Ann", "Bob"):
        cast(conn, poll, token)
    sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
    queries.freeze_entries(conn, poll.id, None, actor="test")
    queries.draw_winner(conn, poll.id, None, number=1, actor="test")
    return poll


@pytest.fixture
def ask(held, sql):
    """Ask for a page of `held`, and return the status."""

    def status(client, name):
        values = {"slug": held.slug, "action": "archive", "number": 1}
        values["invite_id"] = sql("SELECT min(id) FROM polls_invite")[0][0]
        address = reverse(f"polls:{name}", kwargs={key: values[key] for key in PATTERNS[name].pattern.converters})
        return getattr(client, GUARDED[name].method)(address).status_code

    return status


@pytest.mark.parametrize("name", GUARDED)
def test_page_is_closed_to_staff_without_its_permission(as_user, staff_with, ask, name):
    needs, _method, refusal = GUARDED[name]
    assert ask(as_user("stranger"), name) == refusal
    assert ask(as_user("clerk"), name) == refusal
    for missing in needs:
        assert ask(staff_with(*(one for one in EVERYTHING if one != missing)), name) == refusal


@pytest.mark.parametrize("name", GUARDED)
def test_page_is_open_to_its_permission_the_owner_and_superusers(as_user, staff_with, ask, name):
    codes = [ask(client, name) for client in (staff_with(*GUARDED[name].needs), as_user("owner"), as_user("superuser"))]
    assert codes in ([200] * 3, [303] * 3)


@pytest.mark.parametrize("name", GUARDED)
def test_permission_without_being_staff_opens_nothing(as_user, users, ask, name):
    """As in the admin."""
    users["staff"].is_staff = False
    users["staff"].save()
    assert ask(as_user("staff"), name) == GUARDED[name].refusal


@pytest.mark.parametrize("name", ["manage", "results_json", "votes_csv", "draw_create"])
def test_permission_of_an_inactive_user_opens_nothing(as_user, users, ask, name):
    client = as_user("superuser")
    users["superuser"].is_active = False
    users["superuser"].save()
    assert ask(client, name) in (302, 403, 404)


@pytest.mark.parametrize("name", ["clerk", "stranger"])
def test_being_staff_shows_no_more_of_a_poll_than_a_stranger_sees(as_user, held, name):
    client = as_user(name)
    for page in ("", "results/", "wall/", "embed/", "draws/", "draws/1/", "results/?live"):
        shown = text_of(client.get(f"/polls/{held.slug}/{page}"))
        for hidden in ("2 people have voted", "2 voters", "2 entries", "entries.txt", f"/polls/{held.slug}/manage/"):
            assert hidden not in shown


def test_results_of_others_are_shown_to_staff_who_may_see_them(staff_with, as_user, own_poll, vote):
    poll = own_poll(results="owner", named=True)
    vote(poll, "ann", poll.options[:1])
    path = f"/polls/{poll.slug}/results"
    for client, shown in ((staff_with("view_results"), True), (staff_with("manage_poll", "view_choices"), False)):
        assert ("is ahead, chosen by 1 of 1 voter" in text_of(client.get(f"{path}/"))) == shown
        assert client.get(f"{path}.json").status_code == (200 if shown else 403)
    # In front of a hall they show what everyone may see, as the owner does.
    for page in ("wall", "embed"):
        assert "is ahead" not in text_of(as_user("superuser").get(f"/polls/{poll.slug}/{page}/"))


def test_staff_who_manage_without_seeing_results_are_led_to_none(staff_with, own_poll, sql):
    poll = own_poll(results="closed", named=True)
    cast_over_time(sql, poll, 30, 60)
    page = text_of(staff_with("manage_poll").get(f"/polls/{poll.slug}/manage/"))
    for hidden in ("votes.csv", "votes.json", "results.csv", "You see who chose what", "You see them at any time"):
        assert hidden not in page
    page = text_of(staff_with(*EVERYTHING).get(f"/polls/{poll.slug}/manage/"))
    for shown in ("votes.csv", "votes.json", "results.csv", "You see who chose what", "You see them at any time"):
        assert shown in page


@pytest.mark.parametrize("voted", [True, False])
def test_hidden_results_are_opened_by_nobody_who_may_not_see_them(staff_with, own_poll, vote, sql, voted):
    """Otherwise a manager would turn "only the owner" into "everyone", look, and turn it back."""
    poll = own_poll(results="owner")
    if voted:
        vote(poll, "ann", poll.options[:1])
    fields = {"results": "always", "listed": "on"} if voted else sent(results="always", listed="on")
    path = f"/polls/{poll.slug}/edit/"
    manager = staff_with("manage_poll")
    assert "staff who may see the results" in text_of(manager.get(path))
    assert manager.post(path, fields).status_code == 303
    assert sql("SELECT results, listed FROM polls_poll") == [("owner", True)]
    assert staff_with("manage_poll", "view_results").post(path, fields).status_code == 303
    assert sql("SELECT results FROM polls_poll") == [("always",)]


def test_data_layer_keeps_hidden_results_hidden(conn, own_poll, users, sql):
    """The page disables the field, and the statement asks again."""
    poll = own_poll(results="owner")
    clerk = queries.Actor(users["clerk"].pk, True, "clerk")
    queries.edit_visibility(conn, poll.slug, clerk, results="always", listed=False)
    assert sql("SELECT results, listed FROM polls_poll") == [("owner", False)]
    details = queries.PollDetails("T", "", ["A", "B"], "link", False, False, False, 1, 1, "always", True, "")
    queries.edit_poll(conn, poll.slug, clerk, details)
    assert sql("SELECT title, results FROM polls_poll") == [("T", "owner")]
    queries.edit_poll(conn, poll.slug, clerk._replace(sees_results=True), details)
    assert sql("SELECT results FROM polls_poll") == [("always",)]


def test_draw_in_a_poll_of_others_needs_its_results(staff_with, users, closed_poll, sql):
    """That no one chose an option is a result too, and the form and its refusals tell it."""
    poll = closed_poll(owner=users["owner"], results="owner")
    fields = {"option": poll.options[0], "number": 1}
    path = f"/polls/{poll.slug}/draw/"
    manager = staff_with("manage_poll")
    assert manager.post(path, fields).status_code == 404
    assert "Draw a winner" not in text_of(manager.get(f"/polls/{poll.slug}/draws/"))
    assert sql("SELECT id FROM polls_entries") == []
    public = closed_poll(owner=users["owner"])
    assert manager.post(f"/polls/{public.slug}/draw/", fields | {"option": public.options[0]}).status_code == 303
    assert staff_with("manage_poll", "view_results").post(path, fields).status_code == 303


def test_entries_are_shown_to_staff_who_may_see_results(conn, staff_with, users, closed_poll, drawn):
    poll = closed_poll(owner=users["owner"], results="owner")
    drawn(poll)
    client = staff_with("view_results")
    assert client.get(f"/polls/{poll.slug}/draws/1/entries.txt").getvalue().decode().split() == codes_of(
        conn, poll, poll.options[0]
    )
    assert "5 entries" in text_of(client.get(f"/polls/{poll.slug}/draws/"))


def test_staff_without_permission_change_nothing(as_user, own_poll, sql):
    poll = own_poll()
    before = sql("SELECT * FROM polls_event")
    for action in ("close", "archive"):
        assert as_user("clerk").post(f"/polls/{poll.slug}/manage/{action}/").status_code == 404
    assert as_user("clerk").post(f"/polls/{poll.slug}/edit/", sent(title="Mine")).status_code == 404
    assert (state_of(sql, poll), sql("SELECT * FROM polls_event")) == ("open", before)


def test_copy_of_a_poll_of_others_needs_the_permission(as_user, staff_with, own_poll):
    poll = own_poll(opens_in=None, title="A draft")
    path = f"/polls/new/?like={poll.slug}"
    assert "A draft" not in text_of(as_user("clerk").get(path))
    assert "A draft" in text_of(staff_with("manage_poll").get(path))


def test_ballot_says_whom_the_administrator_may_let_see(client, make_poll):
    said = "The staff of this site see as much as the owner only if its administrator allows them to."
    assert said in text_of(client.get(f"/polls/{make_poll(named=True).slug}/"))
    assert said in text_of(client.get(f"/polls/{make_poll(results='closed').slug}/"))
    assert said not in text_of(client.get(f"/polls/{make_poll().slug}/"))


def test_voter_who_is_signed_in_costs_no_query_for_permissions(as_user, make_poll, django_assert_max_num_queries):
    poll = make_poll(results="closed")
    client = as_user("stranger")
    with django_assert_max_num_queries(2):  # the session and the user
        client.get(f"/polls/{poll.slug}/results/")
