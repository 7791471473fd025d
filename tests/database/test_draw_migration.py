"""The migration to draws among everybody who voted: it keeps earlier draws, and is reversed only without loss."""

import pytest
from django.core.management import call_command
from django.db import IntegrityError

from polls import queries
from tests.support.draws import (
    FREEZE,
)

# The functions that the migration replaces, and the MD5 of each as released with 0005.
RELEASED = {
    "polls_entry_code": "b9a64ad5e3f2c9064aa969b76c53e4e1",
    "polls_freeze_entries": "451cfeca9a8335a2c093bebb36a4c1ae",
    "polls_draw_winner": "8a58bca3a89d555f8b5229cba79f06dc",
}


@pytest.fixture
def conn(owner_conn):
    """The owner's: before a later migration, a role that owns nothing could write no draws."""
    return owner_conn


@pytest.fixture
def migrate(sql):
    """Migrate the app, and return the MD5 of each function; at the end, migrate it to the latest state."""

    def run(name):
        call_command("migrate", "polls", name, verbosity=0)
        return dict(sql("SELECT proname, md5(prosrc) FROM pg_proc WHERE proname = ANY (%s)", list(RELEASED)))

    yield run
    sql("SET session_replication_role = replica")
    sql("TRUNCATE polls_entries, polls_draw")
    call_command("migrate", "polls", verbosity=0)


def test_draws_made_before_the_migration_are_what_they_were(conn, closed_poll_for_all, sql, migrate, capsys):
    poll = closed_poll_for_all()
    migrate("0007")
    sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[1])
    sql("INSERT INTO polls_draw (poll_id, number, option_id) VALUES (%s, 1, %s)", poll.id, poll.options[1])
    stored = "SELECT to_jsonb(entries), to_jsonb(draw) FROM polls_entries AS entries, polls_draw AS draw"
    before = sql(stored)
    migrate("0008")
    assert sql(stored) == before
    queries.draw_winner(conn, poll.id, poll.options[1], number=2, reason="again", actor="test")
    queries.freeze_entries(conn, poll.id, None, actor="test")
    call_command("migrate", "polls", verbosity=0)
    call_command("verify_poll", poll.slug)
    assert "2 draws agree" in capsys.readouterr().out


def test_migration_is_reversed_where_nothing_would_be_lost(closed_poll_for_all, sql, migrate, refused):
    poll = closed_poll_for_all()
    now = migrate("0008")
    sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[0])
    sql("INSERT INTO polls_draw (poll_id, number, option_id) VALUES (%s, 1, %s)", poll.id, poll.options[0])
    assert migrate("0007") == RELEASED
    assert sql(
        "SELECT table_name, is_nullable FROM information_schema.columns "
        "WHERE column_name = 'option_id' AND table_name IN ('polls_draw', 'polls_entries') ORDER BY 1"
    ) == [("polls_draw", "NO"), ("polls_entries", "NO")]
    assert sql("SELECT to_regclass('polls_entries_once_among_all')") == [(None,)]
    sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[1])
    assert sql("SELECT octet_length(codes) / 32 FROM polls_entries ORDER BY id") == [(2,), (4,)]
    with refused("polls_draw_of_somebody"):  # as before: NULL is no option
        sql(FREEZE, poll.id)
    assert migrate("0008") == now


def test_migration_is_not_reversed_where_everybody_is_frozen(conn, closed_poll_for_all, sql, migrate):
    poll = closed_poll_for_all()
    queries.freeze_entries(conn, poll.id, None, actor="test")
    frozen = sql("SELECT id, hash FROM polls_entries")
    with pytest.raises(IntegrityError, match="there are draws among everybody who voted"):
        migrate("0007")
    assert sql("SELECT id, hash FROM polls_entries") == frozen
    queries.draw_winner(conn, poll.id, None, number=1, actor="test")
