"""verify_poll: it reports that a poll agrees, or names each change that was made around the triggers."""

import json

import pytest
from django.core.management import CommandError, call_command

from polls import audit, queries

# As long as a hash, and no hash of anything.
OTHER_HASH = "repeat('ab', 32)"


@pytest.fixture
def drawn_poll(conn, make_poll, vote, sql, django_user_model):
    """A closed poll with corrections, twelve voters of its first option, and two draws among them."""
    user = django_user_model.objects.create_user("olga")
    poll = make_poll(max_choices=2, results="owner", owner_id=user.pk, title="Töa or “coffee”?", draw_source="Lottery")
    for number in range(12):
        vote(poll, f"voter-{number}", poll.options[: 1 + number % 2])
    vote(poll, "other", poll.options[2:])
    for text in ("Tea or “coffee”?", "Tea or coffee?"):
        sql(
            "INSERT INTO polls_correction (poll_id, field, after, reason) VALUES (%s, 'title', %s, 'typo')",
            poll.id,
            text,
        )
    sql(
        "INSERT INTO polls_correction (poll_id, field, option_id, after, reason) "
        "VALUES (%s, 'option', %s, 'Öption\t1', 'typo')",
        *(poll.id, poll.options[0]),
    )
    sql("UPDATE polls_poll SET closes_at = clock_timestamp() WHERE id = %s", poll.id)
    queries.freeze_entries(conn, poll.id, poll.options[0], actor="test")
    for number in (1, 2):
        queries.draw_winner(
            conn, poll.id, poll.options[0], number=number, public_value="4 8 15", reason="again", actor="test"
        )
    return poll


@pytest.fixture
def tamper(owner_sql):
    """Run a statement as the owner of the database can: without triggers and checks of secrets."""

    def run(statement):
        owner_sql("SET session_replication_role = replica")
        owner_sql("ALTER TABLE polls_secret DROP CONSTRAINT polls_secret_committed")
        owner_sql(statement)
        owner_sql("SET session_replication_role = DEFAULT")

    [(check,)] = owner_sql(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'polls_secret_committed'"
    )
    yield run
    owner_sql("SET session_replication_role = replica")
    owner_sql("TRUNCATE polls_secret")
    owner_sql("SET session_replication_role = DEFAULT")
    owner_sql(f"ALTER TABLE polls_secret ADD CONSTRAINT polls_secret_committed {check}")


def verify(capsys, poll):
    """The differences that the command reports; it must fail if there are any, and only then."""
    failure = None
    try:
        call_command("verify_poll", poll.slug, json=True)
    except CommandError as error:
        failure = str(error)
    differences = json.loads(capsys.readouterr().out)["differences"]
    assert failure == (f"{poll.slug}: {len(differences)} differences." if differences else None)
    return differences


def test_poll_that_nobody_touched_agrees(drawn_poll, capsys, sql):
    call_command("verify_poll", drawn_poll.slug)
    out, err = capsys.readouterr()
    [(content, commitment)] = sql(
        "SELECT content_hash, commitment FROM polls_poll AS poll JOIN polls_secret ON poll_id = poll.id"
    )
    assert out == (f"{drawn_poll.slug}: 13 votes and 2 draws agree. Content {content}, commitment {commitment}\n")
    assert err == ""
    assert verify(capsys, drawn_poll) == []


@pytest.mark.parametrize("columns", [{"opens_in": None}, {"results": "owner"}, {"max_choices": 3}])
def test_poll_without_votes_agrees(make_poll, capsys, columns):
    assert verify(capsys, make_poll(**columns)) == []


