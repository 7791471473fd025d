"""Draws: what the database refuses and computes, what the pages show to whom, and the check that anybody can run."""

import hashlib
import json
import re
from collections import Counter
from itertools import permutations
from random import Random

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from polls import draws, queries
from polls.views import draws as views
from tests.support.draws import call_in_thread, program_of, run_program, wait_until_somebody_waits
from tests.support.responses import text_of

# The computation.


def test_every_order_of_the_entries_is_as_likely_as_any_other():
    """6,000 draws of 3 entries: 6 orders, 1,000 each but for chance. Chi-square with 5 degrees of freedom stays below
    20.5 in 999 of 1,000 such tests, and this one always draws the same."""
    entries = [draws.entry_code(b"key", 1, voter) for voter in ("ann", "bob", "cid")]
    random = Random(5)
    orders = Counter()
    for _ in range(6000):
        outcome = draws.draw(random.randbytes(32).hex(), "hash", "", 1, entries)
        orders[(outcome.winner, *outcome.alternates)] += 1
    assert set(orders) == set(permutations(entries))
    assert sum((count - 1000) ** 2 / 1000 for count in orders.values()) < 20.5


def test_winner_among_many_is_unbiased():
    """20,000 draws of 50 entries: chi-square with 49 degrees of freedom, 99.9 %."""
    entries = [draws.entry_code(b"key", 1, f"voter-{number}") for number in range(50)]
    random = Random(6)
    winners = Counter(draws.draw(random.randbytes(32).hex(), "hash", "", 1, entries).winner for _ in range(20_000))
    assert sum((winners[entry] - 400) ** 2 / 400 for entry in entries) < 85.4


def test_order_of_the_entries_as_given_decides_nothing():
    entries = [f"{number:064x}" for number in range(30)]
    assert draws.draw("ab" * 32, "hash", "x", 1, entries) == draws.draw("ab" * 32, "hash", "x", 1, entries[::-1])


@pytest.mark.parametrize(
    "change", [{"secret": "cd" * 32}, {"entries_hash": "other"}, {"public_value": "y"}, {"number": 2}]
)
def test_everything_that_enters_the_seed_changes_the_order(change):
    entries = [f"{number:064x}" for number in range(30)]
    given = {"secret": "ab" * 32, "entries_hash": "hash", "public_value": "x", "number": 1}
    assert draws.draw(**given, entries=entries) != draws.draw(**(given | change), entries=entries)


def test_entry_codes_cannot_be_guessed_nor_compared_between_options():
    codes = {draws.entry_code(key, option, "user:17") for key in (b"k", b"l") for option in (1, 2)}
    assert len(codes) == 4


def test_secret_of_a_draw_tells_those_before_it_and_none_after_it():
    root = b"r" * 32
    second = bytes.fromhex(draws.secret_of(root, 2))
    assert draws.hash_again(second, 1).hex() == draws.secret_of(root, 1)
    assert draws.hash_again(second, 2).hex() == draws.commitment_to(root)
    ahead = {draws.secret_of(root, number) for number in range(3, draws.LINKS)} | {root.hex()}
    assert ahead.isdisjoint(draws.hash_again(second, times).hex() for times in range(1000))


@pytest.mark.parametrize("voters", [1, 2, 11, 12, 40])
def test_database_and_python_draw_the_same(conn, closed_poll, drawn, sql, voters):
    poll = closed_poll(voters, draw_source="Lottery")
    draw = drawn(poll, public_value="4 – 8 / 15 “ß”")
    root = queries.get_secret(conn, poll.slug).root
    entries = draws.entries_of(root, poll.options[0], [f"voter-{number}" for number in range(voters)])
    assert draw.entries == len(entries) == voters
    assert draw.entries_hash == hashlib.sha256(draws.entries_file(entries)).hexdigest()
    assert (draw.secret, draw.commitment) == (draws.secret_of(root, 1), draws.commitment_to(root))
    outcome = draws.draw(draw.secret, draw.entries_hash, draw.public_value, 1, entries)
    assert (draw.winner, draw.alternates) == outcome
    assert len(draw.alternates) == min(voters - 1, 10)


