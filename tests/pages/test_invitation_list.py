"""The list of invited people: who may see and change it, and what it shows."""

import re

import pytest
from django.test import Client

from tests.support.invitations import add_path, cast, create, follow, invite, links_in
from tests.support.responses import text_of

MANAGING = [
    ("get", ""),
    ("get", "add/"),
    ("post", "add/"),
    ("post", "links.csv"),
    ("post", "slips/"),
    ("post", "{id}/revoke/"),
    ("post", "{id}/reissue/"),
]


@pytest.mark.parametrize(("method", "path"), MANAGING)
def test_who_does_not_run_the_poll_learns_nothing(client, conn, poll, sql, django_user_model, method, path):
    invite(conn, poll, "Ann")
    before = sql("SELECT * FROM polls_invite")
    path = f"/polls/{poll.slug}/invites/" + path.format(id=before[0][0])
    fields = {"people": "Bob", "create": ""}
    answer = getattr(client, method)(path, fields)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=/")
    client.force_login(django_user_model.objects.create_user("somebody"))
    assert getattr(client, method)(path, fields).status_code == 404
    assert sql("SELECT * FROM polls_invite") == before


@pytest.mark.parametrize(("method", "path"), MANAGING)
def test_owner_and_staff_may(client, conn, poll, sql, users, admin_user, method, path):
    invite(conn, poll, "Ann")
    path = f"/polls/{poll.slug}/invites/" + path.format(id=sql("SELECT id FROM polls_invite")[0][0])
    for user in (users["owner"], admin_user):
        client.force_login(user)
        assert getattr(client, method)(path, {"people": "Bob", "check": ""}).status_code in (200, 303)


@pytest.mark.parametrize(("method", "path"), [pair for pair in MANAGING if pair[0] == "post" and pair[1] != "add/"])
def test_nothing_is_done_by_get(desk, conn, poll, sql, method, path):
    invite(conn, poll, "Ann")
    before = sql("SELECT * FROM polls_invite")
    assert desk.get(f"/polls/{poll.slug}/invites/" + path.format(id=before[0][0])).status_code == 405
    assert sql("SELECT * FROM polls_invite") == before


@pytest.mark.parametrize(("method", "path"), [pair for pair in MANAGING if pair[0] == "post"])
def test_nothing_is_done_without_the_token_of_the_page(conn, poll, sql, users, method, path):
    invite(conn, poll, "Ann")
    before = sql("SELECT * FROM polls_invite")
    stranger = Client(enforce_csrf_checks=True)
    stranger.force_login(users["owner"])
    path = f"/polls/{poll.slug}/invites/" + path.format(id=before[0][0])
    assert stranger.post(path, {"people": "Bob", "create": ""}).status_code == 403
    assert sql("SELECT * FROM polls_invite") == before


def test_invitation_of_another_poll_cannot_be_touched(desk, conn, poll, make_poll, sql):
    other = make_poll(audience="invite")
    invite(conn, other, "Ann")
    before = sql("SELECT * FROM polls_invite")
    for action in ("revoke", "reissue"):
        assert desk.post(f"/polls/{poll.slug}/invites/{before[0][0]}/{action}/").status_code == 404
    assert desk.post(f"/polls/{poll.slug}/invites/{2**70}/revoke/").status_code == 404
    assert sql("SELECT * FROM polls_invite") == before


def test_poll_for_others_has_no_invitations(desk, make_poll, users):
    poll = make_poll(owner_id=users["owner"].pk)
    assert desk.get(f"/polls/{poll.slug}/invites/").status_code == 404
    assert desk.post(add_path(poll), {"people": "Ann", "create": ""}).status_code == 404


def test_everything_is_in_the_trail_under_the_name_of_who_did_it(desk, poll, sql):
    create(desk, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    for action in ("revoke", "reissue"):
        desk.post(f"/polls/{poll.slug}/invites/{invite_id}/{action}/")
    trail = sql("SELECT action, actor FROM polls_event WHERE action LIKE 'invite %%' ORDER BY id")
    assert trail == [("invite added", "owner"), ("invite changed", "owner"), ("invite changed", "owner")]


@pytest.mark.parametrize("named", [False, True])
def test_list_says_who_has_voted_and_never_what(desk, conn, make_invited_poll, sql, named):
    # Where counts are shown while an anonymous poll is open, the list says nothing before it has closed.
    poll = make_invited_poll(named=named, results="closed")
    tokens = invite(conn, poll, "Ann", "Bob", "Cem", "Dan")
    ids = [row[0] for row in sql("SELECT id FROM polls_invite ORDER BY id")]
    for token in (tokens[0], tokens[3]):
        cast(conn, poll, token, 1)
    for invite_id in ids[2:]:
        desk.post(f"/polls/{poll.slug}/invites/{invite_id}/revoke/")
    page = text_of(desk.get(f"/polls/{poll.slug}/invites/"))
    assert "4 invited, 2 voted, 2 links revoked." in page
    states = re.findall(r"<bdi>(\w+)</bdi></th> <td>([^<]+)</td>", page)
    assert states == [("Ann", "voted"), ("Bob", "not voted"), ("Cem", "revoked"), ("Dan", "voted, then revoked")]
    assert "Option" not in page


def test_list_has_pages_and_a_search(desk, conn, poll):
    invite(conn, poll, *(f"Person {number:03}" for number in range(101)))
    first, second = (text_of(desk.get(f"/polls/{poll.slug}/invites/?page={page}")) for page in (1, 2))
    assert ("Person 099" in first, "Person 100" in first, "Next page" in first) == (True, False, True)
    assert ("Person 099" in second, "Person 100" in second, "Next page" in second) == (False, True, False)
    found = text_of(desk.get(f"/polls/{poll.slug}/invites/?q=PERSON+100"))
    assert ("Person 100" in found, "Person 099" in found) == (True, False)
    assert "Nobody with “x&lt;y” in the name" in text_of(desk.get(f"/polls/{poll.slug}/invites/?q=x<y"))
    assert "There are no more." in text_of(desk.get(f"/polls/{poll.slug}/invites/?page=3"))


def test_empty_list_says_so(desk, poll):
    assert "Nobody is invited yet." in text_of(desk.get(f"/polls/{poll.slug}/invites/"))


def test_revoking_comes_back_to_the_same_place(desk, conn, poll, sql):
    invite(conn, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    response = desk.post(f"/polls/{poll.slug}/invites/{invite_id}/revoke/?q=ann&page=1")
    assert response.status_code == 303
    assert response["Location"] == f"/polls/{poll.slug}/invites/?q=ann&page=1#invite-{invite_id}"
    first = sql("SELECT revoked_at FROM polls_invite")
    desk.post(f"/polls/{poll.slug}/invites/{invite_id}/revoke/")
    assert sql("SELECT revoked_at FROM polls_invite") == first


def test_new_link_is_shown_once_as_a_slip(desk, conn, poll, sql):
    [old] = invite(conn, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    response = desk.post(f"/polls/{poll.slug}/invites/{invite_id}/reissue/")
    [new] = links_in(response)
    assert new != old
    assert "A new link for <bdi>Ann</bdi>" in text_of(response)
    assert "no-store" in response["Cache-Control"]
    assert follow(new)
