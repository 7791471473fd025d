"""Results: in words, tables, charts and CSV, who may see them, and the weight of their pages."""

import re

import pytest

from tests.support.paths import BASE_DIR
from tests.support.responses import ask, text_of
from tests.support.rows import cast_over_time

STATIC = BASE_DIR / "polls" / "static" / "polls"


def test_results_page_shows_the_pace_and_counts_it_once_a_minute(client, make_poll, sql, vote):
    poll = make_poll()
    cast_over_time(sql, poll, 30, 90)
    page = text_of(ask(client, poll, "results"))
    assert "When the votes were cast" in page
    assert re.search(r"Busiest: \d+ votes, from <time", page)
    vote(poll, "late", poll.options[:1])
    assert "31 people have voted." in text_of(ask(client, poll, "results"))


@pytest.mark.parametrize(("options", "max_choices", "shown"), [(6, 1, 1), (7, 1, 0), (1, 1, 0), (6, 2, 0)])
def test_pie_is_drawn_for_one_choice_among_up_to_six(client, make_poll, vote, options, max_choices, shown):
    poll = make_poll(options=options, max_choices=max_choices)
    assert text_of(ask(client, poll, "results")).count('class="pie"') == 0
    vote(poll, "ann", poll.options[:1])
    page = text_of(ask(client, poll, "results"))
    assert page.count('class="pie"') == shown
    if shown:
        assert 'aria-label="The shares as a pie, lettered as in the table: A 100.0 %"' in page


def test_tie_of_many_is_counted_and_not_listed(client, make_poll, sql, vote):
    poll = make_poll(options=30)
    for number, option in enumerate(poll.options):
        vote(poll, f"voter-{number}", [option])
    assert "A tie: 30 options have 1 vote each." in text_of(ask(client, poll, "results"))


def test_thousands_are_grouped_as_the_language_does(client, make_poll, sql):
    poll = make_poll()
    sql(
        "INSERT INTO polls_vote (poll_id, voter, choices) "
        "SELECT %s, n, ARRAY[%s]::bigint[] FROM generate_series(1, 1234) AS n",
        *(poll.id, poll.options[0]),
    )
    assert '<td class="number">1,234</td>' in text_of(ask(client, poll, "results"))
    german = text_of(client.get(f"/polls/{poll.slug}/results/", headers={"Accept-Language": "de"}))
    assert '<td class="number">1.234</td> <td class="number">100,0&nbsp;%</td>' in german
    assert '<rect width="100.00%"' in german


def test_every_page_is_lighter_than_fifty_kilobytes_with_all_it_loads(client, make_poll, sql):
    poll = make_poll(options=20, description="word " * 900)
    cast_over_time(sql, poll, 100, 60 * 24 * 30)
    for path in ("", "results/", "wall/", "embed/", "qr.svg"):
        body = client.get(f"/polls/{poll.slug}/{path}").content
        loaded = sum((STATIC / name).stat().st_size for name in ("site.css", "live.js", "icon.svg"))
        assert len(body) + loaded < 50_000, path


def test_results_of_nobody_and_of_a_tie_are_said_in_words(voter, vote):
    client, poll = voter
    assert "Nobody has voted yet." in text_of(client.get(f"/polls/{poll.slug}/results/"))
    vote(poll, "ann", poll.options[:1])
    assert "is ahead, chosen by 1 of 1 voter." in text_of(client.get(f"/polls/{poll.slug}/results/"))
    vote(poll, "bob", poll.options[1:2])
    assert (
        "A tie: <strong><bdi>Option 1</bdi></strong> and <strong><bdi>Option 2</bdi></strong> have 1 vote each."
        in text_of(client.get(f"/polls/{poll.slug}/results/"))
    )


def test_results_are_a_table_with_bars(voter, vote):
    client, poll = voter
    for number in range(3):
        vote(poll, f"voter-{number}", [poll.options[number // 2]])
    page = text_of(client.get(f"/polls/{poll.slug}/results/"))
    assert '<td class="number">2</td> <td class="number">66.7&nbsp;%</td>' in page
    assert '<rect width="66.67%"' in page


@pytest.mark.parametrize("path", ["results/", "results.json", "results.csv"])
@pytest.mark.parametrize("results", ["voted", "closed", "owner"])
def test_hidden_results_are_hidden_on_every_path(voter, make_poll, vote, path, results):
    client, _ = voter
    poll = make_poll(results=results)
    before = client.get(f"/polls/{poll.slug}/{path}")
    vote(poll, "ann", poll.options[:1])
    after = client.get(f"/polls/{poll.slug}/{path}")
    assert after.status_code == (200 if path == "results/" else 403)
    assert "The results are shown" in text_of(after)
    # Nothing tells that a vote was cast, not even the size.
    assert (after.content, dict(after.headers)) == (before.content, dict(before.headers))


def test_voter_sees_the_own_choice_where_results_are_hidden(voter, make_poll):
    client, _ = voter
    poll = make_poll(results="closed")
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[1]})
    page = text_of(client.get(f"/polls/{poll.slug}/results/"))
    assert "You voted for <strong><bdi>Option 2</bdi></strong>." in page
    assert "The results are shown after the poll has closed." in page
    assert "<table" not in page


def test_owner_sees_results_that_are_for_the_owner(client, make_poll, vote, django_user_model):
    owner = django_user_model.objects.create_user("owner")
    poll = make_poll(results="owner", owner_id=owner.pk)
    vote(poll, "ann", poll.options[:1])
    client.force_login(owner)
    assert client.get(f"/polls/{poll.slug}/results.json").json()["voters"] == 1


def test_csv_runs_no_formula(voter, sql):
    client, poll = voter
    sql("UPDATE polls_option SET text = %s WHERE id = %s", "=1+1", poll.options[0])
    sql("UPDATE polls_option SET text = %s WHERE id = %s", 'A, "quoted"', poll.options[1])
    body = client.get(f"/polls/{poll.slug}/results.csv").content.decode()
    assert body.splitlines() == [
        "option,votes,percent of voters",
        "'=1+1,0,0.00",
        '"A, ""quoted""",0,0.00',
        "Option 3,0,0.00",
    ]