def test_hmac_of_the_database_is_that_of_rfc_4231(sql):
    key, message = "0b" * 20, "Hi There"
    expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    # HMAC pads keys with zeros, so that a key of 20 bytes is one of 32 with zeros at its end.
    assert sql("SELECT encode(polls_hmac(decode(%s, 'hex'), %s), 'hex')", key + "00" * 12, message) == [(expected,)]


# What the database refuses.


@pytest.mark.parametrize("window", [{"closes_in": None}, {"closes_in": "1 hour"}, {"archived_at": "2026-01-01"}])
def test_nothing_is_frozen_nor_drawn_before_closing(conn, make_poll, vote, sql, refused, window):
    poll = make_poll(**window | {"archived_at": None})
    vote(poll, "ann", poll.options[:1])
    sql("UPDATE polls_poll SET archived_at = %s", window.get("archived_at"))
    with refused("polls_draw_after_closing"):
        sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[0])
    with pytest.raises(queries.PollNotClosed):
        queries.freeze_entries(conn, poll.id, poll.options[0], actor="test")
    with pytest.raises(queries.PollNotClosed):
        queries.draw_winner(conn, poll.id, poll.options[0], number=1, actor="test")
    assert sql("SELECT id FROM polls_entries") == sql("SELECT id FROM polls_draw") == []


def test_nobody_is_not_drawn(conn, closed_poll):
    poll, other = closed_poll(), closed_poll()
    for option in (poll.options[2], other.options[0], 2**62):
        with pytest.raises(queries.NobodyToDraw):
            queries.freeze_entries(conn, poll.id, option, actor="test")
        with pytest.raises(queries.EntriesNotFrozen):
            queries.draw_winner(conn, poll.id, option, number=1, actor="test")


@pytest.mark.parametrize("reason", ["", " \t"])
def test_second_draw_needs_a_reason(closed_poll, drawn, sql, reason):
    poll = closed_poll()
    first = drawn(poll)
    with pytest.raises(queries.NoReason):
        drawn(poll, 2, reason=reason)
    second = drawn(poll, 2, reason="The winner has moved away")
    assert [first.reason, second.reason] == ["", "The winner has moved away"]
    assert first.secret != second.secret
    assert sql("SELECT count(*) FROM polls_draw") == [(2,)]


@pytest.mark.parametrize("number", [0, 2, 99])
def test_draws_are_numbered_without_gaps(closed_poll, conn, number):
    poll = closed_poll()
    queries.freeze_entries(conn, poll.id, poll.options[0], actor="test")
    with pytest.raises(queries.DrawOvertaken):
        queries.draw_winner(conn, poll.id, poll.options[0], number=number, reason="why", actor="test")


def test_end_of_the_chain_of_secrets_is_never_revealed(closed_poll, drawn, sql):
    poll = closed_poll()
    drawn(poll)
    # 98 more, as if they had been made.
    sql("BEGIN")
    sql("SET LOCAL session_replication_role = replica")
    sql(
        "INSERT INTO polls_draw (poll_id, number, option_id, reason, secret, winner, alternates, drawn_at, drawn_by) "
        "SELECT poll_id, n, option_id, 'again', secret, winner, alternates, drawn_at, drawn_by "
        "FROM polls_draw, generate_series(2, 99) AS n"
    )
    sql("COMMIT")
    with pytest.raises(queries.TooManyDraws):
        drawn(poll, 100, reason="again")


@pytest.mark.parametrize(("number", "reason", "rule"), [(100, "again", "most"), (2, "  ", "again_with_reason")])
def test_constraints_hold_even_without_the_triggers(closed_poll, drawn, sql, refused, number, reason, rule):
    drawn(closed_poll())
    sql("SET session_replication_role = replica")
    with refused(f"polls_draw_{rule}"):
        sql(
            "INSERT INTO polls_draw "
            "(poll_id, number, option_id, reason, secret, winner, alternates, drawn_at, drawn_by) "
            "SELECT poll_id, %s, option_id, %s, secret, winner, alternates, drawn_at, drawn_by FROM polls_draw",
            *(number, reason),
        )
    sql("SET session_replication_role = DEFAULT")


