"""Draws among everybody who voted: what tests/test_draws.py asks of draws among the voters of an option."""

import hashlib
import hmac
import json
import re
from collections import Counter
from random import Random

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import Client

from polls import draws, queries
from tests.support.draws import (
    DRAW,
    FREEZE,
    call_in_thread,
    codes_of,
    program_of,
    run_program,
    wait_until_somebody_waits,
)
from tests.support.invitations import follow, invite
from tests.support.responses import text_of


@pytest.fixture
def ballots(make_poll, sql):
    """A closed poll with four voters who came by browser, and their browsers."""

    def make(**columns):
        poll = make_poll(**columns)
        browsers = [Client() for _ in range(4)]
        for number, browser in enumerate(browsers):
            browser.get(f"/polls/{poll.slug}/")
            browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[number % 3]})
        sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
        return poll, browsers

    return make


def shown(response):
    """The page's text; the emphasis inside the winner's code is none to who searches for it."""
    return re.sub("</?strong>", "", text_of(response))


# The computation.


@pytest.mark.parametrize("voters", [1, 2, 11, 12, 40])
def test_database_and_python_draw_the_same_among_all(conn, closed_poll_for_all, drawn_among_all, voters):
    poll = closed_poll_for_all(voters, draw_source="Lottery")
    draw = drawn_among_all(poll, public_value="4 – 8 / 15 “ß”")
    root = queries.get_secret(conn, poll.slug).root
    entries = draws.entries_of(root, None, [f"voter-{number}" for number in range(voters)])
    assert (draw.option_id, draw.option) == (None, None)
    assert draw.entries == len(entries) == voters
    assert draw.entries_hash == hashlib.sha256(draws.entries_file(entries)).hexdigest()
    assert (draw.secret, draw.commitment) == (draws.secret_of(root, 1), draws.commitment_to(root))
    assert (draw.winner, draw.alternates) == draws.draw(draw.secret, draw.entries_hash, draw.public_value, 1, entries)


def test_code_among_all_is_made_of_the_word_all_and_an_options_of_its_id(conn, closed_poll_for_all, sql):
    """As docs/draws.md says; an option's are what they were before there was another kind."""
    poll = closed_poll_for_all()
    root = queries.get_secret(conn, poll.slug).root
    for option_id, message in ((None, "all/ann"), (17, "17/ann")):
        code = hmac.digest(root, message.encode(), "sha256").hex()
        assert draws.entry_code(root, option_id, "ann") == code
        assert sql("SELECT polls_entry_code(%s, %s, 'ann')", poll.id, option_id) == [(code,)]


def test_each_voter_is_in_it_once_however_many_choices_they_made(conn, closed_poll_for_all):
    poll = closed_poll_for_all()
    root = queries.get_secret(conn, poll.slug).root
    for option_id in (None, *poll.options):
        queries.freeze_entries(conn, poll.id, option_id, actor="test")
    among_all, *among_options = [codes_of(conn, poll, option_id) for option_id in (None, *poll.options)]
    assert among_all == sorted(draws.entry_code(root, None, f"voter-{number}") for number in range(6))
    assert [len(codes) for codes in among_options] == [2, 4, 6]
    # Nobody can tell from two lists who is in both.
    assert set(among_all).isdisjoint(code for codes in among_options for code in codes)


def test_everybody_has_the_same_chance_over_all_secrets():
    """6,000 draws among 6 voters, from the secret on: chi-square with 5 degrees of freedom, 99.9 %."""
    random = Random(7)
    voters = [f"voter-{number}" for number in range(6)]
    winners = Counter()
    for _ in range(6000):
        root = random.randbytes(32)
        entries = {draws.entry_code(root, None, voter): voter for voter in voters}
        entries_hash = hashlib.sha256(draws.entries_file(sorted(entries))).hexdigest()
        winners[entries[draws.draw(draws.secret_of(root, 1), entries_hash, "", 1, entries).winner]] += 1
    assert sum((winners[voter] - 1000) ** 2 / 1000 for voter in voters) < 20.5


