"""scripts/verify.py: it finds that a bundle is right, and each change that a superuser made behind the triggers."""

import copy
import json
import shutil
import subprocess

import pytest
from django.core.management import CommandError, call_command

from polls import queries
from polls.receipts import Receipt, seal_of
from tests.support.checkpoints import VERIFY, bundle_of, run_verify
from tests.support.paths import BASE_DIR

CODE = "ABCDEFGH8JKLMN9P"


@pytest.fixture(autouse=True)
def room_before_the_first_entry(owner_sql):
    """Leave a number of the journal free, for an entry that is put in later."""
    owner_sql("SELECT nextval(pg_get_serial_sequence('polls_journal', 'number'))")


@pytest.fixture
def poll(conn, make_poll, vote, sql, take, often, close):
    """A closed poll that anyone can recount, with a checkpoint before the last votes, and two draws."""
    poll = make_poll(recountable=True, max_choices=2, title="Töa or “coffee”?", description="\x7f\t\n\\u0041")
    for number in range(39):
        vote(poll, f"voter-{number}", poll.options[: 1 + number % 2])
    sql(
        "INSERT INTO polls_vote (poll_id, voter, choices, seal) VALUES (%s, 'ann', %s, %s)",
        *(poll.id, poll.options[2:0:-1], seal_of(CODE)),
    )
    assert take(poll)
    vote(poll, "late", poll.options[:1])
    close(poll)
    assert take(poll)
    queries.freeze_entries(conn, poll.id, poll.options[0], actor="test")
    queries.freeze_entries(conn, poll.id, None, actor="test")
    queries.draw_winner(conn, poll.id, poll.options[0], number=1, actor="test")
    queries.draw_winner(conn, poll.id, None, number=2, reason="again", actor="test")
    return poll


@pytest.fixture
def secret_poll(make_poll, vote, take, often, close, sql):
    """A closed poll whose choices are secret and can be changed, with a checkpoint while it was open."""
    poll = make_poll(changeable=True)
    for number in range(9):
        vote(poll, f"voter-{number}", poll.options[:1])
    assert take(poll)
    sql("UPDATE polls_vote SET choices = %s WHERE voter = 'voter-1'", poll.options[1:2])
    sql("DELETE FROM polls_vote WHERE voter = 'voter-2'")
    close(poll)
    assert take(poll)
    return poll


def differences(capsys, poll):
    """The number of differences that verify_poll names."""
    capsys.readouterr()
    try:
        call_command("verify_poll", poll.slug, json=True)
    except CommandError:
        return len(json.loads(capsys.readouterr().out)["differences"])
    assert json.loads(capsys.readouterr().out)["checkpoints"] >= 1
    return 0


