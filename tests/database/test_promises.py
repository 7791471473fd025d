"""The promises that the database keeps for every writer: these tests go around the data layer."""

from collections import Counter

import psycopg2
import pytest

TALLY = (
    "SELECT option_id, sum(votes)::int FROM polls_tally WHERE poll_id = %s GROUP BY option_id HAVING sum(votes) <> 0"
)
RECOUNT = "SELECT option_id, count(*)::int FROM polls_vote, unnest(choices) AS option_id WHERE poll_id = %s GROUP BY 1"
TURNOUT = "SELECT coalesce(sum(voters), 0)::int FROM polls_turnout WHERE poll_id = %s"


# 1. One vote per voter and poll.


def test_second_vote_of_a_voter_is_refused(make_poll, vote, refused):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    with refused("polls_vote_one_per_voter"):
        vote(poll, "ann", poll.options[1:2])


def test_voter_votes_once_in_each_of_two_polls(make_poll, vote, sql):
    for poll in (make_poll(), make_poll()):
        vote(poll, "ann", poll.options[:1])
    assert sql("SELECT count(*) FROM polls_vote WHERE voter = 'ann'") == [(2,)]


# 2. Only options of this poll.


def test_option_of_another_poll_is_refused(make_poll, vote, refused):
    poll, other = make_poll(), make_poll()
    with refused("polls_tally_option_of_poll"):
        vote(poll, "ann", other.options[:1])


def test_option_of_another_poll_that_has_votes_is_refused_and_its_count_untouched(make_poll, vote, refused, sql):
    """The upsert of the tally must not touch the other poll's row."""
    poll, other = make_poll(), make_poll()
    vote(other, "bob", other.options[:1])
    with refused("polls_tally_option_of_poll"):
        vote(poll, "ann", other.options[:1])
    assert sql(TALLY, other.id) == [(other.options[0], 1)]


def test_option_that_does_not_exist_is_refused(make_poll, vote, refused):
    with refused("polls_tally_option_of_poll"):
        vote(make_poll(), "ann", [2**62])


def test_option_chosen_twice_is_refused(make_poll, vote, refused):
    poll = make_poll(max_choices=3)
    with refused("polls_vote_choices_distinct"):
        vote(poll, "ann", [poll.options[0], poll.options[1], poll.options[0]])


@pytest.mark.parametrize("choices", [[None], [1, None]])
def test_null_among_the_choices_is_refused(make_poll, vote, sql, choices):
    poll = make_poll(max_choices=3)
    with pytest.raises(psycopg2.IntegrityError):
        vote(poll, "ann", [choice and poll.options[0] for choice in choices])
    assert sql("SELECT count(*) FROM polls_vote") == [(0,)]


def test_choices_in_two_dimensions_are_refused(make_poll, vote, refused):
    poll = make_poll(max_choices=4)
    with refused("polls_vote_choices_flat"):
        vote(poll, "ann", [poll.options[:1], poll.options[1:2]])


def test_change_to_an_option_of_another_poll_is_refused(make_poll, vote, sql, refused):
    poll, other = make_poll(changeable=True), make_poll()
    vote(poll, "ann", poll.options[:1])
    with refused("polls_tally_option_of_poll"):
        sql("UPDATE polls_vote SET choices = %s", other.options[:1])


# 3. Nothing before opening, nothing after closing.


@pytest.mark.parametrize(
    "window",
    [
        {"opens_in": "1 second"},
        {"opens_in": "-2 hours", "closes_in": "-1 second"},
        {"opens_in": None},
        {"archived_at": "2026-01-01"},
    ],
    ids=["before opening", "after closing", "draft", "archived"],
)
def test_vote_outside_the_window_is_refused(make_poll, vote, refused, window):
    poll = make_poll(**window)
    with refused("polls_vote_while_open"):
        vote(poll, "ann", poll.options[:1])


def test_opening_counts_and_closing_does_not(make_poll, sql, vote, refused):
    """A poll is open while opens_at <= t < closes_at, to the microsecond, by the database's clock."""
    state = "SELECT polls_state(now() + %s::interval, now() + %s::interval, NULL)"
    [(opening,), (closing,)] = sql(
        "SELECT (SELECT polls_state(t, NULL, NULL) FROM (SELECT clock_timestamp() AS t) AS clock) "
        "UNION ALL SELECT polls_state(now() - interval '1 hour', now(), NULL)"
    )
    assert (opening, closing) == ("open", "closed")
    assert sql(state, "-1 second", "1 hour") == [("open",)]
    assert sql(state, "1 second", "1 hour") == [("scheduled",)]


