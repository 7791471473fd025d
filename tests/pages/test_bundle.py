"""What anyone can check a poll by: checkpoints, the list of receipts, and the bundle; and what they do not tell."""

import hashlib
import json
import re
import tracemalloc

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from polls import queries
from polls.receipts import public_hash
from polls.views import bundle, receipt_list
from tests.support.checkpoints import bundle_of, leaf_of, sha256


@pytest.fixture
def voted(make_poll, vote, close):
    """Make closed polls in which five people have voted."""

    def make(voters=5, **columns):
        poll = make_poll(max_choices=2, **columns)
        for number in range(voters):
            vote(poll, f"voter-{number}", poll.options[: 1 + number % 2])
        close(poll)
        return poll

    return make


def rows(sql):
    return sql("SELECT count(*), bool_or(closing) FROM polls_checkpoint")


@pytest.mark.parametrize("page", ["results/", "results.json", "receipts/", "bundle.json", "checkpoints.json", "wall/"])
def test_first_page_of_a_closed_poll_takes_its_last_checkpoint(client, voted, sql, page):
    poll = voted()
    for _ in range(2):
        assert client.get(f"/polls/{poll.slug}/{page}").status_code == 200
        assert rows(sql) == [(1, True)]


def test_page_of_a_poll_that_closes_by_the_clock_takes_it_too(client, make_poll, vote, sql):
    poll = make_poll(closes_in="1 second")
    vote(poll, "ann", poll.options[:1])
    client.get(f"/polls/{poll.slug}/results/")
    assert rows(sql) == [(0, None)]
    sql("SELECT pg_sleep_until((SELECT closes_at FROM polls_poll))")
    client.get(f"/polls/{poll.slug}/results/")
    assert rows(sql) == [(1, True)]