def test_draws_of_both_kinds_stand_side_by_side(conn, closed_poll_for_all, drawn_among_all, capsys):
    poll = closed_poll_for_all()
    first = drawn_among_all(poll, option_id=poll.options[0])
    second = drawn_among_all(poll, 2, reason="For all")
    third = drawn_among_all(poll, 3, reason="Once more", option_id=poll.options[0])
    assert [draw.entries for draw in (first, second, third)] == [2, 6, 2]
    assert first.entries_hash == third.entries_hash != second.entries_hash
    root = queries.get_secret(conn, poll.slug).root
    entries = draws.entries_of(root, poll.options[0], ["voter-0", "voter-3"])
    for draw in (first, third):
        outcome = draws.draw(draws.secret_of(root, draw.number), draw.entries_hash, "", draw.number, entries)
        assert (draw.winner, draw.alternates) == outcome
    call_command("verify_poll", poll.slug)
    assert "6 votes and 3 draws agree" in capsys.readouterr().out


# What the database refuses.


def test_nothing_is_frozen_nor_drawn_among_all_before_closing(conn, make_poll, vote, sql, refused):
    poll = make_poll(closes_in="1 hour")
    vote(poll, "ann", poll.options[:1])
    for statement in (FREEZE, DRAW):
        with refused("polls_draw_after_closing"):
            sql(statement, poll.id)
    with pytest.raises(queries.PollNotClosed):
        queries.freeze_entries(conn, poll.id, None, actor="test")
    with pytest.raises(queries.PollNotClosed):
        queries.draw_winner(conn, poll.id, None, number=1, actor="test")
    assert sql("SELECT id FROM polls_entries") == sql("SELECT id FROM polls_draw") == []


def test_nobody_who_voted_is_not_drawn(conn, closed_poll_for_all):
    poll = closed_poll_for_all(0)
    with pytest.raises(queries.NobodyToDraw, match="Nobody has voted"):
        queries.freeze_entries(conn, poll.id, None, actor="test")


def test_entries_of_one_kind_are_not_drawn_from_for_the_other(conn, closed_poll_for_all):
    poll, other = closed_poll_for_all(), closed_poll_for_all()
    queries.freeze_entries(conn, poll.id, poll.options[0], actor="test")
    queries.freeze_entries(conn, other.id, None, actor="test")
    with pytest.raises(queries.EntriesNotFrozen, match="of everybody who voted"):
        queries.draw_winner(conn, poll.id, None, number=1, actor="test")
    with pytest.raises(queries.EntriesNotFrozen, match="of this option"):
        queries.draw_winner(conn, other.id, other.options[0], number=1, actor="test")


def test_bare_sql_freezes_and_draws_and_is_not_believed_of_the_outcome(closed_poll_for_all, sql, capsys):
    poll = closed_poll_for_all()
    sql(
        "INSERT INTO polls_entries (poll_id, codes, hash, frozen_at, frozen_by) "
        "VALUES (%s, 'x', 'x', '2020-01-01', 'nobody')",
        poll.id,
    )
    sql(
        "INSERT INTO polls_draw (poll_id, number, secret, winner, alternates, drawn_at, drawn_by) "
        "VALUES (%s, 1, 'x', 'me', '{me}', '2020-01-01', 'nobody')",
        poll.id,
    )
    call_command("verify_poll", poll.slug)
    assert "6 votes and 1 draws agree" in capsys.readouterr().out
    assert sql("SELECT drawn_by = 'database user ' || session_user, drawn_at > '2021-01-01' FROM polls_draw") == [
        (True, True)
    ]
    assert sql("SELECT frozen_by = 'database user ' || session_user, frozen_at > '2021-01-01' FROM polls_entries") == [
        (True, True)
    ]


@pytest.mark.parametrize("table", ["polls_draw", "polls_entries"])
def test_draw_among_all_does_not_become_one_of_an_option(closed_poll_for_all, drawn_among_all, sql, refused, table):
    poll = closed_poll_for_all()
    drawn_among_all(poll)
    for change in (f"UPDATE {table} SET option_id = {poll.options[0]}", f"DELETE FROM {table}"):
        with refused(f"{table}_append_only"):
            sql(change)


