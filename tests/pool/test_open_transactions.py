"""SELECT and return without commit, as users of psycopg2's pool write it: counted, and said once for each place."""

from tests.support.pool import select
from tests.support.servers import in_thread


def leave_open(pool):
    conn = pool.getconn()
    select(conn)
    pool.putconn(conn)


def leave_open_elsewhere(pool):
    conn = pool.getconn()
    select(conn)
    pool.putconn(conn)


def warnings(caplog, function):
    """The warnings about connections that this function took."""
    place = f"{__file__}:{function.__code__.co_firstlineno + 1}"
    messages = [record.getMessage() for record in caplog.records if record.name == "polls.pool"]
    return [message for message in messages if place in message]


def test_returns_in_a_transaction_from_one_place_are_said_once_and_counted(make_pool, caplog):
    pool = make_pool()
    for _ in range(100):
        leave_open(pool)
    assert len(warnings(caplog, leave_open)) == 1
    assert pool.get_stats()["returns_in_transaction"] == 100
    assert pool.get_stats()["returns_bad"] == 0


def test_each_place_has_a_warning_of_its_own(make_pool, caplog):
    pool = make_pool()
    for _ in range(10):
        leave_open(pool)
        leave_open_elsewhere(pool)
    assert len(warnings(caplog, leave_open)) == 1
    assert len(warnings(caplog, leave_open_elsewhere)) == 1
    assert pool.get_stats()["returns_in_transaction"] == 20


def test_returns_in_a_transaction_from_many_threads_are_said_once(make_pool, caplog):
    pool = make_pool(4, 4)
    for thread in [in_thread(lambda: [leave_open(pool) for _ in range(25)]) for _ in range(4)]:
        thread.get()
    assert len(warnings(caplog, leave_open)) == 1
    assert pool.get_stats()["returns_in_transaction"] == 100


def test_each_pool_has_a_warning_of_its_own(make_pool, caplog):
    for pool in (make_pool(), make_pool()):
        for _ in range(3):
            leave_open(pool)
    assert len(warnings(caplog, leave_open)) == 2


def test_returns_in_a_transaction_are_a_total_that_pop_stats_begins_anew(make_pool):
    pool = make_pool()
    assert pool.get_stats()["returns_in_transaction"] == 0
    leave_open(pool)
    with pool.connection() as conn:
        select(conn)
    assert pool.pop_stats()["returns_in_transaction"] == 1
    assert pool.get_stats()["returns_in_transaction"] == 0


def test_the_places_that_were_warned_of_take_little_memory(make_pool, caplog):
    pool = make_pool(1, 1)
    source = "conn = pool.getconn()\nselect(conn)\npool.putconn(conn)"
    for number in range(1200):
        exec(compile(source, f"place {number}", "exec"), {"pool": pool, "select": select})
    assert len([record for record in caplog.records if "rolls back" in record.getMessage()]) == 1200
    assert len(pool._warned) <= 1001