@pytest.mark.parametrize(("source", "value"), [("The lottery", ""), ("The lottery", "  "), ("", "4 8 15")])
def test_public_value_is_there_exactly_where_one_was_announced(closed_poll, drawn, source, value):
    poll = closed_poll(draw_source=source)
    with pytest.raises(queries.WrongPublicValue):
        drawn(poll, public_value=value)


def test_entries_are_frozen_before_a_draw(conn, closed_poll):
    poll = closed_poll()
    with pytest.raises(queries.EntriesNotFrozen):
        queries.draw_winner(conn, poll.id, poll.options[0], number=1, actor="test")


def test_what_the_writer_says_of_the_outcome_is_not_believed(closed_poll, drawn, sql):
    poll = closed_poll()
    sql(
        "INSERT INTO polls_entries (poll_id, option_id, codes, hash, frozen_at, frozen_by) "
        "VALUES (%s, %s, 'x', 'x', '2020-01-01', 'nobody')",
        *(poll.id, poll.options[0]),
    )
    sql(
        "INSERT INTO polls_draw (poll_id, number, option_id, secret, winner, alternates, drawn_at, drawn_by) "
        "VALUES (%s, 1, %s, 'x', 'me', '{me}', '2020-01-01', 'nobody')",
        *(poll.id, poll.options[0]),
    )
    call_command("verify_poll", poll.slug)
    assert sql("SELECT drawn_by = 'database user ' || session_user, drawn_at > '2021-01-01' FROM polls_draw") == [
        (True, True)
    ]
    assert sql("SELECT frozen_by = 'database user ' || session_user, frozen_at > '2021-01-01' FROM polls_entries") == [
        (True, True)
    ]


@pytest.mark.parametrize("table", ["polls_draw", "polls_entries"])
def test_draw_stays_as_it_is(closed_poll, drawn, sql, refused, table):
    drawn(closed_poll())
    for change in (f"UPDATE {table} SET option_id = option_id", f"DELETE FROM {table}"):
        with refused(f"{table}_append_only"):
            sql(change)


@pytest.mark.parametrize("closes_at", ["now() + interval '1 hour'", "NULL"])
def test_poll_with_frozen_entries_stays_closed(conn, closed_poll, sql, closes_at):
    poll = closed_poll()
    queries.freeze_entries(conn, poll.id, poll.options[0], actor="test")
    with pytest.raises(queries.PollFrozen), queries.translated_errors():
        sql(f"UPDATE polls_poll SET closes_at = {closes_at}")


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_snapshot_that_cannot_see_the_last_votes_is_refused(closed_poll, sql, refused, level):
    poll = closed_poll()
    sql(f"BEGIN ISOLATION LEVEL {level}")
    with refused("polls_draw_read_committed"):
        sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[0])
    sql("ROLLBACK")


def test_of_two_draws_at_once_one_is_made(closed_poll, sql, connections_to_test_database):
    poll = closed_poll()
    first, second = connections_to_test_database(), connections_to_test_database()
    queries.freeze_entries(first, poll.id, poll.options[0], actor="test")
    first.autocommit = False
    queries.draw_winner(first, poll.id, poll.options[0], number=1, actor="first")
    thread, outcome = call_in_thread(
        lambda: queries.draw_winner(second, poll.id, poll.options[0], number=1, actor="second")
    )
    wait_until_somebody_waits(sql, thread)
    first.commit()
    thread.join()
    assert isinstance(outcome[0], queries.DrawOvertaken)
    assert sql("SELECT drawn_by FROM polls_draw") == [("first",)]


def test_of_two_freezings_at_once_one_is_made(closed_poll, sql, connections_to_test_database):
    poll = closed_poll()
    first, second = connections_to_test_database(), connections_to_test_database()
    first.autocommit = False
    queries.freeze_entries(first, poll.id, poll.options[0], actor="first")
    thread, outcome = call_in_thread(lambda: queries.freeze_entries(second, poll.id, poll.options[0], actor="second"))
    wait_until_somebody_waits(sql, thread)
    first.commit()
    thread.join()
    assert outcome == [None]
    assert sql("SELECT frozen_by FROM polls_entries") == [("first",)]
    assert sql("SELECT count(*) FROM polls_event WHERE action = 'entries added'") == [(1,)]


