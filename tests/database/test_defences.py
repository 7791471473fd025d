"""What the database refuses to the site's own role, to the owner of its tables, and what it lets each of them do.

Each row is a statement and its answer to each of the two: the rule that refuses it, DENIED for a privilege that is
missing, or ACCEPTED. The owner of the embedded server is a superuser.
"""

import io

import psycopg2
import pytest
from django.apps import apps
from django.db import connection
from psycopg2.errors import InsufficientPrivilege

from polls import privileges, queries

DENIED = "a privilege is missing"
ACCEPTED = "accepted"


@pytest.fixture
def stage(make_poll, vote, sql, conn):
    """A poll with a final vote, one whose votes can be changed, and a closed one with a draw and a checkpoint."""
    final, changeable, closed = make_poll(), make_poll(changeable=True), make_poll()
    for poll in (final, changeable, closed):
        vote(poll, "ann", poll.options[:1])
    sql(
        "INSERT INTO polls_correction (poll_id, field, after, reason) VALUES (%s, 'title', 'Better', 'typo')", closed.id
    )
    sql("UPDATE polls_poll SET closes_at = clock_timestamp() WHERE id = %s", closed.id)
    queries.freeze_entries(conn, closed.id, None, actor="test")
    queries.draw_winner(conn, closed.id, None, number=1, actor="test")
    sql("INSERT INTO polls_checkpoint (poll_id) VALUES (%s)", closed.id)
    names = {"final": final.id, "changeable": changeable.id, "closed": closed.id}
    return names | {
        "option": final.options[0],
        "other": final.options[1],
        "changed": changeable.options[1],
        "site": connection.site_settings["USER"],
        "owner": connection.owner_settings()["USER"],
    }


def answer(conn, statements, stage):
    """What the database answers to statements, of which nothing remains."""
    conn.autocommit = False
    try:
        with conn.cursor() as cursor:
            for statement in statements.format(**stage).split(";;"):
                if "FROM STDIN" in statement:
                    cursor.copy_expert(statement, io.StringIO(""))
                else:
                    cursor.execute(statement)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except psycopg2.IntegrityError as error:
        return error.diag.constraint_name
    except InsufficientPrivilege:
        return DENIED
    finally:
        conn.rollback()
    return ACCEPTED


@pytest.fixture
def answers(stage, conn, owner_conn):
    """Return what the database answers to the site's role, and to the owner."""
    if not connection.has_owner():
        pytest.skip("the site is the owner: DATABASE_OWNER_URL is empty")
    return lambda statements: (answer(conn, statements, stage), answer(owner_conn, statements, stage))


def rows(*, site, owner, statements):
    return [pytest.param(statement, (site, owner), id=statement[:60]) for statement in statements]


