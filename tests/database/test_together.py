"""Reading together: one read for all who wait, and none that began before they asked."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from polls import together
from polls.together import read_together
from tests.support.servers import wait_until


class Source:
    """Something to read, which tells how often it was read, and lets each read wait."""

    def __init__(self):
        self.reads = 0
        self.value = "old"
        self.goes_on = threading.Event()

    def __call__(self):
        self.reads += 1
        value = self.value
        assert self.goes_on.wait(10)
        if isinstance(value, Exception):
            raise value
        return value


@pytest.fixture
def source(monkeypatch):
    monkeypatch.setattr(together, "PATIENCE", 10)
    return Source()


@pytest.fixture
def ask(source):
    """Ask in a thread; the value can be had from what this returns."""
    with ThreadPoolExecutor(10) as threads:

        def start(key="poll"):
            future = threads.submit(read_together, key, source)
            wait_until(lambda: source.reads > 0)
            return future

        yield start
        source.goes_on.set()


def joined():
    """How many threads have joined the one that reads next."""
    following = together._waiting.get("poll")
    return len(following._condition._waiters) if following else None


def test_all_who_ask_during_a_read_share_the_next_one(source, ask):
    first = ask()
    source.value = "new"
    others = [ask() for _ in range(6)]
    wait_until(lambda: joined() == 5)
    assert source.reads == 1
    source.goes_on.set()
    assert first.result() == "old"
    assert [other.result() for other in others] == ["new"] * 6
    assert source.reads == 2


def test_read_that_fails_fails_for_all_who_wait_for_it_and_for_no_one_else(source, ask):
    source.value = KeyError("gone")
    first = ask()
    source.value = LookupError("away")
    others = [ask() for _ in range(3)]
    wait_until(lambda: joined() == 2)
    source.goes_on.set()
    with pytest.raises(KeyError, match="gone"):
        first.result()
    for other in others:
        with pytest.raises(LookupError, match="away"):
            other.result()
    source.value = "back"
    assert ask().result() == "back"
    assert together._waiting == together._under_way == {}


def test_other_things_are_read_at_the_same_time(source, ask):
    asked = [ask("one"), ask("two")]
    wait_until(lambda: source.reads == 2)
    source.goes_on.set()
    assert [future.result() for future in asked] == ["old", "old"]


def test_read_that_hangs_is_not_waited_for(source, ask, monkeypatch):
    monkeypatch.setattr(together, "PATIENCE", 0.01)
    hangs, asked = ask(), ask()
    wait_until(lambda: source.reads == 2)
    source.goes_on.set()
    assert (hangs.result(), asked.result()) == ("old", "old")
    assert together._waiting == together._under_way == {}


def test_alone_it_reads_each_time(source):
    source.goes_on.set()
    assert [read_together("poll", source) for _ in range(3)] == ["old"] * 3
    assert source.reads == 3
