"""The code blocks of the pool's README run as they are, but for the address of the database."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

import polls.pool
from tests.support.paths import BASE_DIR
from tests.support.pool import select
from tests.support.servers import wait_until

README = (BASE_DIR / "polls" / "pool" / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
ADDRESS = '"dbname=shop"'

SETTINGS = """
SECRET_KEY = "shop"
INSTALLED_APPS = ["shop"]
TEST_RUNNER = "shop.testing.Runner"
DATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", **{address!r}}}}}
"""
MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel("Item", [("id", models.BigAutoField(primary_key=True))])]
"""
# Each class of tests is for one worker of --parallel. The query at import comes before there is a test database.
TESTS = """
from django.db import connection
from django.test import TransactionTestCase

from shop.apps import ShopConfig


def database():
    with ShopConfig.pool.connection() as conn, conn.cursor() as cursor:
        cursor.execute("INSERT INTO shop_item DEFAULT VALUES RETURNING current_database()")
        return cursor.fetchone()[0]


with ShopConfig.pool.connection() as conn:
    conn.cursor().execute("SELECT 1")


class First(TransactionTestCase):
    available_apps = ["shop"]

    def test_pool_is_on_the_test_database(self):
        for _ in range(3):
            assert database() == connection.settings_dict["NAME"]
            assert database().startswith("test_")


class Second(First):
    pass
"""


def block(name):
    """The one code block of the README that has this text."""
    [found] = [text for text in BLOCKS if name in text]
    return found


def run_block(name, server, monkeypatch):
    """Run a code block on the server, and return its variables."""
    monkeypatch.setitem(sys.modules, "psycopg2_bounded_pool", polls.pool)
    text = block(name)
    assert text.count(ADDRESS) == 1
    variables = {}
    exec(compile(text.replace(ADDRESS, repr(server.dsn(application_name="recipe"))), name, "exec"), variables)
    return variables


def test_use(server, monkeypatch, capsys):
    pool = run_block("PoolTimeout", server, monkeypatch)["pool"]
    assert pool.closed
    assert capsys.readouterr().out == ""


def test_every_block_runs_in_a_test():
    names = ("except PoolTimeout", "# shop/apps.py", "# shop/testing.py", "create_engine")
    assert sorted(BLOCKS) == sorted(block(name) for name in names)


def test_readme_of_the_pool_and_its_page_have_the_same_recipe_for_django():
    page = (BASE_DIR / "docs" / "pool.md").read_text()
    for name in ("# shop/apps.py", "# shop/testing.py"):
        assert block(name) in page


@pytest.fixture
def recipe(server, monkeypatch):
    """The variables of the recipe for SQLAlchemy."""
    pytest.importorskip("sqlalchemy")
    variables = run_block("create_engine", server, monkeypatch)
    yield variables
    variables["pool"].close(0)
    wait_until(lambda: variables["pool"].get_stats()["pool_size"] == 0)


def test_sqlalchemy_returns_connections_to_the_pool(recipe, server, caplog):
    from sqlalchemy import text

    pool, engine = recipe["pool"], recipe["engine"]
    for _ in range(3):
        with engine.begin() as conn:
            assert conn.execute(text("SELECT 1")).scalar() == 1
            assert pool.get_stats()["pool_available"] == 0
        assert pool.get_stats()["pool_available"] == 1
    with pytest.raises(ZeroDivisionError), engine.begin() as conn:
        assert 1 / conn.execute(text("SELECT 0")).scalar()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("SELECT 1"))
    assert (pool.get_stats()["connections_num"], len(server.backends("recipe"))) == (1, 1)
    with pool.connection() as conn:
        assert not conn.autocommit
    assert caplog.records == []


def test_sqlalchemy_reads_its_own_types(recipe):
    import uuid

    from sqlalchemy import JSON, Uuid, literal, select

    value = uuid.uuid4()
    with recipe["engine"].connect() as conn:
        assert conn.execute(select(literal(value, Uuid), literal({"a": 1}, JSON))).one() == (value, {"a": 1})


def test_sqlalchemy_gives_a_dead_connection_back_too(recipe, server):
    from sqlalchemy import exc, text

    pool, engine = recipe["pool"], recipe["engine"]
    with engine.connect() as conn:
        server.kill(conn.execute(text("SELECT pg_backend_pid()")).scalar())
        with pytest.raises(exc.OperationalError) as failure:
            conn.execute(text("SELECT 1"))
    assert failure.value.connection_invalidated
    with engine.connect() as conn:
        assert conn.execute(text("SELECT 1")).scalar() == 1
    assert pool.get_stats()["returns_bad"] == 1


def test_sqlalchemy_raises_the_pools_errors_as_its_own(recipe):
    from sqlalchemy import exc

    recipe["pool"].close()
    with pytest.raises(exc.OperationalError) as failure:
        recipe["engine"].connect()
    assert isinstance(failure.value.orig, polls.pool.PoolClosed)


@pytest.fixture
def shop(server, tmp_path):
    """A Django project with the recipe, and a database of its own."""
    pytest.importorskip("django")
    run_outside(server, "DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop")
    parts = parse_dsn(server.dsn())
    address = {name: parts.get(key, "") for name, key in (("HOST", "host"), ("PORT", "port"), ("USER", "user"))}
    address |= {"PASSWORD": parts.get("password", ""), "NAME": "shop"}
    files = {
        "settings.py": SETTINGS.format(address=address),
        "shop/__init__.py": "",
        "shop/apps.py": block("# shop/apps.py"),
        "shop/testing.py": block("# shop/testing.py"),
        "shop/migrations/__init__.py": "",
        "shop/migrations/0001_initial.py": MIGRATION,
        "shop/tests.py": TESTS,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "psycopg2_bounded_pool").symlink_to(Path(polls.pool.__file__).parent)
    yield tmp_path
    run_outside(server, "DROP DATABASE shop WITH (FORCE)")


def run_outside(server, *statements):
    """Run statements that PostgreSQL refuses in a transaction."""
    conn = psycopg2.connect(server.dsn())
    conn.autocommit = True
    try:
        for statement in statements:
            select(conn, statement)
    finally:
        conn.close()


@pytest.mark.usefixtures("private_server")
@pytest.mark.parametrize("options", [(), ("--parallel", "2")], ids=["one process", "parallel"])
def test_django_follows_the_test_database_and_can_drop_it(shop, server, options):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "DATABASE"))}
    tests = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "django", "test", "--noinput", *options],
        env=environment | {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(shop)},
        cwd=shop,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (tests.returncode, "OK" in tests.stderr.splitlines()) == (0, True), tests.stderr
    assert "Warning" not in tests.stderr
    assert server.run("SELECT datname FROM pg_database WHERE datname LIKE %s", "test_shop%") == []