def test_everybody_is_frozen_once_even_without_the_triggers(conn, closed_poll_for_all, sql, refused):
    poll, other = closed_poll_for_all(), closed_poll_for_all()
    for each in (poll, other):
        queries.freeze_entries(conn, each.id, None, actor="test")
    frozen = sql("SELECT id FROM polls_entries")
    queries.freeze_entries(conn, poll.id, None, actor="again")
    with refused("polls_entries_once_among_all"):
        sql(FREEZE, poll.id)
    sql("SET session_replication_role = replica")
    with refused("polls_entries_once_among_all"):
        sql(
            "INSERT INTO polls_entries (poll_id, codes, hash, frozen_at, frozen_by) "
            "SELECT poll_id, codes, hash, frozen_at, frozen_by FROM polls_entries"
        )
    sql("SET session_replication_role = DEFAULT")
    assert sql("SELECT id FROM polls_entries") == frozen


def test_poll_whose_voters_are_frozen_stays_closed(closed_poll_for_all, sql):
    poll = closed_poll_for_all()
    sql(FREEZE, poll.id)
    with pytest.raises(queries.PollFrozen), queries.translated_errors():
        sql("UPDATE polls_poll SET closes_at = NULL")


@pytest.mark.parametrize("way", ["data layer", "bare SQL"])
def test_of_two_freezings_among_all_at_once_one_is_made(closed_poll_for_all, sql, connections_to_test_database, way):
    poll = closed_poll_for_all()
    first, second = connections_to_test_database(), connections_to_test_database()
    first.autocommit = False
    queries.freeze_entries(first, poll.id, None, actor="first")

    def freeze_too():
        if way == "data layer":
            return queries.freeze_entries(second, poll.id, None, actor="second")
        with second.cursor() as cursor:
            return cursor.execute(FREEZE, [poll.id])

    thread, outcome = call_in_thread(freeze_too)
    wait_until_somebody_waits(sql, thread)
    first.commit()
    thread.join()
    said = [getattr(answer, "diag", None) and answer.diag.constraint_name for answer in outcome]
    assert said == [None if way == "data layer" else "polls_entries_once_among_all"]
    assert sql("SELECT frozen_by FROM polls_entries") == [("first",)]
    assert sql("SELECT count(*) FROM polls_event WHERE action = 'entries added'") == [(1,)]


def test_of_two_draws_of_both_kinds_at_once_one_is_made(closed_poll_for_all, sql, connections_to_test_database):
    poll = closed_poll_for_all()
    first, second = connections_to_test_database(), connections_to_test_database()
    for option_id in (None, poll.options[0]):
        queries.freeze_entries(first, poll.id, option_id, actor="test")
    first.autocommit = False
    queries.draw_winner(first, poll.id, None, number=1, actor="first")
    thread, outcome = call_in_thread(
        lambda: queries.draw_winner(second, poll.id, poll.options[0], number=1, actor="second")
    )
    wait_until_somebody_waits(sql, thread)
    first.commit()
    thread.join()
    assert isinstance(outcome[0], queries.DrawOvertaken)
    assert sql("SELECT drawn_by, option_id FROM polls_draw") == [("first", None)]


def test_vote_under_way_at_closing_is_in_the_draw_among_all(conn, make_poll, vote, sql, connections_to_test_database):
    poll = make_poll(closes_in="300 ms")
    vote(poll, "ann", poll.options[:1])
    late, freezer = connections_to_test_database(), connections_to_test_database()
    late.autocommit = False
    with late.cursor() as cursor:
        cursor.execute(
            "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, 'bob', %s)", [poll.id, poll.options[1:2]]
        )
    sql("SELECT pg_sleep_until(closes_at) FROM polls_poll")
    thread, outcome = call_in_thread(lambda: queries.freeze_entries(freezer, poll.id, None, actor="test"))
    wait_until_somebody_waits(sql, thread)
    late.commit()
    thread.join()
    assert outcome == [None]
    assert len(codes_of(conn, poll)) == 2


# The pages.


def choices_on(page):
    """The choices of the form: value, whether it is preselected, and what it says."""
    return [
        (value, bool(checked), re.sub("<[^>]+>", "", label))
        for value, checked, label in re.findall(
            r'<input type="radio" name="option" value="(\w+)"( checked)?> <span>(.*?)</label>', page
        )
    ]


