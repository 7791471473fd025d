"""seed_polls: the same seed gives the same data, a second run adds nothing, and a poll is written whole or not."""

import json

import pytest
from django.core.management import CommandError, call_command

from polls import sample_data


@pytest.fixture
def seed(conn, capsys):
    def run(**options):
        call_command("seed_polls", json=True, **options)
        return json.loads(capsys.readouterr().out)

    return run


def content(sql):
    return sql(
        "SELECT slug, title, voter, (SELECT array_agg(text ORDER BY n) "
        "FROM unnest(choices) WITH ORDINALITY AS choice (id, n) JOIN polls_option USING (id)) "
        "FROM polls_vote JOIN polls_poll AS poll ON poll.id = poll_id ORDER BY slug, voter"
    )


def test_polls_have_as_many_options_and_votes_as_asked_for(seed, sql):
    polls = seed(polls=2, options=7, votes=30)
    assert [(len(poll["options"]), poll["votes"]) for poll in polls] == [(7, 30), (7, 30)]
    assert sql("SELECT count(*) FROM polls_vote") == [(60,)]
    assert sql("SELECT sum(voters)::int FROM polls_turnout") == [(60,)]


def test_same_seed_gives_the_same_data(seed, sql):
    seed(polls=3, votes=20, seed=7)
    first = content(sql)
    call_command("flush", interactive=False, verbosity=0)
    seed(polls=3, votes=20, seed=7)
    assert content(sql) == first
    assert len(first) == 60


def test_another_seed_gives_other_data(seed, sql):
    assert {poll["slug"] for poll in seed(seed=1)}.isdisjoint(poll["slug"] for poll in seed(seed=2))


def test_second_run_adds_nothing(seed, sql):
    assert seed() == seed()
    assert sql("SELECT count(*) FROM polls_poll") == [(3,)]


def test_votes_since_the_first_run_stay_and_are_counted(seed, sql, vote):
    [poll] = seed(polls=1, votes=5)
    sql("INSERT INTO polls_vote (poll_id, voter, choices) SELECT id, 'ann', %s FROM polls_poll", poll["options"][:1])
    assert seed(polls=1, votes=5)[0]["votes"] == 6


def test_interrupted_poll_leaves_nothing_behind(conn, sql):
    def interrupt(votes):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample_data.create_sample(conn, sample_data.make_sample(0, None, 5000, 1), interrupt)
    conn.rollback()
    assert sql("SELECT id FROM polls_poll") == sql("SELECT id FROM polls_vote") == []


@pytest.mark.parametrize("options", [{"polls": 0}, {"options": 1}, {"votes": -1}, {"votes": 10**9}])
def test_impossible_number_is_one_line(conn, options):
    [name] = options
    with pytest.raises(CommandError, match=f"--{name} is .*: give a number from"):
        call_command("seed_polls", **options)


def test_report_is_for_people(conn, capsys):
    call_command("seed_polls", polls=1, votes=2)
    call_command("seed_polls", polls=1, votes=2)
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("/polls/where-shall-the-club-go-for-its-summer-trip-")
    assert out[0].endswith("  Where shall the club go for its summer trip? 2 votes")
    assert out[1].endswith("2 votes, was there already")


@pytest.mark.slow
def test_hundred_thousand_votes_are_counted_right(seed, sql):
    seed(polls=1, votes=100_000, options=5)
    counted = sql("SELECT option_id, sum(votes)::int FROM polls_tally GROUP BY 1 ORDER BY 1")
    assert counted == sql("SELECT choices[1], count(*)::int FROM polls_vote GROUP BY 1 ORDER BY 1")
    assert sum(votes for _, votes in counted) == 100_000
