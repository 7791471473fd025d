"""Prepared statements: once for each connection, in one round trip, and whatever becomes of them on the server."""

import psycopg2
import pytest
from django.apps import apps
from django.db import connection
from psycopg2.extensions import connection as PlainConnection

from polls import queries
from polls.pool import ConnectionPool
from polls.queries import prepared
from polls.queries.fetch import fetch_all
from polls.queries.prepared import Prepared, PreparingConnection
from tests.support.proxy import Proxy
from tests.support.voters import claims_of

THINGS = Prepared("SELECT * FROM things WHERE id > %(least)s ORDER BY id")


def prepared_on(conn):
    """How often each statement that the server has prepared was executed, and how often it was planned for that."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name LIKE 'pollsite_%'")
        return cursor.fetchall()


def run(conn, statement):
    with conn.cursor() as cursor:
        cursor.execute(statement)


def test_hot_statement_is_prepared_once_and_never_planned_again(conn, make_poll):
    poll = make_poll()
    for _ in range(7):
        queries.get_poll(conn, poll.slug)
    assert prepared_on(conn) == [(7, 0)]


def test_rows_are_those_of_the_statement_itself(conn, connections_to_test_database, make_poll):
    poll = make_poll(title="Where's 100 % of \\it?", results="voted")
    queries.cast_vote(conn, poll.slug, poll.options[:1], browser=queries.VoterKeys("ann", "ann", b"a" * 32))
    plain = connections_to_test_database(connection_factory=PlainConnection)
    ann = claims_of("ann")
    for ask in (
        lambda conn: queries.get_poll(conn, poll.slug, **ann),
        lambda conn: queries.get_results(conn, poll.slug, **ann),
        lambda conn: queries.get_results(conn, poll.slug, invitation=(1, "a'b"), viewer_id=3, sees_all=True),
        lambda conn: queries.list_polls(conn, search="100 %"),
        lambda conn: queries.get_record(conn, poll.id),
        lambda conn: queries.find_slug(conn, poll.slug[-queries.CODE_LENGTH :]),
    ):
        assert ask(conn) == ask(conn) == ask(plain)
    assert len(prepared_on(conn)) == 5
    assert prepared_on(plain) == []


def test_each_statement_is_one_round_trip_from_the_first_on(connections_to_test_database, make_poll):
    poll = make_poll()
    folder, port = connection.settings_dict["HOST"], connection.settings_dict["PORT"]
    with Proxy(f"{folder}/.s.PGSQL.{port}") as relay:
        conn = connections_to_test_database(host="127.0.0.1", port=relay.port)
        connected = relay.round_trips
        for _ in range(3):
            queries.get_results(conn, poll.slug)
        assert relay.round_trips - connected == 3
        with pytest.raises(queries.PollNotFound):
            queries.get_poll(conn, "nowhere")
        assert relay.round_trips - connected == 4


@pytest.mark.parametrize("forget", ["DISCARD ALL", "DEALLOCATE ALL"])
def test_statement_that_the_server_forgot_is_prepared_again(conn, make_poll, forget):
    poll = make_poll()
    queries.get_poll(conn, poll.slug)
    queries.get_results(conn, poll.slug)
    run(conn, forget)
    for _ in range(3):
        assert queries.get_poll(conn, poll.slug).poll.slug == poll.slug
    assert prepared_on(conn) == [(2, 0)]
    assert queries.get_results(conn, poll.slug).poll.slug == poll.slug


def test_statement_whose_first_execution_fails_is_prepared_even_so(conn, make_poll):
    poll = make_poll()
    for _ in range(2):
        with pytest.raises(psycopg2.errors.InvalidRowCountInLimitClause):
            queries.list_polls(conn, limit=-1)
    assert [row.slug for row in queries.list_polls(conn)] == [poll.slug]
    assert len(prepared_on(conn)) == 1


def test_statement_whose_table_has_changed_is_prepared_again(owner_conn):
    run(owner_conn, "CREATE TEMPORARY TABLE things AS SELECT 1 AS id")
    assert fetch_all(owner_conn, THINGS, least=0) == [(1,)]
    run(owner_conn, "ALTER TABLE things ADD name text DEFAULT 'one'")
    for _ in range(3):
        assert fetch_all(owner_conn, THINGS, least=0) == [(1, "one")]
    assert prepared_on(owner_conn) == [(2, 0)]


def test_plan_is_made_anew_now_and_then(conn, make_poll, monkeypatch):
    """One that was made for an empty table would not be good for a full one."""
    poll = make_poll()
    queries.get_poll(conn, poll.slug)
    monkeypatch.setattr(prepared, "PLAN_SECONDS", 0)
    for _ in range(3):
        queries.get_poll(conn, poll.slug)
        assert prepared_on(conn) == [(1, 0)]
    run(conn, "DEALLOCATE ALL")
    assert queries.get_poll(conn, poll.slug).poll.slug == poll.slug


def test_statement_that_is_prepared_already_is_no_error(conn, make_poll):
    poll = make_poll()
    queries.get_poll(conn, poll.slug)
    conn.prepared.clear()
    for _ in range(3):
        assert queries.get_poll(conn, poll.slug).poll.slug == poll.slug
    assert prepared_on(conn) == [(2, 0)]


def test_feature_that_is_missing_is_still_an_error(conn):
    with pytest.raises(psycopg2.errors.FeatureNotSupported):
        fetch_all(conn, Prepared("SELECT count(*) FROM polls_poll WHERE slug = %(slug)s FOR UPDATE"), slug="")
    with pytest.raises(psycopg2.errors.UndefinedTable):
        fetch_all(conn, THINGS, least=0)


def test_transaction_prepares_nothing_and_goes_on_after_the_server_forgot(conn, make_poll):
    poll = make_poll()
    queries.get_poll(conn, poll.slug)
    run(conn, "DISCARD ALL")
    for begin in (lambda: run(conn, "BEGIN"), lambda: setattr(conn, "autocommit", False)):
        begin()
        assert queries.get_poll(conn, poll.slug).poll.slug == poll.slug
        conn.rollback() if not conn.autocommit else run(conn, "ROLLBACK")
    assert prepared_on(conn) == []


def test_session_plans_everything_else_as_before(conn, make_poll):
    queries.get_poll(conn, make_poll().slug)
    with conn.cursor() as cursor:
        cursor.execute("SHOW plan_cache_mode")
        assert cursor.fetchone() == ("auto",)


def test_pool_that_discards_sessions_lends_connections_that_prepare_again(make_poll):
    poll = make_poll()

    def connect():
        return connection.connect_psycopg2(connection_factory=PreparingConnection)

    with ConnectionPool(1, 1, connect=connect, reset="discard") as pool:
        for _ in range(3):
            with pool.connection(autocommit=True) as conn:
                assert queries.get_poll(conn, poll.slug).poll.slug == poll.slug


def test_pool_of_the_site_prepares_unless_a_pooler_stands_between(transactional_db, monkeypatch):
    config = apps.get_app_config("polls")
    for pooler, kind in ((False, PreparingConnection), (True, PlainConnection)):
        monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", pooler)
        conn = config._connect()
        assert type(conn) is kind
        conn.close()
