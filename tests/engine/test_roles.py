"""The site's role and the owner of the tables: on the embedded server, on an operator's, and in the settings."""

import re
from contextlib import closing

import psycopg2
import pytest
from django.core.exceptions import ImproperlyConfigured
from psycopg2.errors import InsufficientPrivilege

from pollsite.embedded import server as embedded
from pollsite.embedded.server import EmbeddedServer
from pollsite.postgres.url import database_settings
from tests.support.embedded import query
from tests.support.engine import SECRET, manage, wrapper
from tests.support.paths import BASE_DIR

MAKE_POLL = """
WITH poll AS (
    INSERT INTO polls_poll (slug, title, opens_at) VALUES ('tea', 'Tea?', now() - interval '1 hour') RETURNING id
)
INSERT INTO polls_option (poll_id, text) SELECT id, 'Yes' FROM poll
"""
VOTE = "INSERT INTO polls_vote (poll_id, voter, choices) SELECT poll_id, %s, ARRAY[id] FROM polls_option"


def run(connection, statement, *parameters):
    """Run a statement, and return its rows."""
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def assert_votes_and_does_not_count(site):
    """The site's role casts a vote, which is counted, and may not write the counts or start over."""
    [(before,)] = run(site, "SELECT coalesce(sum(votes), 0)::int FROM polls_tally")
    run(site, VOTE, f"voter {before}")
    assert run(site, "SELECT sum(votes)::int FROM polls_tally") == [(before + 1,)]
    for statement in ("UPDATE polls_tally SET votes = 9", "TRUNCATE polls_vote", "CREATE TEMP TABLE lever ()"):
        with pytest.raises(InsufficientPrivilege):
            run(site, statement)


def test_folder_from_before_the_site_had_a_role_loses_nothing(server_folder):
    server = EmbeddedServer(server_folder)
    server.start()
    assert manage("migrate", "polls", "0008", "--verbosity=0", "--skip-checks", folder=server_folder).returncode == 0
    query(server, MAKE_POLL)
    query(server, VOTE.replace("%s", "'earlier'"))
    query(server, f"DROP OWNED BY {embedded.ROLE}")
    query(server, f"DROP ROLE {embedded.ROLE}")
    # The server still runs: another process takes it, and makes the role.
    assert manage("migrate", "--verbosity=0", "--skip-checks", folder=server_folder).stderr == ""
    with closing(wrapper(database_settings("", embedded_folder=server_folder)).connect_psycopg2()) as site:
        assert run(site, "SELECT session_user::text") == [(embedded.ROLE,)]
        assert run(site, "SELECT sum(votes)::int FROM polls_tally") == [(1,)]
        assert_votes_and_does_not_count(site)
    server.release()


def test_role_is_made_as_the_server_starts(embedded_server):
    embedded_server.start()
    query(embedded_server, f"DROP ROLE IF EXISTS {embedded.ROLE}")
    embedded_server.release()
    embedded_server.start()
    assert query(embedded_server, f"SELECT rolsuper, rolcanlogin FROM pg_roles WHERE rolname = '{embedded.ROLE}'") == (
        False,
        True,
    )


@pytest.fixture
def two_urls(external):
    """The URLs of the site and of the owner, for roles and a database made as README says."""
    [statements] = re.findall(r"```sql\n(.*?)```", (BASE_DIR / "README.md").read_text(), re.DOTALL)
    with closing(psycopg2.connect(external.url())) as superuser:
        superuser.autocommit = True
        with superuser.cursor() as cursor:
            for statement in statements.replace("...", SECRET).split(";")[:-1]:
                cursor.execute(statement)
            superuser_of_new = external.url("polls")
        if superuser.server_version < 150000:
            with closing(psycopg2.connect(superuser_of_new)) as inside:
                run(inside, "ALTER SCHEMA public OWNER TO polls_owner")
        site, owner = (external.url("polls").replace("//owner:", f"//{role}:") for role in ("polls", "polls_owner"))
        yield site, owner
        with superuser.cursor() as cursor:
            cursor.execute("DROP DATABASE polls")
            cursor.execute("DROP ROLE polls")
            cursor.execute("DROP ROLE polls_owner")


def warnings(folder, url, **environment):
    """The ids of our warnings about roles in a check for deployment."""
    result = manage("check", "--deploy", "--database", "default", folder=folder, url=url, **environment)
    return sorted(set(re.findall(r"polls\.W01[01]", result.stderr)))


