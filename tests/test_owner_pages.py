"""The pages of those who run polls: accounts, making, changing, running, and who may do what."""

import re
import threading
from datetime import datetime, timedelta, timezone
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.forms import UserCreationForm
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from django.test import Client

from polls import limits, option_lines, queries, trail, wall_clock
from tests.test_pages import text_of

PASSWORD = "correct horse battery"
LATER = datetime.now(timezone.utc).replace(second=0, microsecond=0) + timedelta(days=30)


@pytest.fixture
def users(django_user_model, transactional_db):
    make = django_user_model.objects.create_user
    return {"owner": make("owner"), "stranger": make("stranger"), "staff": make("staff", is_staff=True)}


@pytest.fixture
def as_user(users):
    """A browser in which one of these users is signed in, or nobody."""

    def sign_in(name, **options):
        client = Client(**options)
        if name != "anonymous":
            client.force_login(users[name])
        return client

    return sign_in


@pytest.fixture
def owner(as_user):
    return as_user("owner")


@pytest.fixture
def own_poll(make_poll, users):
    def make(options=3, **columns):
        return make_poll(options, **{"owner_id": users["owner"].pk, **columns})

    return make


def sent(**fields):
    """What the page for a new poll sends."""
    return {
        "title": "Tea or coffee?",
        "description": "",
        "options": "Tea\r\nCoffee",
        "audience": "link",
        "min_choices": "1",
        "max_choices": "1",
        "results": "always",
        "draw_source": "",
        "opens": "now",
        "opens_at": "",
        "closes_at": "",
        "time_zone": "UTC",
        "key": "k" * 22,
        **fields,
    }


def wall(moment, zone="UTC"):
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


def state_of(sql, poll):
    return sql("SELECT polls_state(opens_at, closes_at, archived_at) FROM polls_poll WHERE id = %s", poll.id)[0][0]


def filled(page):
    """What a browser would send of a page's inputs: text areas and lists are not among them."""
    fields = {}
    for tag in re.findall(r"<input [^>]+>", page):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if attributes["type"] not in ("radio", "checkbox") or re.search(r"\schecked", tag):
            fields[attributes["name"]] = attributes.get("value", "on" if "checked" in tag else "")
    return fields


def options_of(sql, poll_id=None):
    where = "" if poll_id is None else f"WHERE poll_id = {poll_id}"
    return [text for (text,) in sql(f"SELECT text FROM polls_option {where} ORDER BY position, id")]


def actors(sql, action):
    return {actor for (actor,) in sql("SELECT actor FROM polls_event WHERE action = %s", action)}


# Accounts


def test_account_is_made_and_signed_in(client, transactional_db):
    response = client.post("/accounts/new/", {"username": "ann", "password1": PASSWORD, "password2": PASSWORD})
    assert response["Location"] == "/mine/"
    assert "You are signed in as <bdi>ann</bdi>." in text_of(client.get("/mine/"))


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/polls/new/", "/polls/new/"),
        ("https://evil.example/", "/mine/"),
        ("//evil.example/", "/mine/"),
        ("", "/mine/"),
    ],
)
def test_new_account_leads_back_to_this_site_only(client, transactional_db, target, leads_to):
    assert quote(target, "/") in text_of(client.get("/accounts/new/", {"next": target})) or leads_to == "/mine/"
    fields = {"username": "ann", "password1": PASSWORD, "password2": PASSWORD, "next": target}
    assert client.post("/accounts/new/", fields)["Location"] == leads_to
    assert client.get("/accounts/new/", {"next": target})["Location"] == leads_to


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"username": ""}, '<a href="#id_username">This field is required.'),
        ({"username": "OWNER"}, '<a href="#id_username">A user with that username already exists.'),
        ({"username": "a\x00b"}, '<a href="#id_username">'),
        ({"username": "x" * 200}, '<a href="#id_username">'),
        ({"password2": "another"}, '<a href="#id_password2">'),
        ({"password1": "12345", "password2": "12345"}, '<a href="#id_password2">'),
    ],
)
def test_bad_account_comes_back_with_an_error(client, users, django_user_model, fields, says):
    response = client.post(
        "/accounts/new/", {"username": "ann", "password1": PASSWORD, "password2": PASSWORD, **fields}
    )
    assert response.status_code == 200
    assert says in text_of(response)
    assert PASSWORD not in text_of(response)
    assert django_user_model.objects.count() == 3