@pytest.mark.parametrize("change", ["UPDATE polls_vote SET choices = choices", "DELETE FROM polls_vote"])
def test_vote_stays_as_it_is_after_closing(make_poll, vote, sql, refused, change):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    sql("UPDATE polls_poll SET closes_at = now()")
    with refused("polls_vote_while_open"):
        sql(change)


@pytest.mark.parametrize("cast_at", ["-2 hours", "1 minute"])
def test_time_of_a_vote_cannot_be_forged_out_of_the_window(make_poll, sql, refused, cast_at):
    poll = make_poll(opens_in="-1 hour", closes_in="1 hour")
    with refused("polls_vote_while_open"):
        sql(
            "INSERT INTO polls_vote (poll_id, voter, choices, cast_at) VALUES (%s, 'ann', %s, now() + %s::interval)",
            poll.id,
            poll.options[:1],
            cast_at,
        )


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_snapshot_that_cannot_see_the_closing_is_refused(make_poll, vote, sql, refused, level):
    poll = make_poll()
    sql(f"BEGIN ISOLATION LEVEL {level}")
    with refused("polls_vote_read_committed"):
        vote(poll, "ann", poll.options[:1])
    sql("ROLLBACK")


@pytest.mark.parametrize("column", ["poll_id", "voter"])
def test_vote_cannot_be_moved(make_poll, vote, owner_sql, refused, column):
    poll, other = make_poll(), make_poll()
    vote(poll, "ann", poll.options[:1])
    with refused("polls_vote_pinned"):
        owner_sql(f"UPDATE polls_vote SET {column} = %s", {"poll_id": other.id, "voter": "bob"}[column])


def test_poll_with_votes_cannot_be_closed_in_the_past(make_poll, vote, sql):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    sql("UPDATE polls_poll SET closes_at = now() - interval '10 minutes'")
    assert sql("SELECT cast_at < closes_at FROM polls_vote JOIN polls_poll AS poll ON poll.id = poll_id") == [(True,)]


# 4. No fewer and no more choices than allowed.


@pytest.mark.parametrize(("least", "most", "chosen"), [(1, 1, 0), (1, 1, 2), (2, 3, 1), (2, 3, 4)])
def test_too_few_and_too_many_choices_are_refused(make_poll, vote, refused, least, most, chosen):
    poll = make_poll(options=5, min_choices=least, max_choices=most)
    with refused("polls_vote_choice_count"):
        vote(poll, "ann", poll.options[:chosen])


@pytest.mark.parametrize("chosen", [2, 3])
def test_fewest_and_most_choices_are_taken(make_poll, vote, sql, chosen):
    poll = make_poll(options=5, min_choices=2, max_choices=3)
    vote(poll, "ann", poll.options[:chosen])
    assert sql("SELECT count(*) FROM polls_vote") == [(1,)]


@pytest.mark.parametrize(("least", "most"), [(0, 1), (2, 1)])
def test_impossible_numbers_of_choices_are_refused(make_poll, refused, least, most):
    with refused("polls_poll_choice_range"):
        make_poll(min_choices=least, max_choices=most)


# 5. The tally equals the votes.


def test_tally_follows_every_way_of_writing_votes(make_poll, vote, sql, connections_to_test_database):
    poll = make_poll(options=4, max_choices=3, changeable=True)
    a, b, c, d = poll.options

    def counted() -> tuple[Counter, int]:
        tally = Counter(dict(sql(TALLY, poll.id)))
        assert tally == Counter(dict(sql(RECOUNT, poll.id)))
        [(voters,)] = sql(TURNOUT, poll.id)
        assert sql("SELECT count(*) FROM polls_vote WHERE poll_id = %s", poll.id) == [(voters,)]
        return tally, voters

    vote(poll, "ann", [a])
    assert counted() == ({a: 1}, 1)
    sql(
        "INSERT INTO polls_vote (poll_id, voter, choices) SELECT %s, 'bulk-' || n, %s FROM generate_series(1, 50) AS n",
        poll.id,
        [b, a],
    )
    assert counted() == ({a: 51, b: 50}, 51)
    sql(
        "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, 'ann', %s), (%s, 'bob', %s) "
        "ON CONFLICT (poll_id, voter) DO NOTHING",
        *(poll.id, [c], poll.id, [d]),
    )
    assert counted() == ({a: 51, b: 50, d: 1}, 52)
    sql(
        "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, 'ann', %s) "
        "ON CONFLICT (poll_id, voter) DO UPDATE SET choices = excluded.choices",
        *(poll.id, [c, d]),
    )
    assert counted() == ({a: 50, b: 50, c: 1, d: 2}, 52)
    # Another backend writes to another slot of the tally.
    with connections_to_test_database().cursor() as elsewhere:
        elsewhere.execute("UPDATE polls_vote SET choices = %s WHERE voter LIKE 'bulk-1%%'", [[c]])
        assert counted() == ({a: 39, b: 39, c: 12, d: 2}, 52)
        elsewhere.execute("DELETE FROM polls_vote WHERE voter <> 'ann'")
    assert counted() == ({c: 1, d: 1}, 1)
    sql("BEGIN")
    sql("DELETE FROM polls_vote")
    sql("ROLLBACK")
    assert counted() == ({c: 1, d: 1}, 1)
    sql("DELETE FROM polls_vote")
    assert counted() == ({}, 0)