def test_poll_that_nobody_touched_is_right(client, poll, tmp_path, capsys, sql):
    bundle = bundle_of(client, poll)
    noted = [checkpoint["hash"] for checkpoint in bundle["checkpoints"]]
    receipt = str(Receipt(17, CODE))
    found = run_verify(
        tmp_path,
        bundle,
        *("--checkpoint", noted[0], "--checkpoint", noted[1].upper(), "--receipt", receipt),
        *("--choices", "Option 2", "Option 3"),
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert "WRONG" not in found.stdout
    for line in (
        "good:  2 checkpoints, each made from the one before",
        "good:  41 votes in the list, and the same in the checkpoints",
        "good:  as many people have voted as the site says",
        "good:  40 votes for 'Option 1'",
        "good:  20 votes for 'Option 2'",
        "good:  draw 1: ",
        "good:  draw 2: ",
        f"good:  {noted[0]} is checkpoint 1, of ",
        "good:  your receipt is in the list",
        "good:  your vote is counted as you say",
        "all is well",
    ):
        assert line in found.stdout
    assert differences(capsys, poll) == 0


def test_changed_and_withdrawn_votes_are_right(client, secret_poll, tmp_path, capsys):
    found = run_verify(tmp_path, bundle_of(client, secret_poll))
    assert found.returncode == 0, found.stdout
    assert "the choices are secret" in found.stdout
    assert differences(capsys, secret_poll) == 0


def test_poll_without_votes_is_right(client, make_poll, tmp_path):
    poll = make_poll(opens_in="-2 hours", closes_in="-1 hour")
    found = run_verify(tmp_path, bundle_of(client, poll))
    assert (found.returncode, found.stderr) == (0, ""), found.stdout


def test_hidden_results_are_verified_as_far_as_they_are_shown(client, secret_poll, sql, tmp_path):
    sql("UPDATE polls_poll SET results = 'owner'")
    found = run_verify(tmp_path, bundle_of(client, secret_poll))
    assert found.returncode == 0, found.stdout
    assert "the results are not in this file" in found.stdout
    assert "note:  who sees the results was changed after the last checkpoint" in found.stdout


def test_correction_is_noted(client, poll, sql, tmp_path):
    for text in ("Tea or cofee?", "Tea or coffee?"):
        sql(
            "INSERT INTO polls_correction (poll_id, field, after, reason) VALUES (%s, 'title', %s, 'typo')",
            *(poll.id, text),
        )
    sql(
        "INSERT INTO polls_correction (poll_id, field, option_id, after, reason) "
        "VALUES (%s, 'option', %s, 'x', 'typo')",
        *(poll.id, poll.options[1]),
    )
    found = run_verify(tmp_path, bundle_of(client, poll))
    assert found.returncode == 0, found.stdout
    assert "note:  3 texts were corrected" in found.stdout


def test_receipt_of_another_choice_or_of_no_vote_is_wrong(client, poll, tmp_path):
    bundle = bundle_of(client, poll)
    other = run_verify(tmp_path, bundle, "--receipt", CODE, "--choices", "1", "2")
    assert other.returncode == 1
    assert "your vote is not counted as you say" in other.stdout
    none = run_verify(tmp_path, bundle, "--receipt", "1-" + "A" * 16)
    assert none.returncode == 1
    assert "your receipt is not in the list" in none.stdout
    unknown = run_verify(tmp_path, bundle, "--receipt", CODE, "--choices", "Nothing")
    assert unknown.returncode == 2
    assert "there is no option 'Nothing'" in unknown.stderr


# A superuser, whom no trigger stops, after the first checkpoint. The tally goes along where the site shows it.
TAMPERING = {
    "added": "INSERT INTO polls_vote (poll_id, voter, choices, cast_at, seal) "
    "SELECT poll_id, 'stuffed', choices, cast_at, sha256('stuffed') FROM polls_vote WHERE voter = 'voter-0'",
    "removed": "DELETE FROM polls_vote WHERE voter = 'voter-0'",
    "altered": "UPDATE polls_vote SET choices = {other} WHERE voter = 'voter-0'",
    "resealed": "UPDATE polls_vote SET seal = sha256('mine') WHERE voter = 'voter-0'",
    "exchanged": "UPDATE polls_vote SET choices = CASE voter WHEN 'voter-0' THEN {other} ELSE choices END, "
    "seal = CASE voter WHEN 'voter-0' THEN sha256('mine') ELSE seal END",
}
TALLY = (
    "DELETE FROM polls_tally; DELETE FROM polls_turnout; "
    "INSERT INTO polls_tally (poll_id, option_id, slot, votes) "
    "SELECT poll_id, choice, 0, count(*) FROM polls_vote CROSS JOIN unnest(choices) AS choice GROUP BY 1, 2; "
    "INSERT INTO polls_turnout (poll_id, slot, voters) SELECT poll_id, 0, count(*) FROM polls_vote GROUP BY 1"
)


def tampered(behind, poll, how):
    other = f"ARRAY[{poll.options[2]}]::bigint[]"
    behind(TAMPERING[how].format(other=other))
    behind(TALLY)


@pytest.mark.parametrize("how", TAMPERING)
@pytest.mark.parametrize("kind", ["poll", "secret_poll"])
def test_tampering_behind_the_triggers_is_found(client, request, behind, tmp_path, capsys, how, kind):
    poll = request.getfixturevalue(kind)
    tampered(behind, poll, how)
    found = run_verify(tmp_path, bundle_of(client, poll))
    assert found.returncode == 1
    assert "in the list" in found.stdout or "in no checkpoint" in found.stdout
    assert differences(capsys, poll) > 0


@pytest.mark.parametrize("how", TAMPERING)
@pytest.mark.parametrize("kind", ["poll", "secret_poll"])
def test_tampering_with_votes_journal_and_all_checkpoints_is_found_by_one_that_was_noted(
    client, request, sql, behind, forge, tmp_path, how, kind
):
    poll = request.getfixturevalue(kind)
    noted = bundle_of(client, poll)["checkpoints"][0]["hash"]
    tampered(behind, poll, how)
    # The first entry of the journal is that of the vote; one more goes in beside it.
    leaf = "(SELECT polls_leaf(poll_id, voter, seal, choices) FROM polls_vote WHERE voter = '{}')"
    if how == "added":
        behind(
            "INSERT INTO polls_journal (poll_id, number, added) OVERRIDING SYSTEM VALUE "
            f"SELECT poll_id, min(number) - 1, {leaf.format('stuffed')} FROM polls_journal GROUP BY 1"
        )
    elif how == "removed":
        behind("DELETE FROM polls_journal WHERE number = (SELECT min(number) FROM polls_journal)")
    else:
        behind(
            f"UPDATE polls_journal SET added = {leaf.format('voter-0')} "
            "WHERE number = (SELECT min(number) FROM polls_journal)"
        )
    forge(poll)
    bundle = bundle_of(client, poll)
    bundle["draws"], bundle["entries"] = [], []  # they would have to be forged as well
    consistent = run_verify(tmp_path, bundle)
    assert consistent.returncode == 0, consistent.stdout
    found = run_verify(tmp_path, bundle, "--checkpoint", noted)
    assert found.returncode == 1
    assert f"{noted} is no checkpoint: votes that were there then were changed" in found.stdout
    # The last one goes back to the first.
    last = bundle["checkpoints"][-1]["hash"]
    assert run_verify(tmp_path, bundle, "--checkpoint", last).returncode == 0


def test_texts_that_were_exchanged_between_options_are_found(client, secret_poll, behind, tmp_path):
    """All votes stay as they are, and count for another text."""
    first, second, _ = secret_poll.options
    behind("UPDATE polls_option SET text = 'x' WHERE id = %s", first)
    behind("UPDATE polls_option SET text = 'Option 1', position = 1 WHERE id = %s", second)
    behind("UPDATE polls_option SET text = 'Option 2', position = 2 WHERE id = %s", first)
    found = run_verify(tmp_path, bundle_of(client, secret_poll))
    assert found.returncode == 1
    assert "options were added, removed or exchanged" in found.stdout


def test_poll_that_asks_something_else_is_found(client, secret_poll, behind, tmp_path):
    behind("UPDATE polls_poll SET title = 'Another question'")
    behind("UPDATE polls_poll SET content_hash = polls_content_hash(polls_poll)")
    found = run_verify(tmp_path, bundle_of(client, secret_poll))
    assert found.returncode == 1
    assert "are not those of the last checkpoint" in found.stdout


def lie(bundle, what):
    """Change one thing in a bundle that is right."""
    votes, checkpoints = bundle["votes"], bundle["checkpoints"]
    match what:
        case "count":
            bundle["counts"][0] += 1
        case "voters":
            bundle["voters"] += 1
        case "vote twice":
            votes.append(votes[0])
        case "no vote":
            votes.pop()
        case "choices":
            votes[0]["choices"] = [bundle["options"][0]["id"]] * 2
        case "key":
            votes[0]["key"] = "ab" * 32
        case "receipts":
            votes[0]["receipt"], votes[1]["receipt"] = votes[1]["receipt"], votes[0]["receipt"]
        case "line":
            checkpoints[0]["lines"].pop()
        case "split line":
            checkpoints[0]["lines"][0] += checkpoints[0]["lines"].pop()[1:]
        case "first checkpoint":
            del checkpoints[0]
        case "last checkpoint":
            del checkpoints[1]
        case "time":
            checkpoints[0]["taken_at"] = "2020-01-01T00:00:00Z"
        case "closing":
            checkpoints[1]["closing"] = False
        case "order":
            bundle["options"].reverse()
            bundle["counts"].reverse()
        case "title":
            bundle["title"] += "!"
        case "rule":
            bundle["max_choices"] = 3
        case "slug":
            bundle["slug"] += "x"
        case "winner":
            bundle["draws"][0]["winner"] = bundle["entries"][0]["codes"][-1]
        case "alternates":
            bundle["draws"][1]["alternates"].pop()
        case "secret":
            bundle["draws"][0]["secret"] = "ab" * 32
        case "entries":
            bundle["entries"][1]["codes"].pop()
        case "entries' hash":
            bundle["draws"][1]["entries_hash"] = "ab" * 32


LIES = [
    *("count", "voters", "vote twice", "no vote", "choices", "key", "receipts", "line", "split line"),
    *("first checkpoint", "last checkpoint", "time", "closing", "order", "title", "rule", "slug"),
    *("winner", "alternates", "secret", "entries", "entries' hash"),
]


def test_every_lie_in_a_bundle_is_found(client, poll, tmp_path):
    bundle = bundle_of(client, poll)
    for what in LIES:
        changed = copy.deepcopy(bundle)
        lie(changed, what)
        assert changed != bundle, what
        found = run_verify(tmp_path, changed)
        assert (found.returncode, found.stderr) == (1, ""), (what, found)
        assert "WRONG: " in found.stdout


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2}', "\0", '{"format": 1, "slug": 3}'])
def test_what_is_no_bundle_cannot_be_verified(tmp_path, text):
    found = run_verify(tmp_path, text)
    assert found.returncode == 2
    assert found.stderr.startswith("This cannot be verified: ")
    assert len(found.stderr.splitlines()) == 1


def test_reopened_poll_is_right(client, secret_poll, sql, vote, take, close, tmp_path):
    sql("UPDATE polls_poll SET closes_at = NULL")
    vote(secret_poll, "later", secret_poll.options[:1])
    assert take(secret_poll)
    close(secret_poll)
    found = run_verify(tmp_path, bundle_of(client, secret_poll))
    assert found.returncode == 0, found.stdout
    assert "good:  4 checkpoints" in found.stdout


def runs(python):
    return shutil.which(python) and not subprocess.run([python, "-c", ""], stderr=subprocess.DEVNULL).returncode


def test_program_runs_on_an_old_python(client, poll, tmp_path):
    old = next(filter(runs, ("python3.8", "python3.9", "python3.10")), None)
    if old is None:
        pytest.skip("there is none here")
    found = run_verify(tmp_path, bundle_of(client, poll), "--receipt", CODE, "--choices", "2", "3", python=old)
    assert (found.returncode, found.stderr) == (0, "")


def test_docs_print_the_program():
    assert f"```python\n{VERIFY.read_text()}```\n" in (BASE_DIR / "docs" / "trust.md").read_text()
