"""Invitations: links that count one vote, and the pages on which they are made, replaced and revoked."""

import csv
import io
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from polls import invites, queries
from polls.views.invitation import invited
from tests.support.invitations import MANAGER, add_path, cast, create, follow, invite, links_in
from tests.support.responses import text_of
from tests.support.rows import votes
from tests.support.site import Browser, serve

# The link and the vote


def test_link_leads_to_the_ballot_and_leaves_the_address(conn, poll, sql):
    [token] = invite(conn, poll, "Ann")
    before = sql("SELECT * FROM polls_invite")
    response = Client().get(f"/i/{token}/")
    assert (response.status_code, response["Location"]) == (303, f"/polls/{poll.slug}/")
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    assert token not in str(response.headers) + str(response.cookies)
    cookie = response.cookies["invite"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", f"/polls/{poll.slug}/")
    assert sql("SELECT * FROM polls_invite") == before


def test_link_asks_the_orm_nothing(conn, poll):
    [token] = invite(conn, poll, "Ann")
    with CaptureQueriesContext(connection) as orm:
        browser = follow(token)
        browser.get(f"/polls/{poll.slug}/")
        browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert orm.captured_queries == []


def test_invited_person_votes_once(conn, poll, sql):
    [token] = invite(conn, poll, "Ann")
    browser = follow(token)
    assert 'name="choices"' in text_of(browser.get(f"/polls/{poll.slug}/"))
    for choice in (0, 1):
        assert browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[choice]}).status_code == 303
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[0]],)]


def test_link_followed_again_elsewhere_is_no_second_vote(conn, poll, sql):
    [token] = invite(conn, poll, "Ann")
    for choice in (0, 1):
        follow(token).post(f"/polls/{poll.slug}/", {"choices": poll.options[choice]})
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[0]],)]


def test_two_invited_people_at_one_browser_vote_twice(conn, poll, sql):
    browser = Client()
    for token in invite(conn, poll, "Ann", "Bob"):
        follow(token, browser).post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 2


def test_who_is_not_invited_cannot_vote(desk, poll, sql):
    """Neither a browser nor an account, not even the owner's."""
    for browser in (Client(), desk):
        browser.get(f"/polls/{poll.slug}/")
        browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 0


def test_vote_of_a_named_poll_names_the_invitation(conn, make_invited_poll, sql):
    poll = make_invited_poll(named=True)
    [token] = invite(conn, poll, "Ann")
    cast(conn, poll, token)
    assert sql("SELECT voter FROM polls_vote") == sql("SELECT 'invite:' || id FROM polls_invite")


def test_vote_of_an_anonymous_poll_names_nobody(conn, poll, sql):
    [token] = invite(conn, poll, "Ann")
    cast(conn, poll, token)
    [(voter,)] = sql("SELECT voter FROM polls_vote")
    assert re.fullmatch("[0-9a-f]{64}", voter)
    assert sql("SELECT count(*) FROM polls_invite WHERE token_hash = %s", voter) == [(0,)]


def test_vote_can_be_changed_and_taken_back_where_the_poll_allows_it(conn, make_invited_poll, sql):
    poll = make_invited_poll(changeable=True)
    [token] = invite(conn, poll, "Ann")
    browser = follow(token)
    for choice in (0, 1):
        browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[choice]})
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[1]],)]
    browser.post(f"/polls/{poll.slug}/withdraw/")
    assert votes(sql) == 0


@pytest.mark.parametrize("slug", [{}, {"opens_in": None}], ids=["another audience", "draft"])
def test_statement_casts_votes_in_invited_polls_only(conn, make_poll, sql, slug):
    poll = make_poll(**slug, audience="link" if not slug else "invite")
    with pytest.raises(queries.PollNotFound):
        queries.cast_invited_vote(conn, poll.slug, 1, "", "n", "h", poll.options[:1])
    assert votes(sql) == 0