def test_read_only_database_shows_results_without_a_checkpoint(client, voted, sql, owner_sql, pool, caplog):
    poll = voted()
    [(database,)] = sql("SELECT current_database()")
    owner_sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    pool.drain()
    try:
        assert client.get(f"/polls/{poll.slug}/results/").status_code == 200
        assert client.get(f"/polls/{poll.slug}/bundle.json").status_code == 503
    finally:
        owner_sql("SET default_transaction_read_only = off")
        owner_sql(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        pool.drain()
    assert {record.getMessage() for record in caplog.records if record.name == "polls.checkpoints"} == {
        f"no checkpoint can be taken of {poll.slug}: cannot execute INSERT in a read-only transaction"
    }
    assert client.get(f"/polls/{poll.slug}/bundle.json").status_code == 200


def test_results_show_the_latest_checkpoint(client, make_poll, vote, take, sql):
    poll = make_poll()
    address = f"/polls/{poll.slug}/results/"
    assert client.get(f"/polls/{poll.slug}/results.json").json()["checkpoint"] is None
    assert "Checkpoint" not in client.get(address).content.decode()
    vote(poll, "ann", poll.options[:1])
    digest = take(poll)
    page = client.get(address).content.decode()
    assert page.count(digest) == 2  # on the screen, and on the printed sheet
    assert digest in page[page.index('class="sheet"') :]
    assert client.get(f"/polls/{poll.slug}/results.json").json()["checkpoint"] == digest


def test_checkpoints_tell_no_number_of_votes(client, make_poll, vote, take):
    poll = make_poll(results="owner")
    for voter in "abc":
        vote(poll, voter, poll.options[:1])
    digest = take(poll)
    sent = client.get(f"/polls/{poll.slug}/checkpoints.json").json()
    [checkpoint] = sent["checkpoints"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", checkpoint.pop("taken_at"))
    assert (sent["slug"], checkpoint) == (poll.slug, {"number": 1, "hash": digest, "closing": False})


@pytest.mark.parametrize("page", ["bundle.json", "receipts/"])
def test_before_closing_nothing_is_published(client, make_poll, vote, take, page):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    take(poll)
    response = client.get(f"/polls/{poll.slug}/{page}")
    assert response.status_code == 409
    assert "when the poll has closed" in response.content.decode()
    assert client.get(f"/polls/nowhere/{page}").status_code == 404
    draft = make_poll(opens_in=None)
    assert client.get(f"/polls/{draft.slug}/{page}").status_code == 404


def test_reopened_poll_publishes_nothing(client, voted, sql):
    poll = voted()
    assert client.get(f"/polls/{poll.slug}/bundle.json").status_code == 200
    sql("UPDATE polls_poll SET closes_at = NULL")
    assert client.get(f"/polls/{poll.slug}/bundle.json").status_code == 409
    assert client.get(f"/polls/{poll.slug}/receipts/").status_code == 409


def test_bundle_lists_votes_by_their_receipts_and_shows_no_choice(client, voted, sql):
    poll = voted()
    sent = bundle_of(client, poll)
    seals = sql("SELECT seal, choices FROM polls_vote")
    expected = [{"receipt": public_hash(bytes(s)), "leaf": leaf_of(bytes(s), c).hex()} for s, c in seals]
    assert sent["votes"] == sorted(expected, key=lambda vote: vote["receipt"])
    assert (sent["voters"], sent["counts"]) == (5, [5, 2, 0])
    assert [option["id"] for option in sent["options"]] == poll.options
    [checkpoint] = sent["checkpoints"]
    assert checkpoint["lines"] == sorted(f"+{vote['leaf']}" for vote in sent["votes"])
    for seal, _ in seals:
        assert bytes(seal).hex() not in json.dumps(sent)


def test_recountable_poll_shows_choices_with_what_opens_their_leaves(client, voted, sql):
    poll = voted(recountable=True)
    sent = bundle_of(client, poll)
    for vote in sent["votes"]:
        choices = ",".join(map(str, vote["choices"])).encode()
        assert sha256(bytes.fromhex(vote["receipt"]) + bytes.fromhex(vote["key"]) + choices).hex() == vote["leaf"]
    assert sorted(len(vote["choices"]) for vote in sent["votes"]) == [1, 1, 1, 2, 2]
    for (seal,) in sql("SELECT seal FROM polls_vote"):  # with it, earlier choices of the vote could be tried out
        assert bytes(seal).hex() not in json.dumps(sent)


@pytest.mark.parametrize(("results", "shown"), [("always", True), ("closed", True), ("voted", False), ("owner", False)])
def test_hidden_results_stay_hidden(client, voted, results, shown, conn):
    poll = voted(results=results, recountable=results != "owner")
    queries.freeze_entries(conn, poll.id, None, actor="test")
    queries.draw_winner(conn, poll.id, None, number=1, actor="test")
    sent = bundle_of(client, poll)
    assert (sent["voters"] is not None) == (sent["counts"] is not None) == (sent["draws"] is not None) == shown
    assert bool(sent["entries"]) == shown
    assert ("choices" in sent["votes"][0]) == shown
    page = client.get(f"/polls/{poll.slug}/receipts/").content.decode()
    assert ("Option 1" in page) == shown


def test_owner_gets_results_that_only_the_owner_may_see(voted, django_user_model):
    owner = django_user_model.objects.create_user("olga")
    poll = voted(results="owner", owner_id=owner.pk)
    client = Client()
    client.force_login(owner)
    assert bundle_of(client, poll)["counts"] == [5, 2, 0]


def test_bundle_has_what_it_takes_to_draw_again(client, voted, conn):
    poll = voted(draw_source="Lottery")
    queries.freeze_entries(conn, poll.id, poll.options[1], actor="test")
    queries.draw_winner(conn, poll.id, poll.options[1], number=1, public_value="4 8", actor="test")
    sent = bundle_of(client, poll)
    [entries], [draw] = sent["entries"], sent["draws"]
    assert entries["option"] == draw["option"] == poll.options[1]
    file = "".join(f"{code}\n" for code in entries["codes"]).encode()
    assert hashlib.sha256(file).hexdigest() == draw["entries_hash"] == entries["hash"]
    assert draw["winner"] in entries["codes"]


def test_order_of_voting_shows_nowhere(client, make_poll, vote, close, sql):
    """Neither in the votes nor in the lines of a checkpoint, nor does a change show which vote it was of."""
    poll = make_poll(changeable=True)
    for number in range(40):
        vote(poll, f"voter-{number}", poll.options[:1])
    sql("UPDATE polls_vote SET choices = %s WHERE voter LIKE 'voter-1%%'", poll.options[1:2])
    close(poll)
    sent = bundle_of(client, poll)
    receipts = [vote["receipt"] for vote in sent["votes"]]
    [checkpoint] = sent["checkpoints"]
    assert receipts == sorted(receipts)
    assert checkpoint["lines"] == sorted(checkpoint["lines"])
    assert "cast_at" not in json.dumps(sent)


def test_bundle_is_the_same_in_parts(client, make_poll, vote, close, often, take, monkeypatch, pool, conn):
    poll = make_poll(recountable=True)
    for number in range(50):
        vote(poll, f"voter-{number}", poll.options[:1])
        if number % 7 == 0:
            take(poll)
    close(poll)
    queries.freeze_entries(conn, poll.id, None, actor="test")
    queries.draw_winner(conn, poll.id, None, number=1, actor="test")
    whole = bundle_of(client, poll)
    for name, value in {"BATCHES_A_READ": 1, "LINES_A_READ": 3, "VOTES_A_READ": 4, "CODES_A_READ": 7}.items():
        monkeypatch.setattr(bundle, name, value)
    response = client.get(f"/polls/{poll.slug}/bundle.json")
    parts = []
    for part in response.streaming_content:
        parts.append(part)
        stats = pool.get_stats()
        assert stats["pool_available"] == stats["pool_size"]  # no connection is held while a slow client reads
    assert len(parts) > 30
    assert json.loads(b"".join(parts)) == whole


def test_large_bundle_needs_little_memory(client, make_poll, sql, close):
    poll = make_poll()
    sql(
        "INSERT INTO polls_vote (poll_id, voter, choices) "
        "SELECT %s, n, ARRAY[%s]::bigint[] FROM generate_series(1, 100000) AS n",
        *(poll.id, poll.options[0]),
    )
    close(poll)
    response = client.get(f"/polls/{poll.slug}/bundle.json")
    tracemalloc.start()
    size = sum(len(part) for part in response.streaming_content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 20_000_000
    assert most < 60_000_000


def test_voter_finds_the_own_receipt(client, make_poll, close, sql):
    poll = make_poll()
    client.get(f"/polls/{poll.slug}/")
    assert client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]}).status_code == 303
    assert Client().get(f"/polls/{poll.slug}/receipts/").status_code == 409
    close(poll)
    [(seal,)] = sql("SELECT seal FROM polls_vote")
    receipt = public_hash(bytes(seal))
    page = client.get(f"/polls/{poll.slug}/receipts/").content.decode()
    assert page.count(receipt) == 3
    assert "This is yours." in page
    other = Client().get(f"/polls/{poll.slug}/receipts/").content.decode()
    assert receipt in other
    assert "This is yours." not in other


