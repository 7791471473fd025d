"""Links of invitations as a file for spreadsheets, and as slips with a QR code each."""

import csv
import io
import re

from polls import invite_tokens, qr_codes
from tests.support.invitations import add_path, links_in
from tests.support.responses import text_of


def test_links_as_a_file_run_no_formula(desk, poll, client):
    names = ["=1+1", "+1", "-1", "@A1", "|x", "%x", 'Ann, "the" one', "<script>alert(1)</script>"]
    key = invite_tokens.new_key()
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
    key = invite_tokens.new_key()
    desk.post(add_path(poll), {"people": "\n".join(evil), "key": key, "create": ""})
    page = desk.post(f"/polls/{poll.slug}/invites/slips/", {"key": key, "first": "1"}).content.decode()
    for path in ("", "add/"):
        page += desk.get(f"/polls/{poll.slug}/invites/{path}").content.decode()
    assert "<script>alert" not in page
    assert "<svg onload" not in page
    assert "49" not in re.sub(
        r"invite-\d+|/invites/\d+/|<svg.*?</svg>|/i/[\w-]+/|value=\"\w+\"", "", page, flags=re.DOTALL
    )
    assert page.count('<svg viewBox="0 0') == 3
    assert " style=" not in page


def test_qr_code_holds_the_link_and_nothing_else():
    code = qr_codes.qr_element("http://testserver/i/x/")
    assert code.startswith('<svg viewBox="0 0 33 33">')
    assert not re.search("style|script|href|text|title", code)
    assert code != qr_codes.qr_element("http://testserver/i/y/")


def test_slips_come_in_sheets(desk, poll):
    key = invite_tokens.new_key()
    people = "\n".join(f"Person {number:03}" for number in range(1, 202))
    page = text_of(desk.post(add_path(poll), {"people": people, "key": key, "create": ""}))
    assert re.findall(r'name="first" value="(\d+)">([^<]+)<', page) == [("1", "Slips 1 to 200"), ("201", "Slip 201")]
    sheet = text_of(desk.post(f"/polls/{poll.slug}/invites/slips/", {"key": key, "first": "201"}))
    assert ("Person 200" in sheet, "Person 201" in sheet) == (False, True)
    for first in ("", "x", "0", "-5", "9" * 40, "٣"):
        assert desk.post(f"/polls/{poll.slug}/invites/slips/", {"key": key, "first": first}).status_code == 200


def test_links_that_were_replaced_or_revoked_are_left_out(desk, poll, sql):
    key = invite_tokens.new_key()
    desk.post(add_path(poll), {"people": "Ann\nBob\nCem", "key": key, "create": ""})
    ids = [row[0] for row in sql("SELECT id FROM polls_invite ORDER BY id")]
    desk.post(f"/polls/{poll.slug}/invites/{ids[0]}/revoke/")
    desk.post(f"/polls/{poll.slug}/invites/{ids[1]}/reissue/")
    body = desk.post(f"/polls/{poll.slug}/invites/links.csv", {"key": key}).content.decode()
    assert [line.split(",")[0] for line in body.splitlines()] == ["name", "Cem"]
    slips = text_of(desk.post(f"/polls/{poll.slug}/invites/slips/", {"key": invite_tokens.new_key()}))
    assert "There are no slips here" in slips