COUNTS = [
    *rows(
        site=DENIED,
        owner="polls_tally_by_triggers",
        statements=[
            "UPDATE polls_tally SET votes = 99",
            "UPDATE polls_tally SET votes = 99 WHERE false",
            "DELETE FROM polls_tally",
            "INSERT INTO polls_tally VALUES ({final}, {other}, 1, 99)",
            "INSERT INTO polls_tally VALUES ({final}, {option}, pg_backend_pid() % 16, 99)"
            " ON CONFLICT (poll_id, option_id, slot) DO UPDATE SET votes = 99",
            "WITH sly AS (UPDATE polls_tally SET votes = 99 RETURNING 1) SELECT count(*) FROM sly",
            "COPY polls_tally FROM STDIN",
            "PREPARE sly AS UPDATE polls_tally SET votes = 99;; EXECUTE sly",
            "DO $$ BEGIN UPDATE polls_tally SET votes = 99; END $$",
            "GRANT ALL ON polls_tally TO {site};; UPDATE polls_tally SET votes = 99",
        ],
    ),
    *rows(
        site=DENIED,
        owner="polls_turnout_by_triggers",
        statements=[
            "UPDATE polls_turnout SET voters = 99",
            "DELETE FROM polls_turnout",
            "INSERT INTO polls_turnout VALUES ({final}, 1, 99) ON CONFLICT DO NOTHING",
            "COPY polls_turnout FROM STDIN",
        ],
    ),
]
VOTES = [
    *rows(
        site=DENIED,
        owner="polls_vote_pinned",
        statements=[
            "UPDATE polls_vote SET voter = 'bob' WHERE poll_id = {changeable}",
            "UPDATE polls_vote SET poll_id = {changeable} WHERE poll_id = {final}",
            "UPDATE polls_vote SET id = -id WHERE poll_id = {changeable}",
        ],
    ),
    *rows(
        site="polls_vote_while_open",
        owner="polls_vote_while_open",
        statements=[
            "DELETE FROM polls_vote WHERE poll_id = {closed}",
            "UPDATE polls_vote SET choices = choices WHERE poll_id = {closed}",
            "INSERT INTO polls_vote (poll_id, voter, choices) VALUES ({closed}, 'bob', '{{}}')",
        ],
    ),
    *rows(
        site="polls_option_frozen",
        owner="polls_option_frozen",
        statements=["DELETE FROM polls_option WHERE id = {other}", "DELETE FROM polls_option WHERE poll_id = {final}"],
    ),
    *rows(site="polls_poll_kept", owner="polls_poll_kept", statements=["DELETE FROM polls_poll WHERE id = {final}"]),
]
RECORDS = [
    *rows(
        site=DENIED,
        owner="polls_event_by_triggers",
        statements=[
            "INSERT INTO polls_event (poll_id, actor, action) VALUES ({final}, 'user anna', 'poll changed')",
            "COPY polls_event FROM STDIN",
        ],
    ),
    *rows(
        site=DENIED,
        owner="polls_secret_by_triggers",
        statements=["INSERT INTO polls_secret (poll_id, secret, commitment) VALUES (1, 'x', 'x')"],
    ),
    *[
        row
        for table in (
            *("polls_event", "polls_draw", "polls_entries", "polls_correction", "polls_secret"),
            *("polls_journal", "polls_checkpoint"),
        )
        for row in rows(
            site=DENIED,
            owner=f"{table}_append_only",
            statements=[f"UPDATE {table} SET poll_id = poll_id", f"DELETE FROM {table}"],
        )
    ],
    *rows(
        site=DENIED,
        owner="polls_journal_by_triggers",
        statements=[
            "INSERT INTO polls_journal (poll_id, added) VALUES ({final}, sha256('forged'))",
            "COPY polls_journal (poll_id, added) FROM STDIN",
        ],
    ),
    # The owner may name an outcome, and is not believed: the triggers compute it.
    *rows(
        site=DENIED,
        owner=ACCEPTED,
        statements=[
            "INSERT INTO polls_draw (poll_id, number, reason, winner) VALUES ({closed}, 2, 'again', 'me')",
            "INSERT INTO polls_entries (poll_id, option_id, hash) SELECT {closed}, min(option_id), 'x'"
            " FROM polls_tally WHERE poll_id = {closed}",
            "INSERT INTO polls_checkpoint (poll_id, hash) VALUES ({changeable}, 'forged')",
            "INSERT INTO polls_step (poll_id, voters, votes) VALUES ({changeable}, 99, '{{}}')",
        ],
    ),
]
TABLES = sorted(privileges.TABLES)
TRUNCATIONS = [
    *[
        row
        for table in TABLES
        for row in rows(site=DENIED, owner=f"{table}_not_truncated", statements=[f"TRUNCATE {table} CASCADE"])
    ],
    # Cascades fire the triggers of the tables that they reach.
    *rows(site=DENIED, owner="polls_poll_not_truncated", statements=["TRUNCATE auth_user CASCADE"]),
    *rows(
        site=DENIED,
        owner="polls_tally_not_truncated",
        statements=["TRUNCATE ONLY polls_tally RESTART IDENTITY", "TRUNCATE polls_tally, polls_turnout"],
    ),
]
# With these an owner gets around every rule. The site's role gets through with none of them.
LEVERS = rows(
    site=DENIED,
    owner=ACCEPTED,
    statements=[
        "ALTER TABLE polls_vote DISABLE TRIGGER USER;; DELETE FROM polls_vote",
        "DROP TRIGGER polls_tally_by_triggers ON polls_tally;; UPDATE polls_tally SET votes = 99",
        "CREATE OR REPLACE FUNCTION polls_check_votes() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN NULL; END $$",
        "ALTER FUNCTION polls_append_only() RENAME TO gone",
        "DROP TABLE polls_tally",
        "ALTER TABLE polls_vote ALTER cast_at SET DEFAULT '2020-01-01'",
        "ALTER TABLE polls_vote DROP CONSTRAINT polls_vote_one_per_voter",
        "CREATE RULE sly AS ON INSERT TO polls_vote DO ALSO NOTHING",
        "CREATE INDEX ON polls_vote (voter)",
        "SELECT setval('polls_event_id_seq', 1000)",
        # The depth of triggers, faked by a trigger of one's own.
        "CREATE TEMP TABLE lever ();;"
        "CREATE FUNCTION pg_temp.pull() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE polls_tally SET votes = 99; RETURN NULL; END $$;;"
        "CREATE TRIGGER pull AFTER INSERT ON lever FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.pull();;"
        "INSERT INTO lever DEFAULT VALUES",
        # An event, forged by one of our functions on a table of one's own.
        "CREATE TEMP TABLE forged (id bigint);;"
        "CREATE TRIGGER forge AFTER INSERT ON forged FOR EACH ROW EXECUTE FUNCTION polls_log_change('poll', 'id');;"
        "INSERT INTO forged VALUES ({final})",
        "CREATE FUNCTION pg_temp.polls_refuse(text, text) RETURNS void LANGUAGE sql AS $$ SELECT $$",
        "CREATE TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS void LANGUAGE sql AS $$ SELECT $$",
        "CREATE TRIGGER mine BEFORE DELETE ON polls_vote"
        " FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "ALTER DATABASE {database} SET search_path = mine",
    ],
)
# Of the owner, these need a superuser, as that of the embedded server is.
SUPERUSER = rows(
    site=DENIED,
    owner=ACCEPTED,
    statements=[
        "SET session_replication_role = replica;; DELETE FROM polls_vote",
        "SET SESSION AUTHORIZATION {owner}",
        "SET ROLE {owner}",
        "ALTER ROLE {site} SUPERUSER",
        "CREATE ROLE mine LOGIN SUPERUSER",
        "GRANT {owner} TO {site}",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')",
        "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'",
        "COPY polls_option (text) TO '/dev/null'",
        "SELECT lo_import('/etc/hostname')",
        "SELECT pg_reload_conf()",
        "LOAD 'plpgsql'",
    ],
)
# What is left to somebody who runs SQL as the site: what its pages do, under any name, and to hinder it.
LEFT = rows(
    site=ACCEPTED,
    owner=ACCEPTED,
    statements=[
        "INSERT INTO polls_vote (poll_id, voter, choices) VALUES ({final}, 'invented', ARRAY[{option}])",
        "UPDATE polls_vote SET choices = ARRAY[{changed}] WHERE poll_id = {changeable}",
        "DELETE FROM polls_vote WHERE poll_id = {changeable}",
        "SELECT set_config('polls.actor', 'user anna', true);; UPDATE polls_poll SET listed = NOT listed",
        "UPDATE polls_poll SET closes_at = clock_timestamp() WHERE id = {final}",
        "DELETE FROM polls_invite",
        "UPDATE auth_user SET is_superuser = true",
        "SELECT voter, choices, secret FROM polls_vote JOIN polls_secret USING (poll_id)",
        "SELECT pg_advisory_xact_lock(polls_lock_key({final}))",
        "LOCK TABLE polls_poll IN ACCESS EXCLUSIVE MODE",
        "SELECT lo_from_bytea(0, 'x')",
        "ALTER ROLE CURRENT_USER SET default_transaction_isolation = 'serializable'",
    ],
)