def test_form_offers_everybody_first_and_says_how_many(owner, users, closed_poll_for_all):
    poll = closed_poll_for_all(owner_id=users["owner"].pk, results="owner")
    page = text_of(owner.get(f"/polls/{poll.slug}/draw/"))
    assert choices_on(page) == [
        ("all", True, "Everybody who voted (6 people)"),
        (str(poll.options[0]), False, "Those who chose Option 1 (2 people)"),
        (str(poll.options[1]), False, "Those who chose Option 2 (4 people)"),
        (str(poll.options[2]), False, "Those who chose Option 3 (6 people)"),
    ]
    assert "the poll cannot be opened again" in page


def test_form_counts_one_person(owner, users, closed_poll_for_all):
    poll = closed_poll_for_all(1, owner_id=users["owner"].pk)
    said = [said for _value, _checked, said in choices_on(text_of(owner.get(f"/polls/{poll.slug}/draw/")))]
    assert said[:2] == ["Everybody who voted (1 person)", "Those who chose Option 1 (1 person)"]


def test_form_tells_no_counts_to_staff_where_they_are_the_owners_alone(as_user, users, closed_poll_for_all):
    poll = closed_poll_for_all(owner_id=users["owner"].pk, results="owner")
    said = [said for _value, _checked, said in choices_on(text_of(as_user("staff").get(f"/polls/{poll.slug}/draw/")))]
    assert said == ["Everybody who voted", *(f"Those who chose Option {number}" for number in (1, 2, 3))]


def test_form_preselects_what_was_frozen_last(conn, owner, users, closed_poll_for_all):
    poll = closed_poll_for_all(owner_id=users["owner"].pk, draw_source="Lottery")
    for option_id, value in ((poll.options[1], str(poll.options[1])), (None, "all")):
        queries.freeze_entries(conn, poll.id, option_id, actor="test")
        choices = choices_on(text_of(owner.get(f"/polls/{poll.slug}/draw/")))
        assert [value for value, checked, _said in choices if checked] == [value]
        assert [said.endswith("entries frozen") for choice, _checked, said in choices if choice == value] == [True]


def test_owner_draws_among_everybody_with_the_form(owner, users, client, closed_poll_for_all, conn, sql):
    poll = closed_poll_for_all(owner_id=users["owner"].pk)
    response = owner.post(f"/polls/{poll.slug}/draw/", {"option": "all", "number": 1})
    assert (response.status_code, response["Location"]) == (303, f"/polls/{poll.slug}/draws/1/")
    page = shown(owner.get(response["Location"]))
    [draw] = queries.list_draws(conn, poll.id)
    for told in (draw.winner, *draw.alternates, draw.secret, draw.commitment, draw.entries_hash):
        assert told in page
    assert "One winner was drawn from the 6 people who have voted, each with the same chance." in page
    assert sql("SELECT drawn_by, option_id FROM polls_draw") == [("owner", None)]
    fields = {"option": poll.options[0], "number": 2, "reason": "Moved"}
    assert owner.post(f"/polls/{poll.slug}/draw/", fields).status_code == 303
    listed = text_of(client.get(f"/polls/{poll.slug}/draws/"))
    assert "Draw 1, among everybody who voted</a>" in listed
    assert "Draw 2, among those who chose <bdi>Option 1</bdi></a>" in listed
    assert "<strong><bdi>Everybody who voted</bdi></strong>: 6 entries" in listed
    assert "Draw 1</a>, among everybody who voted" in text_of(client.get(f"/polls/{poll.slug}/draws/2/"))


def test_page_says_who_votes_is_missing_or_not_frozen(owner, users, closed_poll_for_all):
    empty = closed_poll_for_all(0, owner_id=users["owner"].pk)
    assert choices_on(text_of(owner.get(f"/polls/{empty.slug}/draw/")))[0][2] == "Everybody who voted (0 people)"
    refused = owner.post(f"/polls/{empty.slug}/draw/", {"option": "all", "number": 1})
    assert (refused.status_code, "Nobody has voted." in text_of(refused)) == (422, True)
    poll = closed_poll_for_all(owner_id=users["owner"].pk, draw_source="Lottery")
    fields = {"option": "all", "number": 1, "public_value": "4 8 15"}
    early = owner.post(f"/polls/{poll.slug}/draw/", fields)
    assert "The entries of everybody who voted are not frozen yet." in text_of(early)
    assert ("all", True) in [choice[:2] for choice in choices_on(text_of(early))]
    frozen = owner.post(f"/polls/{poll.slug}/draw/", {**fields, "public_value": "", "freeze": "on"})
    assert frozen["Location"] == f"/polls/{poll.slug}/draws/"
    assert owner.post(f"/polls/{poll.slug}/draw/", fields).status_code == 303