def test_name_that_is_taken_meanwhile_is_an_error_on_the_page(client, transactional_db, monkeypatch):
    def taken(*_args, **_kwargs):
        raise IntegrityError

    monkeypatch.setattr(UserCreationForm, "save", taken)
    response = client.post("/accounts/new/", {"username": "ann", "password1": PASSWORD, "password2": PASSWORD})
    assert "A user with that username already exists." in text_of(response)


def test_accounts_can_be_switched_off(client, transactional_db, settings):
    assert "/accounts/new/" in text_of(client.get("/accounts/login/"))
    settings.SIGN_UP = False
    assert client.get("/accounts/new/").status_code == 404
    fields = {"username": "ann", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/new/", fields).status_code == 404
    assert "/accounts/new/" not in text_of(client.get("/accounts/login/"))


def test_accounts_are_not_made_by_the_thousand(client, transactional_db, settings):
    settings.LIMITS_PER_MINUTE = settings.LIMITS_PER_MINUTE | {"sign_ups": 2}
    limits.forget()
    codes = [client.post("/accounts/new/", {"username": ""}).status_code for _ in range(3)]
    limits.forget()
    assert codes == [200, 200, 429]


def test_password_is_changed(client, django_user_model, transactional_db):
    client.force_login(django_user_model.objects.create_user("ann", password=PASSWORD))
    wrong = {"old_password": "x", "new_password1": "another one 1", "new_password2": "another one 1"}
    assert '<a href="#id_old_password">' in text_of(client.post("/accounts/password/", wrong))
    response = client.post("/accounts/password/", {**wrong, "old_password": PASSWORD}, follow=True)
    assert "Your password is changed" in text_of(response)
    assert client.get("/mine/").status_code == 200
    assert django_user_model.objects.get().check_password("another one 1")


def test_who_signs_out_is_out_and_only_by_post(owner):
    assert owner.get("/accounts/logout/").status_code == 405
    owner.post("/accounts/logout/")
    assert owner.get("/mine/")["Location"] == "/accounts/login/?next=/mine/"


# My polls


def test_my_polls_are_mine_newest_first_and_archived_last(owner, own_poll, make_poll, users):
    own_poll(title="Put away", archived_at="2026-01-01", created_at="2026-03-01")
    own_poll(title="The first", created_at="2026-01-01")
    own_poll(title="The second", created_at="2026-02-01", opens_in=None)
    make_poll(title="Of nobody")
    make_poll(title="Of somebody else", owner_id=users["staff"].pk)
    page = text_of(owner.get("/mine/"))
    titles = re.findall(r"/manage/\">([^<]+)<", page)
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


# Making


def test_question_and_options_are_enough(owner, sql, users):
    page = text_of(owner.get("/polls/new/"))
    zone = re.search(r"<option selected>([^<]+)", page)[1]
    question = {"title": "Tea or coffee?", "options": "Tea\r\n\r\n  Coffee \r\n"}
    response = owner.post("/polls/new/", {**filled(page), "time_zone": zone, **question})
    assert response.status_code == 303
    [(slug, owner_id, state, listed)] = sql(
        "SELECT slug, owner_id, polls_state(opens_at, closes_at, archived_at), listed FROM polls_poll"
    )
    assert response["Location"] == f"/polls/{slug}/manage/"
    assert re.fullmatch(r"tea-or-coffee-[2-9b-z]{10}", slug)
    assert (owner_id, state, listed) == (users["owner"].pk, "open", False)
    assert options_of(sql) == ["Tea", "Coffee"]
    assert actors(sql, "poll added") == actors(sql, "option added") == {"owner"}
    assert "Tea" in text_of(Client().get(f"/polls/{slug}/"))


def test_every_setting_is_written(owner, sql):
    opens, closes = LATER, LATER + timedelta(days=1)
    fields = sent(
        description="One\r\nTwo",
        audience="account",
        named="on",
        changeable="on",
        shuffled="on",
        listed="on",
        min_choices="2",
        max_choices="2",
        results="closed",
        draw_source="the lottery",
        opens="at",
        opens_at=wall(opens, "Asia/Tokyo"),
        closes_at=wall(closes, "Asia/Tokyo"),
        time_zone="Asia/Tokyo",
    )
    assert owner.post("/polls/new/", fields).status_code == 303
    assert sql(
        "SELECT description, audience, named, changeable, shuffled, listed, min_choices, max_choices, results, "
        "draw_source, time_zone, opens_at, closes_at FROM polls_poll"
    ) == [("One\nTwo", "account", True, True, True, True, 2, 2, "closed", "the lottery", "Asia/Tokyo", opens, closes)]


def test_form_that_is_sent_twice_is_one_poll(owner, sql):
    answers = [owner.post("/polls/new/", sent()) for _ in range(2)]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert sql("SELECT count(*) FROM polls_poll") == [(1,)]
    assert options_of(sql) == ["Tea", "Coffee"]


def test_somebody_elses_key_leads_to_nobody_elses_poll(owner, as_user, sql):
    slug = owner.post("/polls/new/", sent())["Location"]
    response = as_user("stranger").post("/polls/new/", sent(), follow=True)
    assert response.redirect_chain == [(slug, 303)]
    assert response.status_code == 404


def test_poll_is_made_by_one_statement(owner, pool, monkeypatch, sql):
    sent_statements = []
    run = queries.designs.fetch_one
    monkeypatch.setattr(queries.designs, "fetch_one", lambda *a, **k: sent_statements.append(a[1]) or run(*a, **k))
    owner.post("/polls/new/", sent(options="\n".join(f"Option {number}" for number in range(1000))))
    assert sent_statements == [queries.designs.CREATE_POLL]
    assert options_of(sql) == [f"Option {number}" for number in range(1000)]


@pytest.mark.parametrize("opens", ["draft", "at"])
def test_poll_that_is_not_open_yet_is_seen_by_its_owner_only(owner, client, opens):
    fields = sent(opens=opens, opens_at=wall(LATER) if opens == "at" else "")
    manage = owner.post("/polls/new/", fields)["Location"]
    assert owner.get(manage).status_code == 200
    assert owner.get(manage.replace("manage", "preview")).status_code == 200
    assert client.get(manage.removesuffix("manage/")).status_code == (404 if opens == "draft" else 200)


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"title": ""}, "title", "Write a question."),
        ({"title": " \u200b "}, "title", "Write a question."),
        ({"title": "x" * 201}, "title", "at most 200 characters"),
        ({"title": "a\x00b"}, "title", "Take out the character that is no text."),
        ({"title": "a\x1bb"}, "title", "Take out the character that is no text."),
        ({"description": "x" * 5001}, "description", "at most 5000 characters"),
        ({"description": "a\x00b"}, "description", "Take out the character that is no text."),
        ({"draw_source": "x" * 201}, "draw_source", "at most 200 characters"),
        ({"options": ""}, "options", "Write at least two options"),
        ({"options": "Tea\n\n  \n"}, "options", "Write at least two options"),
        ({"options": "Tea\nCoffee\n\n TEA "}, "options", "Line 4, “TEA”, looks the same as line 1."),
        ({"options": "Tea\nCoffee\nT\u200bea"}, "options", "looks the same as line 1."),
        ({"options": "Tea\n\u200b\nCoffee"}, "options", "Line 2, “\u200b”, holds nothing that can be seen."),
        ({"options": "Tea\nCof\x00fee"}, "options", "Line 2, “Coffee”, holds a character that is no text."),
        ({"options": "Tea\n" + "x" * 201}, "options", "has 201 characters, and 200 are the most."),
        ({"options": "\n".join(map(str, range(10_000)))}, "options", "There are 10000 options, and 1000 are the most."),
        ({"options": "same\n" * 30}, "options", "… and 19 more lines."),
        ({"audience": "everyone"}, "audience_0", "Select a valid choice."),
        ({"results": ""}, "results_0", "This field is required."),
        ({"min_choices": "0"}, "min_choices", "greater than or equal to 1"),
        ({"min_choices": "2"}, "min_choices", "The fewest choices are no more than the most."),
        ({"max_choices": "3"}, "max_choices", "There are only 2 options."),
        ({"max_choices": "9" * 5000}, "max_choices", "Enter a whole number."),
        ({"max_choices": "many"}, "max_choices", "Enter a whole number."),
        ({"opens": "at"}, "opens_at", "Enter a date and a time."),
        ({"opens": "yesterday"}, "opens_0", "Select a valid choice."),
        ({"opens_at": wall(LATER)}, "opens_0", "You entered a time to open."),
        ({"opens": "at", "opens_at": "2020-01-01T12:00"}, "opens_at", "This time is over."),
        ({"closes_at": "2020-01-01T12:00"}, "closes_at", "This time is over."),
        ({"closes_at": "soon"}, "closes_at", "Enter a date and a time such as"),
        ({"closes_at": "2027-02-30T12:00"}, "closes_at", "Enter a date and a time such as"),
        ({"closes_at": "9999-12-31T23:59"}, "closes_at", "Enter a year between 2000 and 2999."),
        ({"closes_at": "٢٠٢٧-01-01T12:00"}, "closes_at", "Enter a date and a time such as"),
        (
            {"opens": "at", "opens_at": wall(LATER), "closes_at": wall(LATER)},
            "closes_at",
            "The poll would close before it opens.",
        ),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "Choose a time zone."),
        ({"time_zone": "../../etc/passwd"}, "time_zone", "Choose a time zone."),
        (
            {"time_zone": "Europe/Berlin", "closes_at": "2998-03-25T02:30"},
            "closes_at",
            "put forward then, and skip 02:30. Choose 03:30 instead.",
        ),
        (
            {"time_zone": "Europe/Berlin", "closes_at": "2998-10-28T02:30"},
            "closes_at",
            "show 02:30 twice. Choose 01:30 or 03:30 instead.",
        ),
    ],
)
def test_bad_poll_comes_back_with_what_was_typed(owner, sql, fields, field, says):
    typed = sent(description="keep this text", **fields) if "description" not in fields else sent(**fields)
    response = owner.post("/polls/new/", typed)
    assert response.status_code == 200
    page = text_of(response)
    assert re.search(rf'<a href="#id_{field}">[^<]*{re.escape(says)}', page)
    assert f'id="id_{field}"' in page
    assert "<title>Error: " in page
    assert "keep this text" in page or "description" in fields
    assert sql("SELECT count(*) FROM polls_poll") == [(0,)]


