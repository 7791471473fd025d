"""The program that a draw's page prints to check it, and the published entries on which it runs."""

import hashlib
import re

import pytest

from polls import draws
from polls.views import draws as views
from tests.support.draws import (
    program_of,
    run_program,
)


def test_entries_are_the_file_of_the_published_hash(client, closed_poll, drawn, monkeypatch, pool):
    monkeypatch.setattr(views, "ENTRIES_A_READ", 2)
    poll = closed_poll()
    draw = drawn(poll)
    response = client.get(f"/polls/{poll.slug}/draws/1/entries.txt")
    parts = []
    for part in response.streaming_content:
        parts.append(part)
        stats = pool.get_stats()
        assert stats["pool_available"] == stats["pool_size"]  # no connection is held while a slow reader reads
    assert [len(part) for part in parts] == [130, 130, 65]
    file = b"".join(parts)
    assert hashlib.sha256(file).hexdigest() == draw.entries_hash
    assert int(response["Content-Length"]) == len(file)
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    head = client.head(f"/polls/{poll.slug}/draws/1/entries.txt")
    assert int(head["Content-Length"]) == len(file)


HOSTILE = '"); import os; os.mkdir("owned") #\\\'</code></pre><script>alert(1)</script>\u202e{x}%s'


@pytest.mark.parametrize("public_value", ["", "4 8 15 16 23 42", HOSTILE])
def test_printed_program_finds_the_winner(client, closed_poll, drawn, tmp_path, public_value):
    poll = closed_poll(30, draw_source="Lottery" if public_value else "")
    drawn(poll, public_value=public_value)
    draw = drawn(poll, 2, public_value=public_value, reason="again")
    page = client.get(f"/polls/{poll.slug}/draws/2/")
    assert b"<script>" not in page.content
    entries = client.get(f"/polls/{poll.slug}/draws/2/entries.txt").getvalue()
    program = program_of(page)
    assert 20 <= len(program.splitlines()) <= 30
    checked = run_program(program, entries, tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.split() == [draw.winner, *draw.alternates]
    assert {path.name for path in tmp_path.iterdir()} == {"entries.txt", "check.py"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("entries", "not the file that was drawn from"),
        ("secret", "not the one that was committed to"),
        ("commitment", "not the one that was committed to"),
        ("number", "not the one that was committed to"),
        ("public_value", "the winner on the page is another"),
        ("winner", "the winner on the page is another"),
    ],
)
def test_printed_program_finds_every_lie(client, closed_poll, drawn, tmp_path, name, says):
    poll = closed_poll(30, draw_source="Lottery")
    draw = drawn(poll, public_value="4 8 15")
    entries = client.get(f"/polls/{poll.slug}/draws/1/entries.txt").getvalue()
    program = program_of(client.get(f"/polls/{poll.slug}/draws/1/"))
    if name == "entries":
        entries = entries[65:]
    else:
        # Another public value may draw the same winner.
        value = next(
            value
            for value in map(str, range(1000))
            if draws.draw(draw.secret, draw.entries_hash, value, 1, entries.decode().split()).winner != draw.winner
        )
        lie = {"number": "2", "public_value": repr(value)}.get(name, repr("ab" * 32))
        program = re.sub(rf"^{name} = .*$", f"{name} = {lie}", program, flags=re.MULTILINE)
    checked = run_program(program, entries, tmp_path)
    assert checked.returncode == 1
    assert says in checked.stderr


def test_printed_program_finds_somebody_who_is_in_it_twice(tmp_path):
    entries = draws.entries_file(["ab" * 32, "ab" * 32])
    program = draws.program(
        number=1,
        commitment="",
        secret="",
        entries_hash=hashlib.sha256(entries).hexdigest(),
        public_value="",
        winner="",
    )
    assert "somebody is in it twice" in run_program(program, entries, tmp_path).stderr


@pytest.mark.parametrize("public_value", ["", "4 8 15 16 23 42"])
def test_printed_program_finds_the_winner_among_all(
    client, closed_poll_for_all, drawn_among_all, tmp_path, public_value
):
    poll = closed_poll_for_all(30, draw_source="Lottery" if public_value else "")
    draw = drawn_among_all(poll, public_value=public_value)
    entries = client.get(f"/polls/{poll.slug}/draws/1/entries.txt").getvalue()
    assert hashlib.sha256(entries).hexdigest() == draw.entries_hash
    checked = run_program(program_of(client.get(f"/polls/{poll.slug}/draws/1/")), entries, tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.split() == [draw.winner, *draw.alternates]