def test_open_poll_agrees(make_poll, vote, capsys, sql):
    poll, other = make_poll(), make_poll()
    vote(poll, "ann", poll.options[:1])
    vote(other, "ann", other.options[1:2])
    sql("UPDATE polls_option SET text = 'Renamed' WHERE id = %s", make_poll().options[0])
    sql("UPDATE polls_poll SET closes_at = now() + interval '1 hour', time_zone = 'Asia/Tokyo'")
    assert verify(capsys, poll) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("DELETE FROM polls_vote WHERE voter = 'voter-0'", ["turnout: 13 stored, 12 votes"]),
        ("DELETE FROM polls_vote WHERE voter = 'voter-1'", ["1 of 12 without a vote", "tally of 'Option 2'"]),
        (
            "INSERT INTO polls_vote (poll_id, voter, choices, cast_at) "
            "SELECT poll_id, 'stuffed', choices, cast_at FROM polls_vote WHERE voter = 'voter-0'",
            ["turnout: 13 stored, 14 votes", "entries of option {0}: 1 votes without an entry"],
        ),
        (
            "UPDATE polls_vote SET choices = (SELECT array_agg(id) FROM polls_option WHERE text = 'Option 3') "
            "WHERE voter = 'voter-0'",
            ["tally of '\\xd6ption\\t1': 12 stored, 11 votes", "tally of 'Option 3': 1 stored, 2 votes"],
        ),
        ("UPDATE polls_vote SET voter = 'x' WHERE voter = 'voter-0'", ["1 of 12 without", "1 votes without an entry"]),
        (
            "UPDATE polls_vote SET cast_at = now() WHERE voter = 'voter-0'",
            ["votes: 1 cast while the poll was not open"],
        ),
        ("UPDATE polls_vote SET choices = '{{}}' WHERE voter = 'other'", ["votes: 1 with too few or too many choices"]),
        (
            "UPDATE polls_vote SET choices = choices || choices WHERE voter = 'other'",
            ["votes: 1 with a choice twice", "tally of 'Option 3': 1 stored, 2 votes"],
        ),
        ("UPDATE polls_vote SET choices = '{{77}}' WHERE voter = 'other'", ["option 77: 1 votes and a tally of 0"]),
        (
            "UPDATE polls_tally SET votes = votes + 1 WHERE option_id = {2}",
            ["tally of 'Option 3': 2 stored, 1 votes", "results of 'Option 3': 2 shown, 1 votes"],
        ),
        (
            "UPDATE polls_turnout SET voters = 99",
            ["turnout: 99 stored, 13 votes", "results: 99 voters shown, 13 votes"],
        ),
        ("UPDATE polls_poll SET title = 'Another'", ["title of the poll: otherwise than in the trail"]),
        ("UPDATE polls_poll SET max_choices = 3", ["max_choices of the poll: otherwise than in the trail"]),
        (
            "UPDATE polls_poll SET closes_at = closes_at + interval '1 second'",
            ["closes_at of the poll: otherwise than in the trail"],
        ),
        (
            "UPDATE polls_option SET text = 'Coffee' WHERE id = {2}",
            ['option "Coffee": ', 'option "Option 3": '],
        ),
        (
            "UPDATE polls_secret SET secret = sha256('x')",
            ["commitment: not that of the stored secret", "draw 2: the secret is not the one that was committed to"],
        ),
        (
            "UPDATE polls_secret SET secret = sha256('x'), "
            "commitment = encode(polls_hash_again(sha256('x'), 100), 'hex')",
            ["commitment: otherwise than in the trail", "draw 1: the secret is not the one", "12 of 12 without a vote"],
        ),
        (
            f"UPDATE polls_draw SET winner = {OTHER_HASH} WHERE number = 1",
            ["draw 1: winner abababab", "draw 1: otherwise"],
        ),
        ("UPDATE polls_draw SET winner = alternates[1] WHERE number = 2", ["draw 2: winner "]),
        ("UPDATE polls_draw SET alternates = alternates[2:] WHERE number = 2", ["draw 2: the alternates are not"]),
        (f"UPDATE polls_draw SET secret = {OTHER_HASH} WHERE number = 2", ["draw 2: the secret is not the one"]),
        ("UPDATE polls_draw SET public_value = '9' WHERE number = 2", ["draw 2: the alternates", "draw 2: otherwise"]),
        ("UPDATE polls_draw SET reason = 'none' WHERE number = 2", ["draw 2: otherwise than in the trail"]),
        ("DELETE FROM polls_draw WHERE number = 1", ["draws: 2 are there, and some are missing", "draw 1: otherwise"]),
        ("DELETE FROM polls_draw WHERE number = 2", ["draw 2: otherwise than in the trail"]),
        (
            f"UPDATE polls_entries SET hash = {OTHER_HASH}",
            ["entries of option {0}: not those of the hash", "frozen entr"],
        ),
        ("UPDATE polls_entries SET codes = substr(codes, 33)", ["entries of option {0}: not those", "1 votes without"]),
        ("DELETE FROM polls_entries", ["frozen entries "]),
        ("UPDATE polls_correction SET before = 'Lies' WHERE field = 'title'", ["correction ", ": otherwise than"]),
    ],
)
def test_tampering_is_named(drawn_poll, tamper, capsys, change, says):
    tamper(change.format(*drawn_poll.options))
    differences = verify(capsys, drawn_poll)
    for line in says:
        assert any(line.format(*drawn_poll.options) in difference for difference in differences), differences
    assert not any("\n" in difference for difference in differences)


