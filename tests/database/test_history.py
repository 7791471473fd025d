"""The public record of a poll: roles instead of names, numbers of invitations, and one hash over all of it."""

import hashlib
import json

import pytest

from polls import queries

REISSUE = "UPDATE polls_invite SET token_hash = token_hash || '!', issued_at = clock_timestamp() WHERE label = %s"


@pytest.fixture
def record(conn):
    """Read the record of a poll: roles, actions and details."""

    def read(poll):
        return [(entry.role, entry.action, entry.details) for entry in queries.list_record(conn, poll.id)]

    return read


def actor(users, name):
    return queries.Actor(users[name].pk, name == "staff", name)


def invite(sql, poll, *labels):
    sql(
        "INSERT INTO polls_invite (poll_id, label, token_hash) SELECT %s, label, label FROM unnest(%s) AS label",
        poll.id,
        list(labels),
    )


def lines_of(conn, poll):
    # Not splitlines, which splits at characters that texts may hold.
    return [f"{line}\n" for line in queries.get_record_file(conn, poll.id).removesuffix("\n").split("\n")]


def hash_of(lines):
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_roles_are_those_of_the_owner_of_staff_and_of_the_operator(conn, own_poll, users, sql, record):
    poll = own_poll()
    queries.close_poll(conn, poll.slug, actor(users, "owner"))
    queries.archive_poll(conn, poll.slug, actor(users, "staff"))
    sql("UPDATE polls_poll SET archived_at = NULL")
    assert [role for role, action, _ in record(poll) if action == "poll changed"] == ["owner", "staff", "operator"]


def test_maker_of_a_poll_is_its_owner(conn, users, sql):
    details = queries.PollDetails("Q", "", ["A", "B"], "link", False, False, False, 1, 1, "always", False, "")
    queries.create_poll(conn, "q-1", actor(users, "staff"), details, queries.Schedule("now", None, None, "UTC"))
    assert sql("SELECT DISTINCT role FROM polls_event") == [("owner",)]


def test_draws_have_the_role_of_those_who_drew(conn, own_poll, vote, record):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    conn.cursor().execute("UPDATE polls_poll SET closes_at = clock_timestamp()")
    queries.freeze_entries(conn, poll.id, None, actor="ann", role="staff")
    queries.draw_winner(conn, poll.id, None, number=1, actor="somebody at the server")
    assert record(poll)[-2:] == [("staff", "entries added", {}), ("operator", "draw added", {"number": [None, 1]})]


def test_record_names_nobody(conn, make_poll, users, sql, record):
    poll = make_poll(audience="invite", owner_id=users["owner"].pk)
    invite(sql, poll, "Ann Secret", "Bob Secret")
    sql(REISSUE, "Ann Secret")
    sql("UPDATE polls_invite SET revoked_at = now(), label = 'Carl Secret' WHERE label = 'Bob Secret'")
    sql("DELETE FROM polls_invite WHERE label = 'Ann Secret'")
    sql("UPDATE polls_poll SET owner_id = %s", users["stranger"].pk)
    assert [(action, details) for _role, action, details in record(poll)[-5:]] == [
        ("invites added", {"count": [None, 2]}),
        ("invites replaced", {"count": [None, 1]}),
        ("invites revoked", {"count": [None, 1]}),
        ("invites removed", {"count": [None, 1]}),
        ("poll changed", {"owner_id": True}),
    ]
    told = "".join(lines_of(conn, poll))
    assert "Secret" not in told
    assert "user " not in told


def test_event_of_a_kind_to_come_is_not_in_the_record(make_poll, owner_sql, record):
    poll = make_poll()
    before = record(poll)
    owner_sql("SET session_replication_role = replica")
    owner_sql("INSERT INTO polls_event (poll_id, actor, action, details) VALUES (%s, 'ann', 'surprise', '{}')", poll.id)
    owner_sql(
        """INSERT INTO polls_event (poll_id, actor, action, details)
           VALUES (%s, 'ann', 'poll changed', '{"secret_column": [1, 2]}')""",
        poll.id,
    )
    assert record(poll) == before


def test_hash_is_that_of_the_file_and_beginnings_of_the_file_keep_theirs(conn, make_poll, sql, owner_sql):
    poll = make_poll(title='Tea "or" çà\u2028\n?')
    noted = []
    for title in ("A", "B \\ \x7f ü", "C"):
        noted.append(queries.get_record(conn, poll.id).hash)
        sql("UPDATE polls_poll SET title = %s", title)
    lines = lines_of(conn, poll)
    assert queries.get_record(conn, poll.id).hash == hash_of(lines)
    assert set(noted) <= {hash_of(lines[:number]) for number in range(len(lines))}
    # A line is spelt as Python spells JSON.
    assert [json.dumps(json.loads(line), ensure_ascii=False) + "\n" for line in lines] == lines
    owner_sql("SET session_replication_role = replica")
    owner_sql("""DELETE FROM polls_event WHERE details -> 'title' ->> 1 = 'B \\ \x7f ü'""")
    lines = lines_of(conn, poll)
    assert noted[2] not in {hash_of(lines[:number]) for number in range(len(lines) + 1)}