@pytest.mark.parametrize(
    ("statements", "expected"), [*COUNTS, *VOTES, *RECORDS, *TRUNCATIONS, *LEVERS, *SUPERUSER, *LEFT]
)
def test_statement_is_answered_as_promised(answers, stage, statements, expected):
    stage["database"] = connection.settings_dict["NAME"]
    assert answers(statements) == expected


@pytest.mark.parametrize(
    ("statements", "rule"),
    [
        ("UPDATE polls_vote SET choices = ARRAY[{other}] WHERE poll_id = {final}", "polls_vote_final"),
        ("DELETE FROM polls_vote WHERE poll_id = {final}", "polls_vote_final"),
        (
            "INSERT INTO polls_vote (poll_id, voter, choices) VALUES ({final}, 'ann', ARRAY[{other}])"
            " ON CONFLICT (poll_id, voter) DO UPDATE SET choices = excluded.choices",
            "polls_vote_final",
        ),
        (
            "INSERT INTO polls_vote (poll_id, voter, choices, cast_at)"
            " VALUES ({final}, 'bob', ARRAY[{option}], now() - interval '1 minute')",
            "polls_vote_cast_at",
        ),
    ],
)
def test_final_vote_stays_and_its_time_is_the_databases(answers, statements, rule):
    assert answers(statements) == (rule, rule)


