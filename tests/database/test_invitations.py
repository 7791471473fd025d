"""Votes by invitation in the database: the voter they name, what is refused, and races with the end of a link."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from polls import invite_tokens, queries
from tests.support.invitations import MANAGER, cast, invite
from tests.support.rows import votes
from tests.support.voters import keys_of


def test_vote_of_a_named_poll_names_the_invitation(conn, make_invited_poll, sql):
    poll = make_invited_poll(named=True)
    [token] = invite(conn, poll, "Ann")
    cast(conn, poll, token)
    assert sql("SELECT voter FROM polls_vote") == sql("SELECT 'invite:' || id FROM polls_invite")


def test_vote_of_an_anonymous_poll_names_nobody(conn, poll, sql):
    [token] = invite(conn, poll, "Ann")
    cast(conn, poll, token)
    [(voter,)] = sql("SELECT voter FROM polls_vote")
    assert re.fullmatch("[0-9a-f]{64}", voter)
    assert sql("SELECT count(*) FROM polls_invite WHERE token_hash = %s", voter) == [(0,)]


@pytest.mark.parametrize("slug", [{}, {"opens_in": None}], ids=["another audience", "draft"])
def test_statement_casts_votes_in_invited_polls_only(conn, make_poll, sql, slug):
    poll = make_poll(**slug, audience="link" if not slug else "invite")
    with pytest.raises(queries.PollNotFound):
        queries.cast_invited_vote(conn, poll.slug, 1, "", keys_of("h"), poll.options[:1])
    assert votes(sql) == 0


def test_withdrawal_says_why_not(conn, poll, make_invited_poll):
    changeable = make_invited_poll(changeable=True)
    for slug, error in (
        ("nowhere", queries.PollNotFound),
        (poll.slug, queries.NotChangeable),
        (changeable.slug, queries.NotEntitled),
    ):
        with pytest.raises(error):
            queries.withdraw_invited_vote(conn, slug, 1, "", keys_of("h"))


def test_invitation_is_worth_nothing_in_another_poll(conn, poll, make_invited_poll, sql):
    other = make_invited_poll()
    [token] = invite(conn, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    with pytest.raises(queries.NotEntitled):
        queries.cast_invited_vote(
            conn, other.slug, invite_id, invite_tokens.hash_of(token), keys_of("h"), other.options[:1]
        )
    assert votes(sql) == 0


@pytest.mark.parametrize("end", ["revoke", "reissue"])
def test_vote_races_the_end_of_its_link(connections_to_test_database, conn, make_invited_poll, sql, end):
    """The first of the two wins: a vote that was accepted counts, and none is accepted after the link has ended."""
    poll = make_invited_poll(results="closed")
    one, two = connections_to_test_database(), connections_to_test_database()
    rounds = 60
    tokens = invite(conn, poll, *(f"Person {number}" for number in range(rounds)))
    ids = [row[0] for row in sql("SELECT id FROM polls_invite ORDER BY id")]
    taken = refused = 0
    with ThreadPoolExecutor(2) as threads:
        for token, invite_id in zip(tokens, ids, strict=True):
            start = threading.Barrier(2)
            token_hash = invite_tokens.hash_of(token)

            def vote(invite_id=invite_id, token_hash=token_hash, start=start):
                start.wait()
                queries.cast_invited_vote(
                    one, poll.slug, invite_id, token_hash, keys_of(f"invite:{invite_id}"), poll.options[:1]
                )

            def stop(invite_id=invite_id, start=start):
                start.wait()
                if end == "revoke":
                    queries.revoke_invite(two, poll.slug, MANAGER, invite_id)
                else:
                    queries.reissue_invite(two, poll.slug, MANAGER, invite_id, f"new {invite_id}", "no vote")

            voting, stopping = threads.submit(vote), threads.submit(stop)
            stopping.result()
            try:
                voting.result()
                taken += 1
                expected = 1
            except queries.NotEntitled:
                refused += 1
                expected = 0
            assert sql("SELECT count(*) FROM polls_vote WHERE voter = %s", f"invite:{invite_id}") == [(expected,)]
    assert taken + refused == rounds


@pytest.mark.parametrize("end", ["revoke", "reissue"])
def test_vote_waits_for_the_end_of_its_link_under_way_and_is_refused(
    connections_to_test_database, conn, poll, sql, end
):
    revoker, voter = connections_to_test_database(), connections_to_test_database()
    [token] = invite(conn, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    revoker.autocommit = False
    if end == "revoke":
        queries.revoke_invite(revoker, poll.slug, MANAGER, invite_id)
    else:
        queries.reissue_invite(revoker, poll.slug, MANAGER, invite_id, "new", "no vote")
    with ThreadPoolExecutor(1) as thread:
        voting = thread.submit(cast, voter, poll, token)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        while sql(waits, voter.info.backend_pid) == [(0,)]:
            assert not voting.done(), voting.result()
        revoker.commit()
        with pytest.raises(queries.NotEntitled):
            voting.result()
    assert votes(sql) == 0


def test_revocation_waits_for_the_vote_under_way(connections_to_test_database, conn, poll, sql):
    revoker, voter = connections_to_test_database(), connections_to_test_database()
    [token] = invite(conn, poll, "Ann")
    [(invite_id,)] = sql("SELECT id FROM polls_invite")
    voter.autocommit = False
    cast(voter, poll, token)
    with ThreadPoolExecutor(1) as thread:
        revoking = thread.submit(queries.revoke_invite, revoker, poll.slug, MANAGER, invite_id)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        while sql(waits, revoker.info.backend_pid) == [(0,)]:
            assert not revoking.done()
        voter.commit()
        assert revoking.result() == "Ann"
    assert votes(sql) == 1


def test_database_refuses_a_second_invitation_of_one_person(conn, poll, refused, sql):
    invite(conn, poll, "Ann")
    with pytest.raises(queries.InviteExists):
        invite(conn, poll, "Bob", "Ann")
    with refused("polls_invite_label"):
        sql("INSERT INTO polls_invite (poll_id, label, token_hash) VALUES (%s, 'Ann', 'x')", poll.id)
    assert sql("SELECT label FROM polls_invite") == [("Ann",)]


def test_nobody_is_invited_to_a_poll_that_is_not_there(conn):
    with pytest.raises(queries.PollNotFound):
        queries.make_invites(conn, "nowhere", MANAGER, [("ann", "0" * 64)])