@pytest.mark.parametrize("results", ["always", "owner"])
def test_voter_finds_their_code_and_whether_it_has_won(conn, ballots, drawn_among_all, sql, results):
    poll, browsers = ballots(results=results)
    draw = drawn_among_all(poll)
    keys = [voter for (voter,) in sql("SELECT voter FROM polls_vote ORDER BY id")]
    codes = [queries.get_entry_code_among_all(conn, poll.id, [key]) for key in keys]
    assert sorted(codes) == codes_of(conn, poll)
    won = 0
    for browser, code in zip(browsers, codes, strict=True):
        listed = text_of(browser.get(f"/polls/{poll.slug}/draws/"))
        assert f"<li>Among everybody who voted: <code>{code}</code></li>" in listed
        assert "Among those who chose" in listed
        page = text_of(browser.get(f"/polls/{poll.slug}/draws/1/"))
        assert ("This is you: your entry has won." in page) == (code == draw.winner)
        assert ("of the alternates." in page) == (results == "always" and code != draw.winner)
        won += code == draw.winner
    assert won == 1
    stranger = Client()
    assert "Among everybody who voted:" not in text_of(stranger.get(f"/polls/{poll.slug}/draws/"))
    assert "No entry in this draw is known to be yours here." in text_of(stranger.get(f"/polls/{poll.slug}/draws/1/"))
    assert queries.get_entry_code_among_all(conn, poll.id, ["nobody"]) is None


def test_winner_is_shown_as_a_code_whose_beginning_stands_out(client, closed_poll_for_all, drawn_among_all):
    poll = closed_poll_for_all()
    winner = drawn_among_all(poll).winner
    page = text_of(client.get(f"/polls/{poll.slug}/draws/1/"))
    assert f"<p><code><strong>{winner[:8]}</strong>{winner[8:]}</code></p>" in page


def test_draw_on_paper_names_its_address(client, closed_poll_for_all, drawn_among_all):
    poll = closed_poll_for_all()
    drawn_among_all(poll)
    assert f"Check this sheet at http://testserver/polls/{poll.slug}/draws/1/" in text_of(
        client.get(f"/polls/{poll.slug}/draws/1/")
    )


@pytest.mark.parametrize("name", ["owner", "staff", "stranger", "anonymous"])
def test_who_runs_the_poll_is_told_how_the_winner_learns_of_it(
    as_user, users, closed_poll_for_all, drawn_among_all, name
):
    poll = closed_poll_for_all(owner_id=users["owner"].pk)
    drawn_among_all(poll)
    page = text_of(as_user(name).get(f"/polls/{poll.slug}/draws/1/"))
    assert ("Tell the voters to open the link of the poll again" in page) == (name in ("owner", "staff"))


@pytest.mark.parametrize("results", ["owner", "voted"])
def test_draw_among_all_leaks_no_turnout_to_who_may_not_see_the_results(
    client, closed_poll_for_all, drawn_among_all, results
):
    poll = closed_poll_for_all(results=results)
    draw = drawn_among_all(poll)
    page = shown(client.get(f"/polls/{poll.slug}/draws/1/"))
    assert draw.winner in page
    assert "drawn from everybody who has voted" in page
    listed = text_of(client.get(f"/polls/{poll.slug}/draws/"))
    for hidden in (*draw.alternates, draw.entries_hash, draw.secret, "6 people", "6 entries", "entries.txt"):
        assert hidden not in page
        assert hidden not in listed
    assert client.get(f"/polls/{poll.slug}/draws/1/entries.txt").status_code == 403


def test_pages_of_draws_are_as_long_for_two_voters_as_for_twelve_where_results_are_hidden(
    client, closed_poll_for_all, drawn_among_all
):
    sizes = set()
    for voters in (2, 12):
        poll = closed_poll_for_all(voters, results="owner", title="Same", slug=f"same-{voters:02}")
        drawn_among_all(poll)
        sizes.add(tuple(len(client.get(f"/polls/{poll.slug}/draws/{path}").content) for path in ("", "1/")))
    assert len(sizes) == 1