def test_errors_keep_every_field(owner):
    typed = sent(
        title="",
        options="Tea\nCof\ufffdfee",
        audience="invite",
        named="on",
        results="owner",
        opens="at",
        opens_at="2027-01-01T12:00",
        closes_at="nonsense",
        time_zone="Asia/Tokyo",
        draw_source="dice",
        key="a" * 22,
    )
    page = text_of(owner.post("/polls/new/", typed))
    for kept in (
        "Tea Cof\ufffdfee</textarea>",
        "<option selected>Asia/Tokyo",
        "<details open>",
    ):
        assert kept in page
    kept = ("audience", "named", "results", "opens", "opens_at", "closes_at", "draw_source", "key", "max_choices")
    assert {name: filled(page)[name] for name in kept} == {name: typed[name] for name in kept}
    assert "shuffled" not in filled(page)


def test_title_of_ten_megabytes_is_refused(owner, sql):
    assert owner.post("/polls/new/", sent(title="x" * 10_000_000)).status_code == 400
    assert sql("SELECT count(*) FROM polls_poll") == [(0,)]


def test_lone_surrogates_are_no_text(owner, sql):
    body = "&".join(f"{name}={quote(value)}" for name, value in sent().items() if name != "title")
    owner.post("/polls/new/", f"{body}&title=a%ED%A0%80b", content_type="application/x-www-form-urlencoded")
    assert sql("SELECT title FROM polls_poll") == [("a\ufffd\ufffd\ufffdb",)]
    assert option_lines.is_plain("a\ud800b") is False