def test_draft_keeps_to_itself_how_it_was_edited(make_poll, sql, record):
    poll = make_poll(opens_in=None)
    sql("UPDATE polls_poll SET title = 'A first idea'")
    sql("UPDATE polls_option SET text = 'Another idea' WHERE id = %s", poll.options[0])
    sql("UPDATE polls_poll SET opens_at = now() + interval '1 day'")
    sql("UPDATE polls_poll SET title = 'Seen by all'")
    assert [(action, sorted(details)) for _role, action, details in record(poll)] == [
        ("poll added", ["slug"]),
        ("secret added", ["commitment"]),
        ("poll changed", ["opens_at"]),
        ("poll changed", ["title"]),
    ]


def test_correction_is_in_the_record_with_its_reason(conn, own_poll, users, vote, record):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    for field, option, after in (("title", None, "Tea?"), ("option", poll.options[0], "Green")):
        queries.correct_text(
            conn, poll.slug, actor(users, "owner"), field=field, option_id=option, after=after, reason="a typo"
        )
    assert [details for _role, _action, details in record(poll)[-2:]] == [
        {"title": ["Poll 1", "Tea?"], "reason": "a typo"},
        {"text": ["Option 1", "Green"], "reason": "a typo"},
    ]


@pytest.mark.parametrize(
    ("statements", "counts"),
    [
        ([], (0, 0, 0)),
        (["SET closes_at = clock_timestamp()"], (0, 0, 0)),
        (["SET closes_at = now() + interval '1 day'"], (0, 1, 0)),
        (["SET closes_at = now() + interval '1 day'", "SET closes_at = clock_timestamp()"], (0, 2, 0)),
        (["SET closes_at = clock_timestamp()", "SET closes_at = NULL"], (1, 0, 0)),
        (["SET closes_at = clock_timestamp()", "SET closes_at = now() + interval '1 day'"], (1, 0, 0)),
        (["SET results = 'owner'", "SET results = 'always'"], (0, 0, 2)),
        (["SET opens_at = now() + interval '1 day'"], (0, 1, 0)),
        (["SET title = 'Another'", "SET listed = false", "SET closes_at = NULL"], (0, 0, 0)),
    ],
)
def test_what_voters_should_know_is_counted(conn, make_poll, sql, statements, counts):
    poll = make_poll()
    for statement in statements:
        sql(f"UPDATE polls_poll {statement}")
    record = queries.get_record(conn, poll.id)
    assert (record.reopened, record.retimed, record.revealed) == counts
    assert record.is_unusual == any(counts)
    assert sum(entry.is_unusual for entry in queries.list_record(conn, poll.id)) == sum(counts)


def test_opening_with_a_closing_time_is_no_change_of_times(conn, make_poll, sql):
    poll = make_poll(opens_in=None)
    sql("UPDATE polls_poll SET opens_at = clock_timestamp(), closes_at = now() + interval '1 day', results = 'owner'")
    assert not queries.get_record(conn, poll.id).is_unusual


def test_people_invited_after_the_opening_are_counted(conn, make_poll, sql):
    poll = make_poll(opens_in="1 hour", audience="invite")
    invite(sql, poll, *"abcdefg")
    assert queries.get_record(conn, poll.id)[4:] == (7, 0)
    sql("UPDATE polls_poll SET opens_at = clock_timestamp()")
    invite(sql, poll, *"hijkl")
    assert queries.get_record(conn, poll.id)[4:] == (12, 5)


def test_changed_and_withdrawn_votes_are_counted(conn, make_poll, vote, sql):
    poll = make_poll(changeable=True)
    for voter in "abc":
        vote(poll, voter, poll.options[:1])
    sql("UPDATE polls_vote SET choices = %s WHERE voter IN ('a', 'b')", [poll.options[1]])
    sql("DELETE FROM polls_vote WHERE voter = 'c'")
    assert queries.count_vote_changes(conn, poll.id) == (2, 1)


def test_accounts_made_while_the_poll_was_open_are_counted(conn, make_poll, django_user_model, sql):
    poll = make_poll(opens_in="-2 hours", closes_in="-1 hour", audience="account")
    for minutes in (180, 90, 80, 30):
        name = f"user-{minutes}"
        django_user_model.objects.create_user(name)
        sql("UPDATE auth_user SET date_joined = now() - %s * interval '1 minute' WHERE username = %s", minutes, name)
    assert queries.count_new_accounts(conn, poll.id) == 2


def test_record_reads_no_single_invitation(conn, make_poll, sql, owner_sql):
    """Ten thousand of them cost as much as one: they are not even in the index that is read."""
    poll = make_poll(audience="invite")
    invite(sql, poll, *map(str, range(3000)))
    owner_sql("VACUUM ANALYZE polls_event")
    sql("SET enable_seqscan = off")
    with conn.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, COSTS OFF) " + queries.history.GET_RECORD, {"poll_id": poll.id})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "polls_event_record" in plan
    assert "polls_event_poll_id" not in plan
    assert not any("rows=30" in line for line in plan.splitlines())
