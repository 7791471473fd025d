"""The contract of psycopg2.pool: timeouts that are wrong, and subclasses that override its hooks."""

import pytest
from psycopg2.pool import AbstractConnectionPool

from polls.pool import ConnectionPool
from tests.support.pool import select


@pytest.mark.parametrize("timeout", [-1, -0.5, "5", float("nan"), True])
@pytest.mark.parametrize("idle", [False, True], ids=["none-idle", "one-idle"])
def test_a_timeout_that_is_wrong_is_refused_at_any_time(make_pool, timeout, idle):
    pool = make_pool(0, 2)
    if idle:
        pool.putconn(pool.getconn())
    with pytest.raises((TypeError, ValueError), match="timeout"):
        pool.getconn(timeout=timeout)
    with pytest.raises((TypeError, ValueError), match="timeout"):
        pool.getconn("key", timeout=timeout)
    with pytest.raises((TypeError, ValueError), match="timeout"), pool.connection(timeout=timeout):
        pass
    stats = pool.get_stats()
    assert stats["pool_available"] == stats["pool_size"] == idle
    with pool.connection() as conn:
        assert select(conn) == 1


HOOKS = ["_connect", "_getconn", "_putconn", "_closeall", "_getkey"]


def test_the_hooks_are_those_of_psycopg2():
    assert set(HOOKS) <= set(vars(AbstractConnectionPool))


@pytest.mark.parametrize("hook", HOOKS)
def test_a_subclass_that_overrides_a_hook_is_refused_by_its_name(server, hook):
    def override(self, *arguments, **options):
        raise AssertionError("it is called after all")

    with pytest.raises(TypeError, match=hook):
        type("Overriding", (ConnectionPool,), {hook: override})(1, 2, server.dsn())


def test_a_hook_in_a_mixin_is_refused_by_its_name(server):
    class Mixin:
        def _connect(self, key=None):
            raise AssertionError("it is called after all")

    with pytest.raises(TypeError, match="_connect"):
        type("Mixed", (Mixin, ConnectionPool), {})(1, 2, server.dsn())


def test_a_subclass_that_overrides_what_is_documented_works(server):
    class Counting(ConnectionPool):
        taken = 0

        def getconn(self, key=None, timeout=None):
            self.taken += 1
            return super().getconn(key, timeout)

    pool = Counting(1, 2, server.dsn())
    pool.putconn(pool.getconn())
    assert pool.taken == 1
    pool.close(0)