@pytest.fixture
def drawn_poll_among_all(conn, drawn_poll):
    """The same poll with a third draw, among everybody who voted."""
    queries.freeze_entries(conn, drawn_poll.id, None, actor="test")
    queries.draw_winner(
        conn, drawn_poll.id, None, number=3, public_value="4 8 15", reason="For everybody", actor="test"
    )
    return drawn_poll


def test_poll_drawn_among_everybody_agrees(drawn_poll_among_all, capsys):
    assert verify(capsys, drawn_poll_among_all) == []
    call_command("verify_poll", drawn_poll_among_all.slug)
    assert "13 votes and 3 draws agree" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        # A voter who did not choose the option that was drawn from.
        (
            "DELETE FROM polls_vote WHERE voter = 'other'",
            ["turnout: 13", "entries of everybody who voted: 1 of 13 without a vote"],
        ),
        (
            "INSERT INTO polls_vote (poll_id, voter, choices, cast_at) "
            "SELECT poll_id, 'stuffed', choices, cast_at FROM polls_vote WHERE voter = 'other'",
            ["turnout: 13 stored, 14 votes", "entries of everybody who voted: 1 votes without an entry"],
        ),
        (
            "UPDATE polls_vote SET voter = 'x' WHERE voter = 'other'",
            [
                "entries of everybody who voted: 1 of 13 without a vote",
                "entries of everybody who voted: 1 votes without an entry",
            ],
        ),
        (
            f"UPDATE polls_entries SET hash = {OTHER_HASH} WHERE option_id IS NULL",
            ["entries of everybody who voted: not those of the hash", "frozen entries ", "draw 3: "],
        ),
        (
            "UPDATE polls_entries SET codes = substr(codes, 33) WHERE option_id IS NULL",
            ["entries of everybody who voted: not those", "entries of everybody who voted: 1 votes without"],
        ),
        ("DELETE FROM polls_entries WHERE option_id IS NULL", ["frozen entries "]),
        (
            "UPDATE polls_entries SET option_id = {2} WHERE option_id IS NULL",
            ["entries of option {2}: 13 of 13 without a vote", "frozen entries "],
        ),
        (
            f"UPDATE polls_draw SET winner = {OTHER_HASH} WHERE number = 3",
            ["draw 3: winner abababab", "draw 3: otherwise"],
        ),
        ("UPDATE polls_draw SET alternates = alternates[2:] WHERE number = 3", ["draw 3: the alternates are not"]),
        (f"UPDATE polls_draw SET secret = {OTHER_HASH} WHERE number = 3", ["draw 3: the secret is not the one"]),
        ("UPDATE polls_draw SET option_id = {0} WHERE number = 3", ["draw 3: winner ", "draw 3: otherwise than in"]),
        ("UPDATE polls_draw SET option_id = NULL WHERE number = 2", ["draw 2: winner ", "draw 2: otherwise than in"]),
        ("DELETE FROM polls_draw WHERE number = 3", ["draw 3: otherwise than in the trail"]),
    ],
)
def test_tampering_with_a_draw_among_everybody_is_named(drawn_poll_among_all, tamper, capsys, change, says):
    tamper(change.format(*drawn_poll_among_all.options))
    differences = verify(capsys, drawn_poll_among_all)
    for line in says:
        assert any(line.format(*drawn_poll_among_all.options) in difference for difference in differences), differences
    assert not any("\n" in difference for difference in differences)