def test_forged_fields_are_not_believed(owner, sql, users):
    forged = {"owner": "1", "owner_id": users["staff"].pk, "slug": "mine", "archived_at": "2026-01-01", "id": "1"}
    forged |= {"created_at": "2020-01-01", "actor": "somebody", "user_id": users["staff"].pk, "staff": "1"}
    owner.post("/polls/new/", sent(**forged, opens="draft"))
    [(owner_id, slug, archived_at, opens_at)] = sql("SELECT owner_id, slug, archived_at, opens_at FROM polls_poll")
    assert (owner_id, archived_at, opens_at) == (users["owner"].pk, None, None)
    assert slug.startswith("tea-or-coffee-")
    assert actors(sql, "poll added") == {"owner"}


def test_key_that_is_none_is_replaced(owner, sql):
    owner.post("/polls/new/", sent(key="' OR 1"))
    owner.post("/polls/new/", sent(key="' OR 1"))
    assert sql("SELECT count(*) FROM polls_poll") == [(2,)]


def test_clock_of_the_database_decides_whether_it_closes_before_it_opens(owner, sql, monkeypatch):
    # A web server whose clock is a day late would let this through.
    late = datetime.now(timezone.utc) - timedelta(days=1)
    monkeypatch.setattr("polls.poll_forms.timezone.now", lambda: late)
    response = owner.post("/polls/new/", sent(closes_at=wall(late + timedelta(hours=1))))
    assert "The poll would close before it opens." in text_of(response)
    assert sql("SELECT count(*) FROM polls_poll") == [(0,)]