@pytest.mark.parametrize("what", ["revoked", "reissued", "draft", "unknown"])
def test_link_that_is_not_valid_gives_one_answer(conn, make_invited_poll, desk, sql, what):
    poll = make_invited_poll(opens_in=None if what == "draft" else "-1 hour")
    [token] = invite(conn, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    if what == "revoked":
        queries.revoke_invite(conn, poll.slug, MANAGER, invite_id)
    if what == "reissued":
        queries.reissue_invite(conn, poll.slug, MANAGER, invite_id, invites.hash_of("other"))
    unknown, response = Client().get("/i/nothing/"), Client().get(f"/i/{token if what != 'unknown' else 'x' * 3000}/")
    assert response.status_code == 404
    assert "invite" not in response.cookies
    # A page may name its own address, and nothing else tells them apart.
    assert re.sub("/i/[^/]*/", "", response.content.decode()) == re.sub("/i/[^/]*/", "", unknown.content.decode())
    assert set(response.headers) == set(unknown.headers)


def test_revoked_invitation_votes_no_more(conn, poll, sql):
    [token] = invite(conn, poll, "Ann")
    browser = follow(token)
    sql("UPDATE polls_invite SET revoked_at = now()")
    response = browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert "Your invitation is not valid any more." in text_of(response)
    assert votes(sql) == 0


def test_revoked_invitation_neither_changes_nor_takes_back_its_vote(conn, make_invited_poll, sql):
    poll = make_invited_poll(changeable=True)
    [token] = invite(conn, poll, "Ann")
    browser = follow(token)
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    sql("UPDATE polls_invite SET revoked_at = now()")
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    browser.post(f"/polls/{poll.slug}/withdraw/")
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[0]],)]


def test_withdrawal_says_why_not(conn, poll, make_invited_poll):
    changeable = make_invited_poll(changeable=True)
    for slug, error in (
        ("nowhere", queries.PollNotFound),
        (poll.slug, queries.NotChangeable),
        (changeable.slug, queries.NotEntitled),
    ):
        with pytest.raises(error):
            queries.withdraw_invited_vote(conn, slug, 1, "", ["n", "h"])


def test_new_link_replaces_the_old_one_and_is_no_second_vote(conn, poll, sql):
    [old] = invite(conn, poll, "Ann")
    thief = follow(old)
    cast(conn, poll, old)
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    new = invites.new_token()
    assert queries.reissue_invite(conn, poll.slug, MANAGER, invite_id, invites.hash_of(new)) == "Ann"
    assert Client().get(f"/i/{old}/").status_code == 404
    thief.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    follow(new).post(f"/polls/{poll.slug}/", {"choices": poll.options[2]})
    assert sql("SELECT choices FROM polls_vote") == [([poll.options[0]],)]


def test_old_link_cannot_vote_before_the_new_one(conn, poll, sql):
    [old] = invite(conn, poll, "Ann")
    thief = follow(old)
    queries.reissue_invite(conn, poll.slug, MANAGER, sql("SELECT id FROM polls_invite")[0][0], invites.hash_of("new"))
    page = text_of(thief.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]}))
    assert "Your invitation is not valid any more." in page
    assert votes(sql) == 0