FIRST = "WHERE number = (SELECT min(number) FROM polls_journal)"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (f"DELETE FROM polls_journal {FIRST}", ["journal: 1 votes that it does not have", "checkpoint 1: "]),
        (
            f"UPDATE polls_journal SET added = sha256('x') {FIRST}",
            ["journal: 1 votes are not there as it has them", "journal: 1 votes that it", "checkpoint 1: "],
        ),
        (f"UPDATE polls_journal SET removed = added {FIRST}", ["journal: 1 votes that it", "checkpoint 1: "]),
        (f"UPDATE polls_checkpoint SET hash = {OTHER_HASH}", ["checkpoint 1: abababab"]),
        (f"UPDATE polls_checkpoint SET content_hash = {OTHER_HASH}", ["checkpoint 1: "]),
        ("UPDATE polls_checkpoint SET option_ids = option_ids[2:]", ["checkpoint 1: "]),
        ("UPDATE polls_checkpoint SET closing = false", ["checkpoint 1: "]),
        ("UPDATE polls_checkpoint SET taken_at = taken_at - interval '1 hour'", ["checkpoint 1: "]),
        ("UPDATE polls_checkpoint SET upto = upto - 1", ["checkpoint 1: "]),
        ("UPDATE polls_checkpoint SET entries = entries - 1", ["checkpoint 1: "]),
        ("UPDATE polls_checkpoint SET number = 2", ["checkpoint 1: missing"]),
        (
            "UPDATE polls_vote SET seal = sha256('x') WHERE voter = 'other'",
            ["journal: 1 votes are not", "journal: 1 v"],
        ),
    ],
)
def test_tampering_with_journal_and_checkpoints_is_named(drawn_poll, conn, tamper, capsys, change, says):
    assert queries.take_checkpoint(conn, drawn_poll.slug)
    assert verify(capsys, drawn_poll) == []
    tamper(change)
    differences = verify(capsys, drawn_poll)
    assert len(differences) == len(says)
    for difference, line in zip(differences, says, strict=True):
        assert line in difference


def test_content_hash_that_the_database_computes_otherwise_is_named(drawn_poll, capsys, monkeypatch):
    get_content = queries.get_content
    monkeypatch.setattr(
        audit.queries,
        "get_content",
        lambda conn, poll_id: get_content(conn, poll_id)._replace(content_hash="ab"),
    )
    [difference] = verify(capsys, drawn_poll)
    assert difference.startswith("content hash: ab shown, ")


def test_differences_are_lines_on_stdout(drawn_poll, tamper, capsys):
    tamper("UPDATE polls_turnout SET voters = 99")
    with pytest.raises(CommandError):
        call_command("verify_poll", drawn_poll.slug)
    assert capsys.readouterr().out.splitlines() == [
        "turnout: 99 stored, 13 votes",
        "results: 99 voters shown, 13 votes",
    ]


@pytest.mark.parametrize("slug", ["nowhere", "", "\udcff", "\0", "x" * 10_000, "'; DROP TABLE polls_vote"])
def test_unknown_poll_is_one_line(conn, slug):
    with pytest.raises(CommandError) as error:
        call_command("verify_poll", slug)
    assert "There is no poll" in str(error.value)
    assert "\n" not in str(error.value)


def test_nothing_is_written(drawn_poll, sql, capsys):
    """The command reads from one snapshot, so that a vote cast meanwhile is in all of the numbers or in none."""
    before = sql("SELECT count(*) FROM polls_event")
    assert verify(capsys, drawn_poll) == []
    assert sql("SELECT count(*) FROM polls_event") == before
