"""The site and the pool behind PgBouncer in transaction mode."""

import contextlib
import shutil
import subprocess
import threading

import psycopg2
import pytest
from django.db import connection

from polls.pool import ConnectionPool
from pollsite.embedded.programs import unprivileged
from tests.support.ports import free_port
from tests.support.servers import wait_until
from tests.support.site import Browser, serve

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PGBOUNCER, reason="no pgbouncer here: apt-get install pgbouncer"),
]

SIZE = 2  # server connections, shared by all clients


class Bouncer:
    """A private PgBouncer in front of the test database."""

    def __init__(self, folder):
        self.port = free_port()
        database = connection.settings_dict
        self.user = database["USER"]
        password = f" password='{database['PASSWORD']}'" if database["PASSWORD"] else ""
        self.config = folder / "pgbouncer.ini"
        self.config.write_text(
            f"[databases]\nbehind = host='{database['HOST']}' port={database['PORT']} dbname={database['NAME']} "
            f"user={self.user}{password}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {SIZE}\nserver_reset_query =\n"
        )

    def start(self):
        self.process = subprocess.Popen(unprivileged([PGBOUNCER, "-q", str(self.config)]))
        wait_until(self.accepts)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)

    def accepts(self):
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(self.dsn()).close()
            return True
        return False

    def dsn(self):
        return f"host=127.0.0.1 port={self.port} dbname=behind user={self.user}"


@pytest.fixture
def bouncer(transactional_db, tmp_path_factory):
    bouncer = Bouncer(tmp_path_factory.mktemp("bouncer"))
    try:
        bouncer.start()
        yield bouncer
    finally:
        bouncer.stop()


@pytest.mark.parametrize("query", ["?disable_server_side_cursors=true", ""], ids=["told", "not told"])
def test_forty_people_vote_through_two_connections(bouncer, make_poll, sql, query):
    """Where the site is not told of PgBouncer, it prepares statements in vain, and nothing fails."""
    poll = make_poll()
    url = f"postgres://{bouncer.user}@127.0.0.1:{bouncer.port}/behind{query}"
    answers = []

    def vote(address):
        browser = Browser(address)
        browser.get(f"/polls/{poll.slug}/")
        answers.append(browser.post(f"/polls/{poll.slug}/", poll.options[:1])[0])

    with serve(DATABASE_URL=url, WEB_CONCURRENCY="2") as address:
        voters = [threading.Thread(target=vote, args=(address,)) for _ in range(40)]
        for voter in voters:
            voter.start()
        for voter in voters:
            voter.join()
        status, _, page = Browser(address).get(f"/polls/{poll.slug}/results/")
    assert answers == [303] * 40
    assert (status, "40 people have voted." in page) == (200, True)
    assert sql("SELECT count(*) FROM polls_vote") == [(40,)]


def test_pool_with_more_connections_than_the_server_gives(bouncer):
    with ConnectionPool(1, 8, bouncer.dsn(), timeout=10) as pool:

        def ask():
            for number in range(20):
                with pool.connection() as conn, conn.cursor() as cursor:
                    cursor.execute("SELECT %s, pg_sleep(0.001)", (number,))
                    answers.append(cursor.fetchone()[0])

        answers = []
        askers = [threading.Thread(target=ask) for _ in range(8)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert sorted(answers) == sorted([*range(20)] * 8)
        assert pool.get_stats()["returns_bad"] == 0


def test_bouncer_that_is_restarted_costs_no_caller_an_error(bouncer):
    with ConnectionPool(2, 2, bouncer.dsn(), timeout=10) as pool:
        pool.wait()
        bouncer.stop()
        bouncer.start()
        for _ in range(4):
            with pool.connection() as conn, conn.cursor() as cursor:
                cursor.execute("SELECT 1")
        assert pool.get_stats()["requests_errors"] == 0
