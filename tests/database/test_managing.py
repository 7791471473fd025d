"""Managing polls through the data layer: permissions, and edits and votes at the same time."""

import threading

import pytest

from polls import queries
from tests.support.voters import keys_of

DESIGN = queries.PollDetails("Mine", "", ["A", "B"], "link", True, True, True, 1, 2, "owner", True, "")


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("get_managed_poll", {}),
        ("edit_poll", {"details": DESIGN}),
        ("edit_visibility", {"results": "owner", "listed": True}),
        ("set_schedule", {"schedule": queries.Schedule("draft", None, None, "")}),
        ("correct_text", {"field": "title", "option_id": None, "after": "Mine", "reason": "mine"}),
        ("open_poll", {}),
        ("close_poll", {}),
        ("archive_poll", {}),
        ("unarchive_poll", {}),
        ("delete_poll", {}),
    ],
)
def test_data_layer_lets_nobody_else_manage_a_poll(conn, own_poll, users, sql, query, arguments):
    """The pages check first, and the owner may change between that check and the statement."""
    poll = own_poll()
    before = sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option"), sql("SELECT * FROM polls_event")
    with pytest.raises(queries.PollNotFound):
        getattr(queries, query)(conn, poll.slug, queries.Actor(users["stranger"].pk, False, "stranger"), **arguments)
    after = sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option"), sql("SELECT * FROM polls_event")
    assert after == before


def test_votes_and_edits_at_once_do_not_deadlock(conn, own_poll, connections_to_test_database):
    """Without the lock that EDIT_POLL takes first, one round in four ended in a deadlock."""
    manager = queries.Actor(0, True, "editor")
    voters, editing = [connections_to_test_database() for _ in range(4)], connections_to_test_database()
    refused = []

    def attempt(together, query, *arguments, **keywords):
        together.wait()
        try:
            query(*arguments, **keywords)
        except (queries.VoteRefused, queries.PollFrozen):
            pass
        except Exception as error:
            refused.append(error)

    for _ in range(20):
        poll = own_poll(8, min_choices=3, max_choices=3)
        options = [f"Option {number}" for number in (8, 7, 6, 1, 9)]
        design = queries.PollDetails("Q", "", options, "link", False, False, False, 3, 3, "always", False, "")
        together = threading.Barrier(5)
        edit = threading.Thread(target=attempt, args=(together, queries.edit_poll, editing, poll.slug, manager, design))
        threads = [edit]
        for number, voting in enumerate(voters):
            choices = [poll.options[(number + place) % 8] for place in (5, 3, 1)]
            arguments = (together, queries.cast_vote, voting, poll.slug, choices)
            keywords = {"browser": keys_of(f"{number}")}
            threads.append(threading.Thread(target=attempt, args=arguments, kwargs=keywords))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
    assert refused == []