def test_receipts_are_searched_for_by_their_first_digits(client, voted, sql, monkeypatch):
    poll = voted(300)
    receipts = sorted(public_hash(bytes(seal)) for (seal,) in sql("SELECT seal FROM polls_vote"))

    def listed(query=""):
        page = client.get(f"/polls/{poll.slug}/receipts/{query}").content.decode()
        return re.findall(r"<li><code[^>]*>(\w{64})", page), page

    assert listed()[0] == receipts[:100]
    assert listed("?page=3")[0] == receipts[200:]
    wanted = receipts[123]
    assert listed(f"?q={wanted[:8].upper()}")[0] == [wanted]
    assert listed(f"?q={wanted}")[0] == [wanted]
    assert listed(f"?q={wanted[:63]}")[0] == [wanted]
    assert "No receipt hash begins with these digits." in listed(f"?q={'0' * 64}")[1]
    for odd in ("?q=zz", "?q=%00", "?page=x", "?page=9999", "?q=" + "a" * 99):
        assert client.get(f"/polls/{poll.slug}/receipts/{odd}").status_code == 200
    monkeypatch.setattr(receipt_list, "MOST_LISTED", 299)
    assert listed()[0] == []
    assert listed(f"?q={wanted[:4]}")[0] == [wanted]


def test_last_page_of_a_prefix_that_ends_the_list(client, voted, sql):
    poll = voted(60)
    receipts = [public_hash(bytes(seal)) for (seal,) in sql("SELECT seal FROM polls_vote")]
    page = client.get(f"/polls/{poll.slug}/receipts/?q=f").content.decode()
    assert page.count("<li><code") == sum(receipt.startswith("f") for receipt in receipts)


def test_results_cost_one_statement_once_the_last_checkpoint_is_there(client, voted, pool):
    poll = voted()
    client.get(f"/polls/{poll.slug}/results/")
    before = pool.get_stats()["requests_num"]
    with CaptureQueriesContext(connection) as asked:
        client.get(f"/polls/{poll.slug}/results.json")
    assert pool.get_stats()["requests_num"] == before + 1
    assert list(asked) == []
