"""Inviting people: checking and confirming a list, files of spreadsheets, and wrong lines."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from polls import invite_tokens, queries
from polls.forms import invites as invite_forms
from tests.support.invitations import add_path, create, follow, invite, links_in
from tests.support.responses import text_of
from tests.support.rows import votes


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
    fields = {"people": "Ann\nBob", "key": invite_tokens.new_key(), "create": ""}
    first, second = desk.post(add_path(poll), fields), desk.post(add_path(poll), fields)
    assert links_in(first) == links_in(second) != []
    assert sql("SELECT count(*) FROM polls_invite") == [(2,)]


def test_double_click_at_the_same_moment_too(desk, poll, sql, monkeypatch):
    fields = {"people": "Ann\nBob", "key": invite_tokens.new_key(), "create": ""}
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
    page = text_of(desk.post(add_path(poll), {"people": "Ann\nBob", "key": invite_tokens.new_key(), "create": ""}))
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
    page = text_of(desk.post(add_path(poll), {"people": people, "key": invite_tokens.new_key(), button: ""}))
    assert "Nobody was invited" in page
    assert says in page
    assert 'name="create"' not in page
    assert sql("SELECT count(*) FROM polls_invite") == [(2,)]


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
    assert "10000 are invited." in text_of(desk.get(f"/polls/{poll.slug}/invites/"))


@pytest.mark.parametrize("label", ["\ud800", "a\udfffb", "\u2066a", "\u202da", "a\0", "a\x07"])
def test_label_that_is_no_text_is_named(label):
    [person] = invite_forms.read_people([label], ())
    assert person.problem.startswith("holds a")


@pytest.mark.parametrize("label", ["Ann 👩‍👩‍👧", "נועה \u200fא", "می‌خواهم", "李雷", "O'Neill <x>"])
def test_label_in_any_script_is_fine(label):
    assert invite_forms.read_people([label], ()) == [invite_forms.Person(1, label, "")]


def test_links_of_one_key_differ_by_person_and_poll():
    key = invite_tokens.new_key()
    tokens = {
        invite_tokens.token_of(k, slug, label)
        for k in (key, invite_tokens.new_key())
        for slug in "ab"
        for label in "xy"
    }
    assert len(tokens) == 8
    assert invite_tokens.token_of(key, "a", "x") == invite_tokens.token_of(key, "a", "x")