def test_link_to_an_anonymous_poll_tells_no_choice_to_who_made_it(conn, make_poll, drawn_among_all, sql, users):
    """Who runs a poll knows everybody's link, and could look with it who is in the draw of an option."""
    poll = make_poll(audience="invite", owner_id=users["owner"].pk)
    [link] = invite(conn, poll, "Ann")
    here, elsewhere = follow(link), follow(link)
    here.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
    option, everybody = drawn_among_all(poll, option_id=poll.options[0]), drawn_among_all(poll, 2, reason="again")
    listed = [text_of(browser.get(f"/polls/{poll.slug}/draws/")) for browser in (here, elsewhere)]
    assert [f"<code>{option.winner}</code>" in page for page in listed] == [True, False]
    assert [f"<code>{everybody.winner}</code>" in page for page in listed] == [True, True]
    for number, told in ((1, [True, False]), (2, [True, True])):
        pages = [text_of(browser.get(f"/polls/{poll.slug}/draws/{number}/")) for browser in (here, elsewhere)]
        assert ["your entry has won" in page for page in pages] == told


def test_trail_tells_of_a_draw_among_all(owner, users, closed_poll_for_all, drawn_among_all, sql):
    poll = closed_poll_for_all(owner_id=users["owner"].pk)
    drawn_among_all(poll)
    page = text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    assert "froze who is in a draw" in page
    assert "drew a winner, draw 1" in page
    assert sql("SELECT details -> 'option_id' FROM polls_event WHERE action ~ '^(entries|draw) ' ORDER BY id") == [
        ([None, None],),
        ([None, None],),
    ]


# What anybody can check.


@pytest.mark.parametrize("public_value", ["", "4 8 15 16 23 42"])
def test_printed_program_finds_the_winner_among_all(
    client, closed_poll_for_all, drawn_among_all, tmp_path, public_value
):
    poll = closed_poll_for_all(30, draw_source="Lottery" if public_value else "")
    draw = drawn_among_all(poll, public_value=public_value)
    entries = client.get(f"/polls/{poll.slug}/draws/1/entries.txt").getvalue()
    assert hashlib.sha256(entries).hexdigest() == draw.entries_hash
    checked = run_program(program_of(client.get(f"/polls/{poll.slug}/draws/1/")), entries, tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.split() == [draw.winner, *draw.alternates]


# The command.


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


# The migration.


# The functions that are replaced, and the MD5 of each as it was released with 0005.
RELEASED = {
    "polls_entry_code": "b9a64ad5e3f2c9064aa969b76c53e4e1",
    "polls_freeze_entries": "451cfeca9a8335a2c093bebb36a4c1ae",
    "polls_draw_winner": "8a58bca3a89d555f8b5229cba79f06dc",
}


@pytest.fixture
def migrate(sql):
    """Migrate the app, and return what the functions then are; at the end everything is as it was."""

    def run(name):
        call_command("migrate", "polls", name, verbosity=0)
        return dict(sql("SELECT proname, md5(prosrc) FROM pg_proc WHERE proname = ANY (%s)", list(RELEASED)))

    yield run
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
    with refused("polls_draw_of_somebody"):  # as it was: NULL is no option
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


@pytest.mark.parametrize("page", ["", "results/"])
def test_voters_are_led_from_the_poll_to_its_latest_draw(ballots, drawn_among_all, page):
    poll, browsers = ballots()
    path = f"/polls/{poll.slug}/{page}"
    assert "A winner was drawn" not in text_of(browsers[0].get(path))
    drawn_among_all(poll)
    drawn_among_all(poll, 2, reason="Once more")
    assert f'<a href="/polls/{poll.slug}/draws/2/">See whether it is you</a>' in text_of(browsers[0].get(path))
    assert f'<a href="/polls/{poll.slug}/draws/2/">See the draw</a>' in text_of(Client().get(path))
    told = ["your entry has won" in text_of(browser.get(f"/polls/{poll.slug}/draws/2/")) for browser in browsers]
    assert sorted(told) == [False, False, False, True]