def test_refused_statement_counts_nothing_of_its_good_votes(make_poll, sql, refused):
    poll, closed = make_poll(), make_poll(opens_in="-2 hours", closes_in="-1 hour")
    with refused("polls_vote_while_open"):
        sql(
            "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, 'ann', %s), (%s, 'ann', %s)",
            *(poll.id, poll.options[:1], closed.id, closed.options[:1]),
        )
    assert sql(TALLY, poll.id) == sql("SELECT id FROM polls_vote") == []


# 6. Frozen from the first vote on; never deleted with votes.


@pytest.mark.parametrize(
    "rule",
    [
        "slug = 'another'",
        "audience = 'account'",
        "named = true",
        "changeable = true",
        "shuffled = true",
        "min_choices = 2",
        "max_choices = 3",
        "opens_at = opens_at - interval '1 day'",
        "opens_at = NULL",
    ],
)
def test_rules_are_free_before_the_first_vote_and_frozen_from_it_on(make_poll, vote, sql, refused, rule):
    free, poll = make_poll(max_choices=2), make_poll(max_choices=2)
    vote(poll, "ann", poll.options[:1])
    sql(f"UPDATE polls_poll SET {rule} WHERE id = %s", free.id)
    with refused("polls_poll_frozen"):
        sql(f"UPDATE polls_poll SET {rule.replace('another', 'yet-another')} WHERE id = %s", poll.id)


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO polls_option (poll_id, text) VALUES (%(poll)s, 'New')",
        "UPDATE polls_option SET text = 'Other' WHERE id = %(option)s",
        "UPDATE polls_option SET position = 9 WHERE id = %(option)s",
        "UPDATE polls_option SET poll_id = %(other)s WHERE id = %(option)s",
        "UPDATE polls_option SET poll_id = %(poll)s WHERE poll_id = %(other)s",
        "DELETE FROM polls_option WHERE id = %(option)s",
    ],
)
def test_options_are_frozen_from_the_first_vote_on(make_poll, vote, conn, refused, change):
    poll, other = make_poll(), make_poll(options=1)
    vote(poll, "ann", poll.options[:1])
    with refused("polls_option_frozen"), conn.cursor() as cursor:
        cursor.execute(change, {"poll": poll.id, "option": poll.options[1], "other": other.id})


def test_poll_with_votes_is_not_deleted_but_archived(make_poll, vote, sql, refused):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    with refused("polls_poll_kept"):
        sql("DELETE FROM polls_poll")
    sql("UPDATE polls_poll SET archived_at = now()")
    assert sql("SELECT count(*) FROM polls_vote") == [(1,)]


def test_poll_without_votes_is_deleted(make_poll, vote, sql):
    poll = make_poll(changeable=True)
    vote(poll, "ann", poll.options[:1])
    sql("DELETE FROM polls_vote")
    sql("DELETE FROM polls_option")
    sql("DELETE FROM polls_poll")
    assert sql("SELECT count(*) FROM polls_tally") == sql("SELECT count(*) FROM polls_turnout") == [(0,)]


def test_closing_time_may_change_after_the_first_vote(make_poll, vote, sql):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    sql("UPDATE polls_poll SET closes_at = now() + interval '1 day'")
    sql("UPDATE polls_poll SET closes_at = now() + interval '2 days'")
    vote(poll, "bob", poll.options[:1])


def test_raw_insert_may_omit_what_has_a_default(sql):
    sql("INSERT INTO polls_poll (slug, title) VALUES ('bare', 'Bare')")
    sql("INSERT INTO polls_option (poll_id, text) SELECT id, 'Yes' FROM polls_poll")
    assert sql("SELECT audience, results, min_choices, max_choices, listed FROM polls_poll") == [
        ("link", "always", 1, 1, True)
    ]