def test_options_that_only_the_database_finds_alike_are_an_error(owner, sql, monkeypatch):
    monkeypatch.setattr("polls.option_lines.looks", lambda text: text)
    response = owner.post("/polls/new/", sent(options="Tea\nTEA"))
    assert "Two of the options look the same." in text_of(response)
    assert sql("SELECT count(*) FROM polls_poll") == [(0,)]


def test_next_poll_begins_with_the_zone_of_the_last(owner):
    owner.post("/polls/new/", sent(time_zone="Asia/Tokyo"))
    assert "<option selected>Asia/Tokyo" in text_of(owner.get("/polls/new/"))


def test_poll_is_made_like_another(owner, as_user, own_poll):
    poll = own_poll(title="Where to?", named=True, closes_in="1 hour", audience="account")
    page = text_of(owner.get("/polls/new/", {"like": poll.slug}))
    assert 'value="Where to?"' in page
    assert "Option 1 Option 2 Option 3</textarea>" in page
    kept = {name: filled(page)[name] for name in ("named", "audience", "opens", "opens_at", "closes_at")}
    assert kept == {"named": "on", "audience": "account", "opens": "now", "opens_at": "", "closes_at": ""}
    stranger = text_of(as_user("stranger").get("/polls/new/", {"like": poll.slug}))
    assert "Where to?" not in stranger
    assert "Option 1" not in stranger


# Who may do what

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


# Editing


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
    """Ask in a thread, whose connection of the ORM nobody else would close."""
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


# Opening, closing, archiving


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


# Times