def test_vote_under_way_at_closing_is_in_the_draw(conn, make_poll, vote, sql, connections_to_test_database):
    poll = make_poll(closes_in="300 ms")
    vote(poll, "ann", poll.options[:1])
    late, freezer = connections_to_test_database(), connections_to_test_database()
    late.autocommit = False
    with late.cursor() as cursor:
        cursor.execute(
            "INSERT INTO polls_vote (poll_id, voter, choices) VALUES (%s, 'bob', %s)", [poll.id, poll.options[:1]]
        )
    sql("SELECT pg_sleep_until(closes_at) FROM polls_poll")
    thread, outcome = call_in_thread(lambda: queries.freeze_entries(freezer, poll.id, poll.options[0], actor="test"))
    wait_until_somebody_waits(sql, thread)
    late.commit()
    thread.join()
    assert outcome == [None]
    [frozen] = queries.list_entries(conn, poll.id)
    assert frozen.entries == 2


def test_draws_are_in_the_trail_with_who_drew(closed_poll, drawn, sql):
    drawn(closed_poll())
    assert sql(
        "SELECT action, actor FROM polls_event WHERE action LIKE 'draw%%' OR action LIKE 'entries%%' ORDER BY id"
    ) == [("entries added", "test"), ("draw added", "test")]


# The pages.


def test_owner_draws_with_the_form(as_olga, olga, closed_poll, conn, sql):
    poll = closed_poll(owner=olga)
    form = as_olga.get(f"/polls/{poll.slug}/draw/")
    assert 'name="number" value="1"' in text_of(form)
    assert "Why it is drawn again" not in text_of(form)
    response = as_olga.post(f"/polls/{poll.slug}/draw/", {"option": poll.options[0], "number": 1})
    assert (response.status_code, response["Location"]) == (303, f"/polls/{poll.slug}/draws/1/")
    page = text_of(as_olga.get(response["Location"]))
    [draw] = queries.list_draws(conn, poll.id)
    for shown in (draw.winner, *draw.alternates, draw.secret, draw.commitment, draw.entries_hash, "5 people"):
        assert shown in page
    assert sql("SELECT drawn_by FROM polls_draw") == [("olga",)]

    again = as_olga.get(f"/polls/{poll.slug}/draw/")
    assert "Why it is drawn again" in text_of(again)
    refused = as_olga.post(f"/polls/{poll.slug}/draw/", {"option": poll.options[0], "number": 2})
    assert refused.status_code == 422
    assert "A draw after the first needs a reason." in text_of(refused)
    as_olga.post(f"/polls/{poll.slug}/draw/", {"option": poll.options[0], "number": 2, "reason": "<i>Moved</i>"})
    for path in ("draws/", "draws/1/", "draws/2/"):
        page = text_of(as_olga.get(f"/polls/{poll.slug}/{path}"))
        assert "&lt;i&gt;Moved&lt;/i&gt;" in page
        assert "<i>" not in page


def test_draw_that_is_sent_twice_is_made_once(as_olga, olga, closed_poll, sql):
    poll = closed_poll(owner=olga)
    fields = {"option": poll.options[0], "number": 1}
    assert as_olga.post(f"/polls/{poll.slug}/draw/", fields).status_code == 303
    second = as_olga.post(f"/polls/{poll.slug}/draw/", fields)
    assert second.status_code == 409
    assert "Another draw was made meanwhile." in text_of(second)
    assert sql("SELECT count(*) FROM polls_draw") == [(1,)]


@pytest.mark.parametrize("method", ["get", "head"])
def test_nothing_is_drawn_by_get(as_olga, olga, closed_poll, sql, method):
    poll = closed_poll(owner=olga)
    fields = {"option": poll.options[0], "number": 1}
    assert getattr(as_olga, method)(f"/polls/{poll.slug}/draw/", fields).status_code == 200
    assert sql("SELECT id FROM polls_draw") == sql("SELECT id FROM polls_entries") == []


