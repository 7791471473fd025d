"""draw_winner: freezing and drawing, among the voters of an option or everybody, and errors in one line."""

import json

import pytest
from django.core.management import CommandError, call_command

from polls import queries


def test_command_draws(closed_poll, conn, capsys):
    poll = closed_poll()
    call_command("draw_winner", poll.slug, str(poll.options[0]))
    out, err = capsys.readouterr()
    [draw] = queries.list_draws(conn, poll.id)
    assert out.strip() == draw.winner
    assert f"/polls/{poll.slug}/draws/1/" in err
    call_command("draw_winner", poll.slug, str(poll.options[0]), reason="Moved away", json=True)
    row = json.loads(capsys.readouterr().out)
    assert (row["draw"]["number"], row["draw"]["reason"], row["entries"]["entries"]) == (2, "Moved away", 5)


def test_command_freezes_first_where_a_public_value_is_announced(closed_poll, conn, capsys):
    poll = closed_poll(draw_source="Lottery")
    with pytest.raises(CommandError, match="not frozen yet"):
        call_command("draw_winner", poll.slug, str(poll.options[0]), public_value="4 8 15")
    call_command("draw_winner", poll.slug, str(poll.options[0]))
    out, err = capsys.readouterr()
    assert out.strip() == queries.list_entries(conn, poll.id)[0].hash
    assert "nothing is drawn yet" in err
    call_command("draw_winner", poll.slug, str(poll.options[0]), public_value="4 8 15", json=True)
    assert json.loads(capsys.readouterr().out)["draw"]["public_value"] == "4 8 15"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"slug": "nowhere"}, "There is no poll 'nowhere'."),
        ({"slug": "\udcff"}, "printable"),
        ({"option": 2**70}, "has no option"),
        ({"option": -1}, "has no option"),
        ({"public_value": "x"}, "No public value was announced"),
        ({"public_value": "\0"}, "public value: give up to 500 printable characters"),
        ({"reason": "x" * 201}, "reason: give up to 200 printable characters"),
    ],
)
def test_command_says_in_one_line_what_is_wrong(closed_poll, sql, change, says):
    poll = closed_poll()
    given = {"slug": poll.slug, "option": poll.options[0], "public_value": "", "reason": ""} | change
    with pytest.raises(CommandError) as error:
        call_command(
            "draw_winner",
            given["slug"],
            str(given["option"]),
            public_value=given["public_value"],
            reason=given["reason"],
        )
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert sql("SELECT id FROM polls_draw") == []


def test_command_without_an_option_draws_among_everybody(closed_poll_for_all, conn, capsys):
    poll = closed_poll_for_all()
    call_command("draw_winner", poll.slug)
    out, err = capsys.readouterr()
    [draw] = queries.list_draws(conn, poll.id)
    assert (out.strip(), draw.option_id, draw.entries) == (draw.winner, None, 6)
    assert f"Draw 1 of 6 entries: /polls/{poll.slug}/draws/1/" in err
    call_command("draw_winner", poll.slug, reason="Moved away", json=True)
    row = json.loads(capsys.readouterr().out)
    assert (row["draw"]["number"], row["draw"]["option_id"], row["draw"]["option"]) == (2, None, None)
    assert (row["entries"]["option_id"], row["entries"]["entries"]) == (None, 6)


def test_command_freezes_everybody_first_where_a_public_value_is_announced(closed_poll_for_all, conn, capsys):
    poll = closed_poll_for_all(draw_source="Lottery")
    queries.freeze_entries(conn, poll.id, poll.options[0], actor="test")
    with pytest.raises(CommandError, match=r"^The entries of everybody who voted are not frozen yet\.$"):
        call_command("draw_winner", poll.slug, public_value="4 8 15")
    call_command("draw_winner", poll.slug)
    assert capsys.readouterr().out.strip() == queries.list_entries(conn, poll.id)[1].hash
    call_command("draw_winner", poll.slug, public_value="4 8 15", json=True)
    assert json.loads(capsys.readouterr().out)["draw"]["option_id"] is None


def test_command_says_in_one_line_that_nobody_voted(closed_poll_for_all):
    with pytest.raises(CommandError, match=r"^Nobody has voted\.$"):
        call_command("draw_winner", closed_poll_for_all(0).slug)


def test_command_says_in_one_line_what_an_option_is_not(closed_poll_for_all):
    with pytest.raises(CommandError, match=r"^Error: argument OPTION_ID: invalid int value: 'all'$"):
        call_command("draw_winner", closed_poll_for_all().slug, "all")
