"""The migration to a key of voters: polls that have votes go on, under the key of before and no other."""

import pytest
from django.core.management import call_command

from polls import voters

BEFORE = "0012"


@pytest.fixture
def conn(owner_conn):
    """The owner's: before the last migration, a role that owns nothing can write no votes and no events."""
    return owner_conn


@pytest.fixture
def migrate(sql):
    """Migrate the app to before the migration, and back; at the end, to the latest state."""
    yield lambda name: call_command("migrate", "polls", name, verbosity=0)
    call_command("migrate", "polls", verbosity=0)


@pytest.mark.parametrize("fallbacks", [[], ["newer", "oldest"]])
def test_polls_with_votes_go_on_under_the_oldest_secret_key(make_poll, vote, sql, migrate, settings, fallbacks):
    settings.SECRET_KEY_FALLBACKS = fallbacks
    settings.VOTER_KEY = "a new one, which the operator made because .env.example names it"
    polls = [make_poll(), make_poll(), make_poll(opens_in=None)]
    migrate(BEFORE)
    vote(polls[0], "a-voter", polls[0].options[:1])
    migrate("0013")
    former = "oldest" if fallbacks else settings.SECRET_KEY
    assert sql("SELECT poll_id, key_id FROM polls_pollkey") == [(polls[0].id, voters.key_id(former))]


def test_checks_say_nothing_before_the_migration(make_poll, migrate, capsys):
    migrate(BEFORE)
    call_command("check", databases=["default"])
    assert "polls.W009" not in capsys.readouterr().err