@pytest.mark.parametrize("who", ["anonymous", "stranger"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_draw_of_somebody_elses_poll_is_not_found(client, django_user_model, olga, closed_poll, sql, who, method):
    poll, unowned = closed_poll(owner=olga), closed_poll()
    if who == "stranger":
        client.force_login(django_user_model.objects.create_user("stranger"))
    for target in (poll, unowned):
        fields = {"option": target.options[0], "number": 1}
        assert getattr(client, method)(f"/polls/{target.slug}/draw/", fields).status_code == 404
        assert "Draw a winner" not in text_of(client.get(f"/polls/{target.slug}/draws/"))
    assert sql("SELECT id FROM polls_draw") == sql("SELECT id FROM polls_entries") == []


def test_staff_may_draw(client, django_user_model, olga, closed_poll, sql):
    poll = closed_poll(owner=olga, results="owner")
    client.force_login(django_user_model.objects.create_user("sam", is_staff=True))
    response = client.post(f"/polls/{poll.slug}/draw/", {"option": poll.options[0], "number": 1})
    assert "5 people" in text_of(client.get(response["Location"]))
    assert sql("SELECT drawn_by FROM polls_draw") == [("sam",)]


def test_draw_from_another_site_is_refused(olga, closed_poll, sql):
    poll = closed_poll(owner=olga)
    client = Client(enforce_csrf_checks=True)
    client.force_login(olga)
    assert client.post(f"/polls/{poll.slug}/draw/", {"option": poll.options[0], "number": 1}).status_code == 403
    assert sql("SELECT id FROM polls_draw") == []


def test_draw_before_closing_is_refused_by_the_page_too(as_olga, olga, make_poll, vote, sql):
    poll = make_poll(owner_id=olga.pk)
    vote(poll, "ann", poll.options[:1])
    assert "after the poll has closed" in text_of(as_olga.get(f"/polls/{poll.slug}/draw/"))
    response = as_olga.post(f"/polls/{poll.slug}/draw/", {"option": poll.options[0], "number": 1})
    assert response.status_code == 422
    assert "A winner is drawn after the poll has closed." in text_of(response)
    assert sql("SELECT id FROM polls_draw") == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"option": "x"},
        {"option": "-1"},
        {"option": str(2**63)},
        {"option": "\0"},
        {"number": ""},
        {"number": "100"},
        {"reason": "x" * 201},
        {"public_value": "x" * 501},
        {"public_value": "\0"},
        {"public_value": "sneaked in"},
    ],
)
def test_bad_form_draws_nothing(as_olga, olga, closed_poll, sql, fields):
    poll = closed_poll(owner=olga)
    good = {"option": poll.options[0], "number": 1} if fields else {}
    response = as_olga.post(f"/polls/{poll.slug}/draw/", {**good, **fields})
    assert response.status_code == 422
    assert "Nothing was drawn" in text_of(response)
    assert sql("SELECT id FROM polls_draw") == []


def test_option_of_another_poll_is_not_drawn_from(as_olga, olga, closed_poll, sql):
    poll, other = closed_poll(owner=olga), closed_poll(owner=olga)
    response = as_olga.post(f"/polls/{poll.slug}/draw/", {"option": other.options[0], "number": 1})
    assert response.status_code == 422
    assert "This is no option of the poll." in text_of(response)


def test_entries_are_published_before_the_public_value_enters(as_olga, client, olga, closed_poll, conn, sql):
    poll = closed_poll(owner=olga, draw_source="The lottery of 1 May")
    draw = {"option": poll.options[0], "number": 1, "public_value": "4 8 15 16 23 42"}
    early = as_olga.post(f"/polls/{poll.slug}/draw/", draw)
    assert "The entries of this option are not frozen yet." in text_of(early)
    frozen = as_olga.post(f"/polls/{poll.slug}/draw/", {**draw, "public_value": "", "freeze": "on"})
    assert (frozen.status_code, frozen["Location"]) == (303, f"/polls/{poll.slug}/draws/")
    [entries] = queries.list_entries(conn, poll.id)
    page = text_of(Client().get(f"/polls/{poll.slug}/draws/"))
    assert entries.hash in page
    assert "The lottery of 1 May" in page
    assert queries.list_draws(conn, poll.id) == []
    assert as_olga.post(f"/polls/{poll.slug}/draw/", draw).status_code == 303
    assert "4 8 15 16 23 42" in text_of(as_olga.get(f"/polls/{poll.slug}/draws/1/"))


