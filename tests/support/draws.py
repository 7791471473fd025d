"""Closed polls to draw from, draws, and the program that a draw's page prints."""

import html
import re
import subprocess
import sys
import threading

import pytest

from polls import queries

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
# A draw among everybody who voted, in plain SQL.
FREEZE = "INSERT INTO polls_entries (poll_id) VALUES (%s)"
DRAW = "INSERT INTO polls_draw (poll_id, number) VALUES (%s, 1)"


@pytest.fixture
def closed_poll(make_poll, vote, sql):
    """Make closed polls: all voters chose the first option, every other one the second too, and none the third."""

    def make(voters=5, *, owner=None, **columns):
        poll = make_poll(max_choices=2, owner_id=owner and owner.pk, **columns)
        for number in range(voters):
            vote(poll, f"voter-{number}", poll.options[:1] if number % 2 else poll.options[:2])
        sql("UPDATE polls_poll SET closes_at = clock_timestamp() WHERE id = %s", poll.id)
        return poll

    return make


@pytest.fixture
def drawn(conn, closed_poll):
    """Freeze the entries of an option, the first unless named, and draw among them; return the draw."""

    def draw(poll, number=1, *, reason="", public_value="", option=0):
        queries.freeze_entries(conn, poll.id, poll.options[option], actor="test")
        queries.draw_winner(
            conn,
            poll.id,
            poll.options[option],
            number=number,
            reason=reason,
            public_value=public_value,
            actor="test",
        )
        return queries.list_draws(conn, poll.id)[number - 1]

    return draw


@pytest.fixture
def closed_poll_for_all(make_poll, vote, sql):
    """Make closed polls: all voters chose the third option, two thirds the second too, and one third all three."""

    def make(voters=6, **columns):
        poll = make_poll(max_choices=3, **columns)
        for number in range(voters):
            vote(poll, f"voter-{number}", poll.options[number % 3 :])
        sql("UPDATE polls_poll SET closes_at = clock_timestamp() WHERE id = %s", poll.id)
        return poll

    return make


@pytest.fixture
def drawn_among_all(conn):
    """Freeze the entries of everybody who voted, unless an option is named, and draw among them; return the draw."""

    def draw(poll, number=1, *, option_id=None, reason="", public_value=""):
        queries.freeze_entries(conn, poll.id, option_id, actor="test")
        queries.draw_winner(
            conn, poll.id, option_id, number=number, reason=reason, public_value=public_value, actor="test"
        )
        return queries.list_draws(conn, poll.id)[number - 1]

    return draw


def program_of(response):
    """The program that a draw's page prints."""
    return html.unescape(re.search(r"<pre[^>]*><code>(.*?)</code></pre>", response.content.decode(), re.DOTALL)[1])


def run_program(program, entries, folder):
    """Run the program that a draw's page prints, on a file of entries."""
    (folder / "entries.txt").write_bytes(entries)
    (folder / "check.py").write_text(program)
    return subprocess.run(
        [sys.executable, "-I", "check.py"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def call_in_thread(function):
    """Call a function; return the thread, and a list that will hold what the function returned or raised."""
    outcome = []

    def call():
        try:
            outcome.append(function())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    return thread, outcome


def wait_until_somebody_waits(sql, thread):
    """Wait until a session waits for a lock, while the thread runs."""
    while sql(WAITING) == [(0,)]:
        assert thread.is_alive(), "nobody has waited"


def codes_of(conn, poll, option_id=None):
    """The entry codes that are frozen for an option, or for everybody who voted."""
    codes = queries.get_codes(conn, poll.id, option_id, after=0, limit=1000)
    return [codes[start : start + 32].hex() for start in range(0, len(codes), 32)]