@pytest.mark.parametrize("rule", ["polls_tally_by_triggers", "polls_turnout_by_triggers"])
def test_merge_is_refused_as_well(stage, owner_conn, rule):
    if owner_conn.server_version < 150000:
        pytest.skip("MERGE begins with PostgreSQL 15")
    table = rule.removesuffix("_by_triggers")
    merge = f"MERGE INTO {table} AS t USING {table} AS s ON t.slot = s.slot WHEN MATCHED THEN DELETE"
    assert answer(owner_conn, merge, stage) == rule


def test_site_owns_nothing_and_may_create_nothing(conn, sql):
    if not connection.has_owner():
        pytest.skip("the site is the owner: DATABASE_OWNER_URL is empty")
    owned = "SELECT count(*) FROM pg_shdepend WHERE refobjid = session_user::regrole AND deptype = 'o'"
    assert sql(owned) == [(0,)]
    assert queries.list_powers(conn) == []


def test_powers_of_an_owner_are_named(owner_conn):
    powers = queries.list_powers(owner_conn)
    assert "is the owner of tables, or may become it" in powers
    assert "may write counts and events" in powers


def test_site_has_the_privileges_of_the_list_and_no_other(sql):
    if not connection.has_owner():
        pytest.skip("the site is the owner: DATABASE_OWNER_URL is empty")
    granted = dict(
        sql(
            "SELECT table_name::text, string_agg(privilege_type, ', ' ORDER BY privilege_type) "
            "FROM information_schema.role_table_grants WHERE grantee = session_user GROUP BY table_name"
        )
    )
    listed = {
        table: sorted(
            word for word in text.replace(",", "").split() if word in ("SELECT", "INSERT", "UPDATE", "DELETE")
        )
        for table, text in privileges.TABLES.items()
    }
    # INSERT and UPDATE of some columns are no privileges on the table.
    narrow = {"polls_vote": ["DELETE", "SELECT"]}
    narrow |= {f"polls_{name}": ["SELECT"] for name in ("entries", "draw", "checkpoint", "step")}
    assert {table: granted[table].split(", ") for table in listed} == listed | narrow
    assert granted["django_migrations"] == "SELECT"
    assert granted["auth_user"] == "DELETE, INSERT, SELECT, UPDATE"


def test_every_table_of_the_app_is_in_the_list():
    """A table that is missing there would be one that the site cannot read."""
    models = apps.get_app_config("polls").get_models()
    assert {model._meta.db_table for model in models if model._meta.managed} == set(privileges.TABLES)


def test_functions_that_run_as_the_owner_are_nobody_elses_and_look_in_fixed_schemas(owner_sql):
    functions = owner_sql(
        "SELECT proname::text, proconfig, prorettype = 'trigger'::regtype, EXISTS ("
        "SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee <> proowner) "
        "FROM pg_proc WHERE prosecdef AND starts_with(proname, 'polls_')"
    )
    assert {name for name, *_ in functions} >= {"polls_count_votes", "polls_recount_votes", "polls_log_change"}
    for name, config, is_trigger, others in functions:
        assert config == ["search_path=pg_catalog, public, pg_temp"], name
        assert (is_trigger, others) == (True, False), name


def test_events_name_the_role_that_wrote_and_not_the_owner(stage, sql):
    sql("UPDATE polls_poll SET listed = NOT listed WHERE id = %s", stage["final"])
    assert sql("SELECT actor FROM polls_event ORDER BY id DESC LIMIT 1") == [(f"database user {stage['site']}",)]


def test_flush_says_why_not():
    from django.core.management.base import CommandError

    from pollsite.postgres.management.commands.flush import Command

    with pytest.raises(CommandError, match="the database refuses that"):
        Command().handle()