def test_voter_sees_whether_it_is_them(make_poll, conn, sql, drawn):
    poll = make_poll()
    browsers = [Client() for _ in range(3)]
    for browser in browsers:
        browser.get(f"/polls/{poll.slug}/")
        browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    elsewhere = Client()
    elsewhere.get(f"/polls/{poll.slug}/")
    elsewhere.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
    draw = drawn(poll)
    keys = [voter for (voter,) in sql("SELECT voter FROM polls_vote ORDER BY id")]
    codes = [queries.get_entry_codes(conn, poll.id, [key]) for key in keys]
    assert sorted(code for [code] in codes[:3]) == sorted([draw.winner, *draw.alternates])
    for browser, [code] in zip([*browsers, elsewhere], codes, strict=True):
        assert code in text_of(browser.get(f"/polls/{poll.slug}/draws/"))
        page = text_of(browser.get(f"/polls/{poll.slug}/draws/1/"))
        assert ("This is you: your entry has won." in page) == (code == draw.winner)
        assert ("of the alternates." in page) == (code in draw.alternates)
    assert "you" not in re.findall(r'class="state".*', text_of(Client().get(f"/polls/{poll.slug}/draws/1/")))


def test_entry_codes_of_a_voter_come_in_the_order_of_the_choices(conn, make_poll, vote):
    poll = make_poll(max_choices=2)
    vote(poll, "ann", [poll.options[2], poll.options[0]])
    root = queries.get_secret(conn, poll.slug).root
    assert queries.get_entry_codes(conn, poll.id, ["nobody", "ann"]) == [
        draws.entry_code(root, poll.options[2], "ann"),
        draws.entry_code(root, poll.options[0], "ann"),
    ]
    assert queries.get_entry_codes(conn, poll.id, []) == []


@pytest.mark.parametrize("results", ["owner", "voted"])
def test_draw_leaks_no_count_to_who_may_not_see_the_results(client, closed_poll, drawn, results):
    poll = closed_poll(results=results)
    draw = drawn(poll)
    page = client.get(f"/polls/{poll.slug}/draws/1/").content.decode()
    assert draw.winner in re.sub("</?strong>", "", page)
    for hidden in (*draw.alternates, draw.entries_hash, draw.secret, "5 people", "entries.txt"):
        assert hidden not in page
    assert draw.entries_hash not in client.get(f"/polls/{poll.slug}/draws/").content.decode()
    response = client.get(f"/polls/{poll.slug}/draws/1/entries.txt")
    assert response.status_code == 403
    assert draw.winner not in response.content.decode()


def test_page_of_a_draw_is_as_long_for_two_entries_as_for_twelve_where_results_are_hidden(client, closed_poll, drawn):
    sizes = set()
    for voters in (2, 12):
        poll = closed_poll(voters, results="owner", title="Same", slug=f"same-{voters:02}")
        drawn(poll)
        page = client.get(f"/polls/{poll.slug}/draws/1/")
        sizes.add(len(page.content))
    assert len(sizes) == 1


def test_voter_who_may_not_see_the_results_still_learns_of_having_won(make_poll, sql, drawn):
    poll = make_poll(results="owner")
    browser = Client()
    browser.get(f"/polls/{poll.slug}/")
    browser.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
    drawn(poll)
    assert "This is you: your entry has won." in text_of(browser.get(f"/polls/{poll.slug}/draws/1/"))


@pytest.mark.parametrize("path", ["draws/1/", "draws/2/", "draws/1/entries.txt", "draws/99999999999999999999/"])
def test_draw_that_was_not_made_is_not_found(client, closed_poll, path):
    assert client.get(f"/polls/{closed_poll().slug}/{path}").status_code == 404


@pytest.mark.parametrize("path", ["draws/", "draws/1/", "draws/1/entries.txt", "draw/"])
def test_draws_of_a_draft_or_of_no_poll_are_not_found(client, conn, make_poll, path):
    draft = make_poll(opens_in=None)
    for slug in (draft.slug, "nowhere"):
        assert client.get(f"/polls/{slug}/{path}").status_code == 404


