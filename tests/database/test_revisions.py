"""The guard of forms: what was filled in against an older revision of a poll writes nothing, also in a race."""

import threading

import pytest

from polls import queries
from tests.support.servers import wait_until

STAFF = queries.Actor(0, True, "staff")
DETAILS = queries.PollDetails(
    title="New",
    description="",
    options=["Option 1", "Option 2", "Option 3"],
    audience="link",
    named=False,
    changeable=False,
    shuffled=False,
    min_choices=1,
    max_choices=1,
    results="always",
    listed=True,
    draw_source="",
)
WRITERS = {
    "edit": lambda conn, poll, seen: queries.edit_poll(conn, poll.slug, STAFF, DETAILS, revision=seen),
    "visibility": lambda conn, poll, seen: queries.edit_visibility(
        conn, poll.slug, STAFF, results="owner", listed=False, revision=seen
    ),
    "times": lambda conn, poll, seen: queries.set_schedule(
        conn, poll.slug, STAFF, queries.Schedule("draft", None, None, "UTC"), revision=seen
    ),
    "open": lambda conn, poll, seen: queries.open_poll(conn, poll.slug, STAFF, revision=seen),
    "delete": lambda conn, poll, seen: queries.delete_poll(conn, poll.slug, STAFF, revision=seen),
}
# What somebody else does to the poll meanwhile.
CHANGES = {
    "poll": "UPDATE polls_poll SET description = 'Meanwhile'",
    "option added": "INSERT INTO polls_option (poll_id, text, position) SELECT id, 'Vegan', 9 FROM polls_poll",
    "option removed": "DELETE FROM polls_option WHERE text = 'Option 2'",
    "option changed": "UPDATE polls_option SET text = 'Not this' WHERE text = 'Option 2'",
}
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def revision(sql):
    return sql("SELECT revision FROM polls_poll")[0][0]


def everything(sql):
    return [sql(f"SELECT * FROM {table} ORDER BY id") for table in ("polls_poll", "polls_option", "polls_correction")]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("writer", WRITERS)
def test_form_about_a_poll_that_has_changed_writes_nothing(conn, make_poll, sql, writer, change):
    poll = make_poll(opens_in=None)
    seen = revision(sql)
    sql(CHANGES[change])
    before = everything(sql)
    with pytest.raises(queries.PollChanged):
        WRITERS[writer](conn, poll, seen)
    assert everything(sql) == before
    WRITERS[writer](conn, poll, revision(sql))
    assert everything(sql) != before


@pytest.mark.parametrize("writer", WRITERS)
def test_form_without_a_revision_writes_as_before(conn, make_poll, sql, writer):
    poll = make_poll(opens_in=None)
    before = everything(sql)
    WRITERS[writer](conn, poll, None)
    assert everything(sql) != before


def in_a_race(sql, connections, change, write):
    """Write while a change of the same poll is not committed yet, and return what the writer raised."""
    changing, writing = connections(), connections()
    changing.autocommit = False
    with changing.cursor() as cursor:
        cursor.execute(change)
    raised = []

    def attempt():
        try:
            write(writing)
        except Exception as error:
            raised.append(error)

    writer = threading.Thread(target=attempt)
    writer.start()
    try:
        wait_until(lambda: sql(WAITING) or not writer.is_alive())
        assert not raised, raised
    finally:
        changing.commit()
        writer.join(timeout=20)
    return raised


@pytest.mark.parametrize("change", ["poll", "option added"])
@pytest.mark.parametrize("writer", WRITERS)
def test_change_that_is_under_way_is_waited_for_and_then_seen(
    make_poll, sql, connections_to_test_database, writer, change
):
    poll = make_poll(opens_in=None)
    seen = revision(sql)
    raised = in_a_race(
        sql, connections_to_test_database, CHANGES[change], lambda conn: WRITERS[writer](conn, poll, seen)
    )
    assert [type(error) for error in raised] == [queries.PollChanged]
    assert options(sql) == ["Option 1", "Option 2", "Option 3", *(["Vegan"] if change == "option added" else [])]
    assert sql("SELECT title, results, opens_at FROM polls_poll") == [("Poll 1", "always", None)]


def options(sql):
    return [text for (text,) in sql("SELECT text FROM polls_option ORDER BY position")]


@pytest.mark.parametrize("race", [False, True])
def test_correction_of_a_poll_that_has_changed_writes_nothing(
    conn, make_poll, sql, vote, connections_to_test_database, race
):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    seen = revision(sql)
    columns = "poll_id, field, after, reason"
    earlier = f"INSERT INTO polls_correction ({columns}) SELECT id, 'title', 'Tea?', 'typo' FROM polls_poll"

    def correct(conn, seen=seen):
        return queries.correct_text(
            conn, poll.slug, STAFF, field="title", option_id=None, after="Thee?", reason="typo", revision=seen
        )

    if race:
        raised = in_a_race(sql, connections_to_test_database, earlier, correct)
        assert [type(error) for error in raised] == [queries.PollChanged]
    else:
        sql(earlier)
        with pytest.raises(queries.PollChanged):
            correct(conn)
    assert sql("SELECT title FROM polls_poll") == [("Tea?",)]
    assert sql("SELECT count(*) FROM polls_correction") == [(1,)]
    correct(conn, revision(sql))
    assert sql("SELECT title FROM polls_poll") == [("Thee?",)]


def test_of_two_forms_sent_at_once_one_is_saved(make_poll, sql, connections_to_test_database):
    poll = make_poll()
    seen = revision(sql)
    answers = []

    def save(conn, title):
        try:
            queries.edit_poll(conn, poll.slug, STAFF, DETAILS._replace(title=title), revision=seen)
        except queries.PollChanged:
            answers.append("changed")
        else:
            answers.append("saved")

    writers = [
        threading.Thread(target=save, args=(connections_to_test_database(), f"Title {number}")) for number in range(6)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=20)
    assert sorted(answers) == ["changed"] * 5 + ["saved"]
