"""The migration to the public record: invitations from before are counted without names."""

import pytest
from django.core.management import call_command

from polls import queries
from tests.database.test_history import REISSUE, invite


@pytest.fixture
def record(conn):
    """Read the record of a poll: roles, actions and details."""

    def read(poll):
        return [(entry.role, entry.action, entry.details) for entry in queries.list_record(conn, poll.id)]

    return read


@pytest.fixture
def conn(owner_conn):
    """The owner's: before the last migration, a role that owns nothing can write no events."""
    return owner_conn


@pytest.fixture
def migrate():
    """Migrate the app; at the end, to the latest state."""

    def run(name):
        call_command("migrate", "polls", name, verbosity=0)

    yield run
    call_command("migrate", "polls", verbosity=0)


def test_invitations_from_before_the_record_are_counted_by_the_minute_and_once(conn, make_poll, sql, record, migrate):
    migrate("0009")
    poll = make_poll(audience="invite")
    invite(sql, poll, "Ann", "Bob", "Cem")
    sql(REISSUE, "Ann")
    sql("UPDATE polls_invite SET revoked_at = now() WHERE label = 'Bob'")
    sql(
        """INSERT INTO polls_event (poll_id, at, actor, role, action, details)
           VALUES (%s, '2026-01-01', 'user x', '', 'invite added', '{"label": [null, "Dan"]}')""",
        poll.id,
    )
    migrate("0012")
    told = [
        ("", "invites added", {"count": [None, 3]}),
        ("", "invites replaced", {"count": [None, 1]}),
        ("", "invites revoked", {"count": [None, 1]}),
    ]
    assert record(poll)[-3:] == told
    assert record(poll)[0] == ("", "invites added", {"count": [None, 1]})  # by the time at which it happened
    noted = queries.get_record(conn, poll.id)
    assert (noted.invited, noted.invited_late) == (4, 3)
    migrate("0009")
    migrate("0012")
    assert queries.get_record(conn, poll.id) == noted