# What anybody can check.


def test_entries_are_the_file_of_the_published_hash(client, closed_poll, drawn, monkeypatch, pool):
    monkeypatch.setattr(views, "ENTRIES_A_READ", 2)
    poll = closed_poll()
    draw = drawn(poll)
    response = client.get(f"/polls/{poll.slug}/draws/1/entries.txt")
    parts = []
    for part in response.streaming_content:
        parts.append(part)
        stats = pool.get_stats()
        assert (
            stats["pool_available"] == stats["pool_size"]
        )  # nobody holds a connection while a reader takes their time
    assert [len(part) for part in parts] == [130, 130, 65]
    file = b"".join(parts)
    assert hashlib.sha256(file).hexdigest() == draw.entries_hash
    assert int(response["Content-Length"]) == len(file)
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    head = client.head(f"/polls/{poll.slug}/draws/1/entries.txt")
    assert int(head["Content-Length"]) == len(file)


HOSTILE = '"); import os; os.mkdir("owned") #\\\'</code></pre><script>alert(1)</script>\u202e{x}%s'


@pytest.mark.parametrize("public_value", ["", "4 8 15 16 23 42", HOSTILE])
def test_printed_program_finds_the_winner(client, closed_poll, drawn, tmp_path, public_value):
    poll = closed_poll(30, draw_source="Lottery" if public_value else "")
    drawn(poll, public_value=public_value)
    draw = drawn(poll, 2, public_value=public_value, reason="again")
    page = client.get(f"/polls/{poll.slug}/draws/2/")
    assert b"<script>" not in page.content
    entries = client.get(f"/polls/{poll.slug}/draws/2/entries.txt").getvalue()
    program = program_of(page)
    assert 20 <= len(program.splitlines()) <= 30
    checked = run_program(program, entries, tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.split() == [draw.winner, *draw.alternates]
    assert {path.name for path in tmp_path.iterdir()} == {"entries.txt", "check.py"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("entries", "not the file that was drawn from"),
        ("secret", "not the one that was committed to"),
        ("commitment", "not the one that was committed to"),
        ("number", "not the one that was committed to"),
        ("public_value", "the winner on the page is another"),
        ("winner", "the winner on the page is another"),
    ],
)
def test_printed_program_finds_every_lie(client, closed_poll, drawn, tmp_path, name, says):
    poll = closed_poll(30, draw_source="Lottery")
    draw = drawn(poll, public_value="4 8 15")
    entries = client.get(f"/polls/{poll.slug}/draws/1/entries.txt").getvalue()
    program = program_of(client.get(f"/polls/{poll.slug}/draws/1/"))
    if name == "entries":
        entries = entries[65:]
    else:
        # One public value in thirty draws the same winner.
        value = next(
            value
            for value in map(str, range(1000))
            if draws.draw(draw.secret, draw.entries_hash, value, 1, entries.decode().split()).winner != draw.winner
        )
        lie = {"number": "2", "public_value": repr(value)}.get(name, repr("ab" * 32))
        program = re.sub(rf"^{name} = .*$", f"{name} = {lie}", program, flags=re.MULTILINE)
    checked = run_program(program, entries, tmp_path)
    assert checked.returncode == 1
    assert says in checked.stderr


def test_printed_program_finds_somebody_who_is_in_it_twice(tmp_path):
    entries = draws.entries_file(["ab" * 32, "ab" * 32])
    program = draws.program(
        number=1,
        commitment="",
        secret="",
        entries_hash=hashlib.sha256(entries).hexdigest(),
        public_value="",
        winner="",
    )
    assert "somebody is in it twice" in run_program(program, entries, tmp_path).stderr


# The command.


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


def test_secret_of_another_length_is_refused(make_poll, sql):
    make_poll()
    sql("SET session_replication_role = replica")
    with pytest.raises(psycopg2.errors.CheckViolation):
        sql("UPDATE polls_secret SET secret = 'x', commitment = encode(polls_hash_again('x', 100), 'hex')")
    sql("SET session_replication_role = DEFAULT")
