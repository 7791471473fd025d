"""The trail in the database: who did what, append-only; and the secret of a poll, which never changes."""

import pytest


def trail(sql):
    return sql("SELECT action, actor, details FROM polls_event ORDER BY id")


def test_trail_tells_what_was_done_and_by_whom(make_poll, sql):
    poll = make_poll(options=1, opens_in=None)
    sql("BEGIN")
    sql("SELECT set_config('polls.actor', 'user ann', true)")
    sql("UPDATE polls_poll SET title = 'Another'")
    sql("COMMIT")
    sql("UPDATE polls_poll SET listed = false")
    (added, _, _), (secret, _, _), (option, _, _), changed, unlisted = trail(sql)
    assert (added, secret, option) == ("poll added", "secret added", "option added")
    assert changed == ("poll changed", "user ann", {"title": ["Poll 1", "Another"]})
    assert unlisted == ("poll changed", f"database user {sql('SELECT session_user')[0][0]}", {"listed": [True, False]})
    sql("DELETE FROM polls_option")
    sql("DELETE FROM polls_poll WHERE id = %s", poll.id)
    assert [row[0] for row in trail(sql)[5:]] == ["option removed", "poll removed"]


@pytest.mark.parametrize("change", ["UPDATE polls_event SET actor = 'nobody'", "DELETE FROM polls_event"])
def test_trail_is_append_only(make_poll, owner_sql, refused, change):
    make_poll()
    with refused("polls_event_append_only"):
        owner_sql(change)


def test_secret_of_a_poll_is_committed_to_and_cannot_change(make_poll, owner_sql, refused):
    make_poll()
    assert owner_sql(
        "SELECT commitment = encode(polls_hash_again(secret, 100), 'hex'), length(secret) FROM polls_secret"
    ) == [(True, 32)]
    with refused("polls_secret_append_only"):
        owner_sql("UPDATE polls_secret SET secret = 'x', commitment = encode(sha256('x'), 'hex')")
    with refused("polls_secret_append_only"):
        owner_sql("DELETE FROM polls_secret")