def test_new_link_brings_a_revoked_invitation_back(conn, poll, sql):
    invite(conn, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    queries.revoke_invite(conn, poll.slug, MANAGER, invite_id)
    queries.reissue_invite(conn, poll.slug, MANAGER, invite_id, invites.hash_of("new"))
    follow("new").post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 1


def test_invitation_is_worth_nothing_in_another_poll(conn, poll, make_invited_poll, sql):
    other = make_invited_poll()
    [token] = invite(conn, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    with pytest.raises(queries.NotEntitled):
        queries.cast_invited_vote(conn, other.slug, invite_id, invites.hash_of(token), "n", "h", other.options[:1])
    assert votes(sql) == 0


def test_cookie_is_worth_nothing_in_another_poll(conn, poll, make_invited_poll, sql):
    other = make_invited_poll()
    ann, bob = invite(conn, poll, "Ann")[0], invite(conn, other, "Bob")[0]
    stolen = follow(ann).cookies["invite"].value
    request = RequestFactory().get("/")
    request.COOKIES["invite"] = stolen
    assert invited(request, poll.slug)
    assert invited(request, other.slug) is None
    for path in ("/", f"/polls/{other.slug}/"):
        browser = follow(bob)
        browser.cookies["invite"] = stolen
        browser.cookies["invite"]["path"] = path
        browser.post(f"/polls/{other.slug}/", {"choices": other.options[0]})
    assert votes(sql) == 0


FORGERIES = {
    "another invitation": lambda value: f"{int(value.partition('.')[0]) + 1}.{value.partition('.')[2]}",
    "another signature": lambda value: value[:-1] + ("_" if value[-1] != "_" else "-"),
    "no signature": lambda value: value.partition(":")[0],
    "nonsense": str.upper,
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_forged_cookie_is_no_invitation(conn, poll, sql, forge):
    [token, _] = invite(conn, poll, "Ann", "Bob")
    browser = follow(token)
    value = browser.cookies["invite"].value
    browser.cookies["invite"] = forge(value)
    assert browser.cookies["invite"].value != value
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 0


def test_links_are_kept_as_hashes_only(desk, poll, conn, sql):
    [token] = links_in(create(desk, poll, "Ann"))
    assert sql("SELECT token_hash FROM polls_invite") == [(invites.hash_of(token),)]
    rows = sql(
        "SELECT (SELECT jsonb_agg(to_jsonb(e)) FROM polls_event AS e)::text"
        " || (SELECT jsonb_agg(to_jsonb(i)) FROM polls_invite AS i)::text"
        " || (SELECT coalesce(jsonb_agg(to_jsonb(s)), '[]') FROM django_session AS s)::text"
    )
    assert token not in rows[0][0]
    assert invites.hash_of(token) not in sql("SELECT jsonb_agg(to_jsonb(e))::text FROM polls_event AS e")[0][0]


# Races


@pytest.mark.parametrize("changeable", [False, True])
def test_fifty_votes_with_one_invitation_at_once_count_once(conn, make_invited_poll, sql, changeable):
    poll = make_invited_poll(changeable=changeable)
    [token] = invite(conn, poll, "Ann")
    start = threading.Barrier(50)
    with serve(WEB_THREADS="50", WEB_CONCURRENCY="1", POOL_MAXCONN="20") as address:
        browser = Browser(address)
        browser.get(f"/i/{token}/")
        browser.get(f"/polls/{poll.slug}/")

        def send(number):
            start.wait()
            return browser.post(f"/polls/{poll.slug}/", [poll.options[number % 3]])[0]

        with ThreadPoolExecutor(50) as threads:
            assert set(threads.map(send, range(50))) == {303}
    assert votes(sql) == 1
    assert sql("SELECT sum(votes) FROM polls_tally") == [(1,)]
    assert sql("SELECT sum(voters) FROM polls_turnout") == [(1,)]


@pytest.mark.parametrize("end", ["revoke", "reissue"])
def test_vote_races_the_end_of_its_link(connections_to_test_database, conn, poll, sql, end):
    """Whichever comes first holds: a vote that was taken counts, and none is taken after the answer of the end."""
    one, two = connections_to_test_database(), connections_to_test_database()
    rounds = 60
    tokens = invite(conn, poll, *(f"Person {number}" for number in range(rounds)))
    ids = [row[0] for row in sql("SELECT id FROM polls_invite ORDER BY id")]
    taken = refused = 0
    with ThreadPoolExecutor(2) as threads:
        for token, invite_id in zip(tokens, ids, strict=True):
            start = threading.Barrier(2)
            token_hash = invites.hash_of(token)

            def vote(invite_id=invite_id, token_hash=token_hash, start=start):
                start.wait()
                queries.cast_invited_vote(
                    one, poll.slug, invite_id, token_hash, "", f"invite:{invite_id}", poll.options[:1]
                )

            def stop(invite_id=invite_id, start=start):
                start.wait()
                if end == "revoke":
                    queries.revoke_invite(two, poll.slug, MANAGER, invite_id)
                else:
                    queries.reissue_invite(two, poll.slug, MANAGER, invite_id, f"new {invite_id}")

            voting, stopping = threads.submit(vote), threads.submit(stop)
            stopping.result()
            try:
                voting.result()
                taken += 1
                expected = 1
            except queries.NotEntitled:
                refused += 1
                expected = 0
            assert sql("SELECT count(*) FROM polls_vote WHERE voter = %s", f"invite:{invite_id}") == [(expected,)]
    assert taken + refused == rounds


@pytest.mark.parametrize("end", ["revoke", "reissue"])
def test_vote_waits_for_the_end_of_its_link_under_way_and_is_refused(
    connections_to_test_database, conn, poll, sql, end
):
    revoker, voter = connections_to_test_database(), connections_to_test_database()
    [token] = invite(conn, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    revoker.autocommit = False
    if end == "revoke":
        queries.revoke_invite(revoker, poll.slug, MANAGER, invite_id)
    else:
        queries.reissue_invite(revoker, poll.slug, MANAGER, invite_id, "new")
    with ThreadPoolExecutor(1) as thread:
        voting = thread.submit(cast, voter, poll, token)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        while sql(waits, voter.info.backend_pid) == [(0,)]:
            assert not voting.done(), voting.result()
        revoker.commit()
        with pytest.raises(queries.NotEntitled):
            voting.result()
    assert votes(sql) == 0


def test_revocation_waits_for_the_vote_under_way(connections_to_test_database, conn, poll, sql):
    revoker, voter = connections_to_test_database(), connections_to_test_database()
    [token] = invite(conn, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    voter.autocommit = False
    cast(voter, poll, token)
    with ThreadPoolExecutor(1) as thread:
        revoking = thread.submit(queries.revoke_invite, revoker, poll.slug, MANAGER, invite_id)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        while sql(waits, revoker.info.backend_pid) == [(0,)]:
            assert not revoking.done()
        voter.commit()
        assert revoking.result() == "Ann"
    assert votes(sql) == 1


# Who may manage


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
    trail = sql("SELECT action, actor FROM polls_event WHERE action LIKE 'invite%%' ORDER BY id")
    assert trail == [("invite added", "owner"), ("invite changed", "owner"), ("invite changed", "owner")]


# The list


@pytest.mark.parametrize("named", [False, True])
def test_list_says_who_has_voted_and_never_what(desk, conn, make_invited_poll, sql, named):
    poll = make_invited_poll(named=named)
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


# Adding people


def test_list_is_previewed_before_anything_is_made(desk, poll, sql):
    page = text_of(desk.post(add_path(poll), {"people": "Ann\r\nBob\r\n\r\n", "check": ""}))
    assert "Invite 2 people?" in page
    assert "<li><bdi>Ann</bdi></li><li><bdi>Bob</bdi></li>" in page
    assert sql("SELECT count(*) FROM polls_invite") == [(0,)]


def test_confirmed_list_is_made_and_its_links_work(desk, poll, sql):
    response = create(desk, poll, "Ann\nBob")
    assert "2 people are invited" in text_of(response)
    assert "no-store" in response["Cache-Control"]
    assert sql("SELECT label FROM polls_invite ORDER BY id") == [("Ann",), ("Bob",)]
    tokens = links_in(response)
    assert len(set(tokens)) == 2
    for token in tokens:
        assert len(token) == 22
        follow(token).post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 2


def test_double_click_makes_each_invitation_once_and_shows_its_link_twice(desk, poll, sql):
    fields = {"people": "Ann\nBob", "key": invites.new_key(), "create": ""}
    first, second = desk.post(add_path(poll), fields), desk.post(add_path(poll), fields)
    assert links_in(first) == links_in(second) != []
    assert sql("SELECT count(*) FROM polls_invite") == [(2,)]


def test_double_click_at_the_same_moment_too(desk, poll, sql, monkeypatch):
    fields = {"people": "Ann\nBob", "key": invites.new_key(), "create": ""}
    make, links = queries.make_invites, []

    def make_after_another(*args):
        monkeypatch.setattr(queries, "make_invites", make)
        links.append(links_in(desk.post(add_path(poll), fields)))
        make(*args)

    monkeypatch.setattr(queries, "make_invites", make_after_another)
    links.append(links_in(desk.post(add_path(poll), fields)))
    assert links[0] == links[1] != []
    assert sql("SELECT count(*) FROM polls_invite") == [(2,)]


def test_two_people_who_add_the_same_list_at_once_make_it_once(desk, poll, sql, monkeypatch):
    make = queries.make_invites

    def make_after_another(conn, *args):
        monkeypatch.setattr(queries, "make_invites", make)
        create(desk, poll, "Bob")
        make(conn, *args)

    monkeypatch.setattr(queries, "make_invites", make_after_another)
    page = text_of(desk.post(add_path(poll), {"people": "Ann\nBob", "key": invites.new_key(), "create": ""}))
    assert "Line 2, “<bdi>Bob</bdi>”, is invited already." in page
    assert sql("SELECT label FROM polls_invite") == [("Bob",)]


PROBLEMS = [
    ("Ann\n\nBob", "Line 2 is empty."),
    ("Ann\n \t \nBob", "Line 2 is empty."),
    ("Ann\nBob\nann", "Line 3, “<bdi>ann</bdi>”, is the same as line 1."),
    ("Zoë\nZoe\u0308", "Line 2, “<bdi>Zoë</bdi>”, is the same as line 1."),
    ("Ann  B\n Ann\tB ", "Line 2, “<bdi>Ann B</bdi>”, is the same as line 1."),
    ("Ann\n" + "x" * 201, "has 201 characters, and 200 are the most."),
    ("Ann\nB\0b", "holds a character that is no text."),
    ("Ann\nB\x1bb", "holds a character that is no text."),
    ("Ann\n\u202egro.elpmaxe", "holds an invisible character that turns the reading direction."),
    ("Ann\nB\ufffdb", "holds a character that could not be read: save the file as UTF-8."),
    ("Ann\nInvited before", "Line 2, “<bdi>Invited before</bdi>”, is invited already."),
    ("Ann\nREVOKED before", "Line 2, “<bdi>REVOKED before</bdi>”, is invited already."),
]


@pytest.mark.parametrize(("people", "says"), PROBLEMS)
@pytest.mark.parametrize("button", ["check", "create"])
def test_line_that_is_wrong_is_named_and_nothing_is_half_done(desk, conn, poll, sql, people, says, button):
    invite(conn, poll, "Invited before", "Revoked before")
    sql("UPDATE polls_invite SET revoked_at = now() WHERE label = 'Revoked before'")
    page = text_of(desk.post(add_path(poll), {"people": people, "key": invites.new_key(), button: ""}))
    assert "Nobody was invited" in page
    assert says in page
    assert 'name="create"' not in page
    assert sql("SELECT count(*) FROM polls_invite") == [(2,)]


def test_database_refuses_a_second_invitation_of_one_person(conn, poll, refused, sql):
    invite(conn, poll, "Ann")
    with pytest.raises(queries.InviteExists):
        invite(conn, poll, "Bob", "Ann")
    with refused("polls_invite_label"):
        sql("INSERT INTO polls_invite (poll_id, label, token_hash) VALUES (%s, 'Ann', 'x')", poll.id)
    assert sql("SELECT label FROM polls_invite") == [("Ann",)]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({}, "Paste a list, or choose a file."),
        ({"people": "\r\n \r\n"}, "Paste a list, or choose a file."),
        ({"people": "x\n" * 10_001}, "10,001 lines were sent, and 10,000 are the most at once."),
        ({"people": "x" * 1_000_001}, "more than 1 MB"),
        ({"file": b"x" * 1_000_001}, "more than 1 MB"),
        ({"file": b"\xff\xfeA\xd8"}, "This file is no text."),
        ({"file": b"\x81\x8d"}, "This file is no text."),
        ({"file": b'"' + b"x" * 200_000}, "This file is no CSV"),
        ({"file": b""}, "The submitted file is empty."),
    ],
    ids=[
        "nothing",
        "blank lines",
        "too many",
        "long paste",
        "long file",
        "half a character",
        "binary",
        "no CSV",
        "empty",
    ],
)
def test_list_that_cannot_be_taken_says_why(desk, poll, sql, sent, says):
    if "file" in sent:
        sent = {"file": SimpleUploadedFile("people.csv", sent["file"])}
    response = desk.post(add_path(poll), {**sent, "create": ""})
    assert response.status_code == 200
    assert says in text_of(response)
    assert sql("SELECT count(*) FROM polls_invite") == [(0,)]


def test_ten_megabytes_are_refused(desk, poll, sql):
    assert desk.post(add_path(poll), {"people": "x" * 10_000_000, "create": ""}).status_code == 400


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("heading", ["", "Name;Class\r\n"])
def test_file_of_a_spreadsheet_is_read(desk, poll, sql, encoding, heading):
    file = SimpleUploadedFile("people.csv", f'{heading}Zoë;4b\r\n"O\'Neill; Ann";"4\nc"\r\n'.encode(encoding))
    page = desk.post(add_path(poll), {"file": file, "people": "Pasted", "check": ""}).content.decode()
    lines = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)[1]
    assert lines == "Pasted\nZoë, 4b\nO&#x27;Neill; Ann, 4 c"


def test_key_that_is_none_is_replaced(desk, poll):
    page = desk.post(add_path(poll), {"people": "Ann", "key": "guess me", "check": ""}).content.decode()
    assert len(re.search(r'name="key" value="([^"]*)"', page)[1]) == 43


def test_ten_thousand_people_are_invited_at_once(desk, poll, sql):
    people = "\n".join(f"Person {number:05} Ünïcödé" for number in range(10_000))
    response = create(desk, poll, people)
    assert "10000 people are invited" in text_of(response)
    assert len(response.content) < 100_000
    assert sql("SELECT count(*), count(DISTINCT token_hash) FROM polls_invite") == [(10_000, 10_000)]
    assert "10000 invited, 0 voted." in text_of(desk.get(f"/polls/{poll.slug}/invites/"))


# Links as a file and as slips


def test_links_as_a_file_run_no_formula(desk, poll, client):
    names = ["=1+1", "+1", "-1", "@A1", "|x", "%x", 'Ann, "the" one', "<script>alert(1)</script>"]
    key = invites.new_key()
    tokens = links_in(desk.post(add_path(poll), {"people": "\n".join(names), "key": key, "create": ""}))
    response = desk.post(f"/polls/{poll.slug}/invites/links.csv", {"key": key})
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    rows = list(csv.reader(io.StringIO(response.content.decode())))
    assert rows[0] == ["name", "link"]
    assert [name for name, _ in rows[1:]] == [f"'{name}" for name in names[:6]] + names[6:]
    assert [link for _, link in rows[1:]] == [f"http://testserver/i/{token}/" for token in tokens]


def test_slips_have_a_code_each_and_markup_stays_text(desk, poll, sql):
    evil = ["<script>alert(1)</script>", '"><svg onload=alert(1)>', "{{ 7*7 }}"]
    key = invites.new_key()
    desk.post(add_path(poll), {"people": "\n".join(evil), "key": key, "create": ""})
    page = desk.post(f"/polls/{poll.slug}/invites/slips/", {"key": key, "first": "1"}).content.decode()
    for path in ("", "add/"):
        page += desk.get(f"/polls/{poll.slug}/invites/{path}").content.decode()
    assert "<script>alert" not in page
    assert "<svg onload" not in page
    assert "49" not in re.sub(r"<svg.*?</svg>|/i/[\w-]+/|value=\"\w+\"", "", page, flags=re.DOTALL)
    assert page.count('<svg viewBox="0 0') == 3
    assert " style=" not in page


def test_qr_code_holds_the_link_and_nothing_else():
    code = invites.qr_code("http://testserver/i/x/")
    assert code.startswith('<svg viewBox="0 0 33 33">')
    assert not re.search("style|script|href|text|title", code)
    assert code != invites.qr_code("http://testserver/i/y/")


def test_slips_come_in_sheets(desk, poll):
    key = invites.new_key()
    people = "\n".join(f"Person {number:03}" for number in range(1, 202))
    page = text_of(desk.post(add_path(poll), {"people": people, "key": key, "create": ""}))
    assert re.findall(r'name="first" value="(\d+)">([^<]+)<', page) == [("1", "Slips 1 to 200"), ("201", "Slip 201")]
    sheet = text_of(desk.post(f"/polls/{poll.slug}/invites/slips/", {"key": key, "first": "201"}))
    assert ("Person 200" in sheet, "Person 201" in sheet) == (False, True)
    for first in ("", "x", "0", "-5", "9" * 40, "٣"):
        assert desk.post(f"/polls/{poll.slug}/invites/slips/", {"key": key, "first": first}).status_code == 200


def test_links_that_were_replaced_or_revoked_are_left_out(desk, poll, sql):
    key = invites.new_key()
    desk.post(add_path(poll), {"people": "Ann\nBob\nCem", "key": key, "create": ""})
    ids = [row[0] for row in sql("SELECT id FROM polls_invite ORDER BY id")]
    desk.post(f"/polls/{poll.slug}/invites/{ids[0]}/revoke/")
    desk.post(f"/polls/{poll.slug}/invites/{ids[1]}/reissue/")
    body = desk.post(f"/polls/{poll.slug}/invites/links.csv", {"key": key}).content.decode()
    assert [line.split(",")[0] for line in body.splitlines()] == ["name", "Cem"]
    slips = text_of(desk.post(f"/polls/{poll.slug}/invites/slips/", {"key": invites.new_key()}))
    assert "There are no slips here" in slips


# The text of a list, without a site


@pytest.mark.parametrize("label", ["\ud800", "a\udfffb", "\u2066a", "\u202da", "a\0", "a\x07"])
def test_label_that_is_no_text_is_named(label):
    [person] = invites.read_people([label], ())
    assert person.problem.startswith("holds a")


@pytest.mark.parametrize("label", ["Ann 👩‍👩‍👧", "נועה \u200fא", "می‌خواهم", "李雷", "O'Neill <x>"])
def test_label_in_any_script_is_fine(label):
    assert invites.read_people([label], ()) == [invites.Person(1, label, "")]


def test_links_of_one_key_differ_by_person_and_poll():
    key = invites.new_key()
    tokens = {invites.token_of(k, slug, label) for k in (key, invites.new_key()) for slug in "ab" for label in "xy"}
    assert len(tokens) == 8
    assert invites.token_of(key, "a", "x") == invites.token_of(key, "a", "x")


# What others could learn by following a link


def test_whoever_made_the_links_of_an_anonymous_poll_does_not_learn_by_them_who_chose_what(conn, make_invited_poll):
    for changeable in (False, True):
        poll = make_invited_poll(changeable=changeable)
        [token] = invite(conn, poll, "Ann")
        ann = follow(token)
        ann.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
        for path in ("", "results/"):
            address = f"/polls/{poll.slug}/{path}"
            assert "You voted for" in text_of(follow(token, ann).get(address))
            page = text_of(follow(token).get(address))
            assert ("A vote was cast with your invitation." in page) == (path == "")
            assert "You voted for" not in page
            assert " checked" not in page


def test_voter_of_a_named_poll_sees_the_choice_in_any_browser(conn, make_invited_poll):
    poll = make_invited_poll(named=True)
    [token] = invite(conn, poll, "Ann")
    cast(conn, poll, token, 1)
    assert "You voted for <strong><bdi>Option 2</bdi></strong>." in text_of(follow(token).get(f"/polls/{poll.slug}/"))


def test_browser_shared_by_two_shows_the_vote_of_the_last_only(conn, poll):
    ann, bob = invite(conn, poll, "Ann", "Bob")
    browser = Client()
    for token, choice in ((ann, 0), (bob, 1)):
        follow(token, browser).post(f"/polls/{poll.slug}/", {"choices": poll.options[choice]})
    assert "Option 2</bdi></strong>." in text_of(browser.get(f"/polls/{poll.slug}/"))
    assert "You voted for" not in text_of(follow(ann, browser).get(f"/polls/{poll.slug}/"))


def test_nobody_is_invited_to_a_poll_that_is_not_there(conn):
    with pytest.raises(queries.PollNotFound):
        queries.make_invites(conn, "nowhere", MANAGER, [("ann", "0" * 64)])