def test_draft_is_scheduled_and_taken_back(owner, own_poll, sql):
    poll = own_poll(opens_in=None)
    times = {"opens": "at", "opens_at": wall(LATER), "closes_at": "", "time_zone": "Europe/Berlin"}
    assert owner.post(f"/polls/{poll.slug}/times/", times).status_code == 303
    assert state_of(sql, poll) == "scheduled"
    page = text_of(owner.get(f"/polls/{poll.slug}/times/"))
    assert f'value="{wall(LATER)}"' in page
    assert "<option selected>Europe/Berlin" in page
    owner.post(f"/polls/{poll.slug}/times/", times | {"opens": "draft", "opens_at": ""})
    assert state_of(sql, poll) == "draft"


def test_open_poll_keeps_its_opening_when_its_closing_is_set(owner, own_poll, sql):
    poll = own_poll()
    opened = sql("SELECT opens_at FROM polls_poll")
    times = {"opens": "now", "opens_at": "", "closes_at": wall(LATER), "time_zone": "UTC"}
    assert owner.post(f"/polls/{poll.slug}/times/", times).status_code == 303
    assert sql("SELECT opens_at FROM polls_poll") == opened
    assert sql("SELECT closes_at FROM polls_poll") == [(LATER,)]


def test_poll_with_votes_is_extended_and_its_opening_is_not_asked_for(owner, own_poll, sql, vote):
    poll = own_poll(closes_in="1 hour")
    vote(poll, "ann", poll.options[:1])
    assert 'name="opens"' not in text_of(owner.get(f"/polls/{poll.slug}/times/"))
    forged = {"opens": "draft", "opens_at": wall(LATER), "closes_at": wall(LATER), "time_zone": "UTC"}
    assert owner.post(f"/polls/{poll.slug}/times/", forged).status_code == 303
    assert sql("SELECT closes_at, opens_at < now() FROM polls_poll") == [(LATER, True)]


def test_closed_poll_is_opened_again(owner, own_poll, sql, vote):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    owner.post(f"/polls/{poll.slug}/manage/close/")
    assert "Open the poll again" in text_of(owner.get(f"/polls/{poll.slug}/times/"))
    owner.post(f"/polls/{poll.slug}/times/", {"closes_at": "", "time_zone": "UTC"})
    assert state_of(sql, poll) == "open"


def test_drawn_poll_stays_closed(owner, own_poll, sql, vote):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    owner.post(f"/polls/{poll.slug}/manage/close/")
    sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[0])
    assert "Open it again" not in text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    response = owner.post(f"/polls/{poll.slug}/times/", {"closes_at": "", "time_zone": "UTC"}, follow=True)
    assert "the poll stays closed" in text_of(response)
    assert state_of(sql, poll) == "closed"


def test_draw_while_the_times_are_being_set_is_told(owner, own_poll, sql, vote, monkeypatch):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    owner.post(f"/polls/{poll.slug}/manage/close/")
    get_managed = queries.get_managed

    def draw_right_after(*arguments):
        managed = get_managed(*arguments)
        sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[0])
        return managed

    monkeypatch.setattr(queries, "get_managed", draw_right_after)
    response = owner.post(f"/polls/{poll.slug}/times/", {"closes_at": "", "time_zone": "UTC"})
    assert "Nothing was saved" in text_of(response)
    assert state_of(sql, poll) == "closed"


def test_bad_times_change_nothing(owner, own_poll, sql, monkeypatch):
    poll = own_poll(opens_in="1 hour")
    before = sql("SELECT opens_at, closes_at FROM polls_poll")
    bad = {"opens": "at", "opens_at": wall(LATER), "closes_at": wall(LATER - timedelta(days=1)), "time_zone": "UTC"}
    assert "The poll would close before it opens." in text_of(owner.post(f"/polls/{poll.slug}/times/", bad))
    late = datetime.now(timezone.utc) - timedelta(days=2)
    monkeypatch.setattr("polls.poll_forms.timezone.now", lambda: late)
    bad = {"opens": "now", "opens_at": "", "closes_at": wall(late + timedelta(days=1)), "time_zone": "UTC"}
    assert "The poll would close before it opens." in text_of(owner.post(f"/polls/{poll.slug}/times/", bad))
    assert sql("SELECT opens_at, closes_at FROM polls_poll") == before


