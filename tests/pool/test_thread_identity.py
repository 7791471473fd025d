"""A thread is not its number: the system gives the number of a thread that ended to a new one."""

import threading

import pytest

from polls.pool import PoolTimeout
from tests.support.servers import Result


class Named(Result):
    """A call in a thread, which notes the thread's number."""

    def __init__(self, function):
        def call():
            self.ident = threading.get_ident()
            return function()

        super().__init__(call)


def ask_with_the_number_of(ident, function):
    """Call `function` in a new thread that has this number, as soon as there is one."""
    for _ in range(500):
        newcomer = Named(lambda: function() if threading.get_ident() == ident else None)
        newcomer.thread.join(10)
        if newcomer.ident == ident:
            return newcomer
    pytest.skip("no new thread gets the number of one that ended")
    return None


def test_a_new_thread_with_the_number_of_one_that_ended_waits_as_any_other(make_pool):
    pool = make_pool(1, 1)
    kept = []
    old = Named(lambda: kept.append(pool.getconn()))
    old.get()
    newcomer = ask_with_the_number_of(old.ident, lambda: pool.getconn(timeout=0.2))
    with pytest.raises(PoolTimeout):
        newcomer.get()
    pool.putconn(kept.pop())


def test_what_an_ended_thread_holds_is_not_said_to_be_held_by_a_new_one(make_pool):
    pool = make_pool(1, 1)
    kept = []
    old = Named(lambda: kept.append(pool.getconn()))
    old.get()

    def look():
        threading.current_thread().name = "the newcomer"
        return pool.status()[0]["thread"]

    assert ask_with_the_number_of(old.ident, look).get() != "the newcomer"
    pool.putconn(kept.pop())