def test_two_roles_of_an_operator(two_urls, tmp_path):
    site_url, owner_url = two_urls
    assert manage("migrate", "--verbosity=0", folder=tmp_path, url=site_url, DATABASE_OWNER_URL=owner_url).stderr == ""
    with closing(psycopg2.connect(owner_url)) as owner, closing(psycopg2.connect(site_url)) as site:
        run(owner, MAKE_POLL)
        assert_votes_and_does_not_count(site)
        with pytest.raises(psycopg2.Error):
            run(site, "CREATE EXTENSION dblink")
        # This owner is no superuser.
        with pytest.raises(InsufficientPrivilege):
            run(owner, "SET session_replication_role = replica")
        with pytest.raises(psycopg2.IntegrityError):
            run(owner, "UPDATE polls_tally SET votes = 9")
        # Privileges that somebody gave are taken back by the next migrate, and commands of the site need no owner.
        run(owner, "GRANT ALL ON polls_tally TO polls")
        assert warnings(tmp_path, site_url, DATABASE_OWNER_URL=owner_url) == ["polls.W011"]
        manage("migrate", "--verbosity=0", folder=tmp_path, url=site_url, DATABASE_OWNER_URL=owner_url)
        assert_votes_and_does_not_count(site)
    assert warnings(tmp_path, site_url, DATABASE_OWNER_URL=owner_url) == []
    assert warnings(tmp_path, site_url) == ["polls.W010"]
    for command in (["migrate", "--check"], ["showmigrations"], ["seed_polls", "--polls=1"], ["verify_poll", "tea"]):
        assert manage(*command, folder=tmp_path, url=site_url).returncode == 0, command


def test_one_role_works_as_before_and_is_warned_of(two_urls, tmp_path):
    _, url = two_urls
    assert manage("migrate", "--verbosity=0", folder=tmp_path, url=url).stderr == ""
    assert manage("seed_polls", "--polls=1", folder=tmp_path, url=url).returncode == 0
    assert warnings(tmp_path, url) == ["polls.W010", "polls.W011"]
    with closing(psycopg2.connect(url)) as owner:
        for statement in ("UPDATE polls_tally SET votes = 9", "TRUNCATE polls_vote"):
            with pytest.raises(psycopg2.IntegrityError):
                run(owner, statement)


def test_role_that_is_missing_is_one_line_and_nothing_is_migrated(external, tmp_path):
    site = external.url().replace("//owner:", "//nobody:")
    result = manage("migrate", "--skip-checks", folder=tmp_path, url=site, DATABASE_OWNER_URL=external.url())
    assert (result.returncode, result.stdout) == (1, "")
    assert 'authentication failed for user "nobody"' in result.stderr


@pytest.mark.parametrize(
    ("url", "owner_url", "reason"),
    [
        ("", "postgres://o@h/d", "DATABASE_OWNER_URL is set, and DATABASE_URL is not"),
        ("postgres://u@h/d", "postgres://o:s3cr3t@h/other", "names the database 'other', and DATABASE_URL 'd'"),
        ("postgres://u@h/d", "mysql://o:s3cr3t@h/d", "DATABASE_OWNER_URL is wrong: it does not begin with"),
    ],
)
def test_wrong_url_of_the_owner_is_one_line_without_the_password(url, owner_url, reason, tmp_path):
    with pytest.raises(ImproperlyConfigured) as caught:
        database_settings(url, embedded_folder=tmp_path, owner_url=owner_url)
    message = str(caught.value)
    assert reason in message
    assert SECRET not in message
    assert "\n" not in message


def test_owner_follows_the_site_to_another_database(here):
    here.settings_dict["NAME"] = "postgres"  # as the test runner does
    with closing(here.connect_psycopg2(owner=True)) as owner:
        assert (owner.info.user, owner.info.dbname) == (embedded.OWNER, "postgres")


def test_block_of_the_owner_ends_with_the_site(here, django_db_blocker):
    def user():
        with django_db_blocker.unblock(), here.cursor() as cursor:
            cursor.execute("SELECT session_user::text")
            return cursor.fetchone()[0]

    def interrupted():
        with here.as_owner(), here.as_owner():
            assert user() == embedded.OWNER
            assert here.site_settings["USER"] == embedded.ROLE
            raise KeyboardInterrupt

    with django_db_blocker.unblock(), pytest.raises(KeyboardInterrupt):
        interrupted()
    assert user() == embedded.ROLE
    here.close()