# Corrections


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
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    get_managed = queries.get_managed

    def withdraw_right_after(*arguments):
        managed = get_managed(*arguments)
        sql("DELETE FROM polls_vote")
        return managed

    monkeypatch.setattr(queries, "get_managed", withdraw_right_after)
    response = owner.post(f"/polls/{poll.slug}/correct/?what=title", {"after": "Mended", "reason": "A typo."})
    assert "can be edited again" in text_of(response)


# Deleting


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


# The page that runs a poll


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
            {"opens": "at", "opens_at": "2998-01-01T12:00", "closes_at": "2998-01-02T12:00", "time_zone": "UTC"},
        ),
        ("times/", {"opens": "draft", "opens_at": "", "closes_at": "", "time_zone": "UTC"}),
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


def test_pages_are_small_and_have_neither_script_nor_style(owner, own_poll):
    poll = own_poll()
    for path in ("/mine/", "/polls/new/", *(f"/polls/{poll.slug}/{path}" for path in PAGES[:3])):
        page = owner.get(path).content.decode()
        assert len(page) < 30_000
        assert not re.search(r"<script|<style| style=| on\w+=", page)


@pytest.mark.parametrize("path", ["/", "/accounts/login/"])
def test_header_of_a_visitor_offers_to_sign_in_without_asking_the_database(
    client, conn, path, django_assert_num_queries
):
    with django_assert_num_queries(0):
        page = text_of(client.get(path))
    assert 'href="/accounts/login/"' in page
    assert 'href="/polls/new/"' in page


def test_busy_site_says_so_to_who_is_signed_in_without_asking_who_that_is(owner, monkeypatch):
    from django.db import OperationalError

    def gone(*_arguments, **_keywords):
        raise OperationalError("gone")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", gone)
    response = owner.get("/mine/")
    assert response.status_code == 503
    assert "The site is busy or restarting" in text_of(response)


# Texts and times


@pytest.mark.parametrize(
    "text",
    [
        "Tea",
        "  Tea\u00a0 time ",
        "\uff34\uff25\uff21",
        "T\u200be\u2060a",
        "ﬁne",
        "Ä",
        "Straße",
        "\u202etea",
        "½",
        "\u200b",
    ],
)
def test_texts_look_the_same_here_and_in_the_database(sql, text):
    assert sql("SELECT polls_looks(%s)", text) == [(option_lines.looks(text),)]


@pytest.mark.parametrize(
    ("written", "zone", "moment"),
    [
        ("2027-01-01T12:00", "Europe/Berlin", "2027-01-01T11:00:00+00:00"),
        ("2027-07-01T12:00", "Europe/Berlin", "2027-07-01T10:00:00+00:00"),
        ("2027-03-28T01:59", "Europe/Berlin", "2027-03-28T00:59:00+00:00"),
        ("2027-03-28T02:00", "Europe/Berlin", "skip 02:00. Choose 03:00"),
        ("2027-03-28T03:00", "Europe/Berlin", "2027-03-28T01:00:00+00:00"),
        ("2027-10-31T02:00", "Europe/Berlin", "show 02:00 twice. Choose 01:00 or 03:00"),
        ("2027-10-31T03:00", "Europe/Berlin", "2027-10-31T02:00:00+00:00"),
        ("2027-04-04T01:45", "Australia/Lord_Howe", "show 01:45 twice. Choose 01:15 or 02:15"),
        ("2027-03-28T02:30", "UTC", "2027-03-28T02:30:00+00:00"),
    ],
)
def test_wall_clock_that_skips_or_repeats_an_hour(written, zone, moment):
    clock = ZoneInfo(zone)
    if not moment.startswith("2"):
        with pytest.raises(ValidationError, match=moment):
            wall_clock.in_zone(wall_clock.WallClockField().clean(written), clock)
        return
    read = wall_clock.in_zone(wall_clock.WallClockField().clean(written), clock)
    assert read.astimezone(timezone.utc).isoformat() == moment
    assert wall_clock.on_the_wall(read, clock).isoformat(timespec="minutes") == written
