"""The trail on the page of a poll: events told in sentences."""

import re

from polls import event_texts, queries
from tests.support.poll_forms import LATER, sent, times
from tests.support.responses import text_of


def test_trail_tells_what_was_done_by_whom(owner, sql):
    manage = owner.post("/polls/new/", sent(opens="draft", options="\n".join(map(str, range(1, 8)))))["Location"]
    edit = sent(title="Tea?", named="on", options="2\n1\nNew <b>one</b>")
    for path, fields in (
        ("edit/", edit),
        (
            "times/",
            times(opens="at", opens_at="2998-01-01T12:00", closes_at="2998-01-02T12:00"),
        ),
        ("times/", times(opens="draft")),
        ("manage/open/", {}),
        ("manage/close/", {}),
        ("manage/archive/", {}),
        ("manage/unarchive/", {}),
    ):
        assert owner.post(manage.replace("manage/", path), fields).status_code == 303
    page = text_of(owner.get(manage))
    lines = [re.sub(r"<(?!/?b>)[^>]+>", "", line) for line in re.findall(r"<bdi>owner</bdi> (.*?)</li>", page)]
    assert lines[::-1][-6:] == [
        "set the closing to 2 January 2998, 12:00 UTC, set the opening to 1 January 2998, 12:00 UTC",
        "took the closing time out, made it a draft",
        "opened the poll",
        "closed the poll",
        "archived the poll",
        "took the poll out of the archive",
    ]
    told = " / ".join(lines[::-1])
    for sentence in (
        "made the poll",
        "added 7 options: “1”, “2”, “3”, “4”, “5”…",
        "took 5 options out: “3”, “4”, “5”, “6”, “7”",
        "moved 2 options",
        "added 1 option: “New &lt;b&gt;one&lt;/b&gt;”",
        "changed whether the owner sees who chose what, changed the question from “Tea or coffee?” to “Tea?”",
    ):
        assert sentence in told
    assert "<b>" not in told


def test_trail_groups_what_came_by_the_hundred_and_says_that_there_is_more(owner, own_poll, sql):
    poll = own_poll()
    sql(
        "INSERT INTO polls_invite (poll_id, label, token_hash) "
        "SELECT %s, 'person ' || n, n FROM generate_series(1, 300) AS n",
        poll.id,
    )
    sql("UPDATE polls_invite SET revoked_at = now() WHERE label = 'person 7'")
    sql("UPDATE polls_invite SET issued_at = clock_timestamp() WHERE label = 'person 8'")
    page = text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    assert "invited 300 people: “<bdi>person 1</bdi>”" in page
    assert "revoked 1 invitation<" in page
    assert "replaced 1 link<" in page
    for number in range(60):
        sql("UPDATE polls_poll SET results = %s", ("owner", "closed")[number % 2])
    page = text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    assert page.count("changed who sees the results") == 50
    assert "Earlier events are kept" in page


def test_trail_tells_draws(owner, own_poll, vote, sql):
    poll = own_poll()
    vote(poll, "ann", poll.options[:1])
    owner.post(f"/polls/{poll.slug}/manage/close/")
    sql("INSERT INTO polls_entries (poll_id, option_id) VALUES (%s, %s)", poll.id, poll.options[0])
    sql("INSERT INTO polls_draw (poll_id, number, option_id) VALUES (%s, 1, %s)", poll.id, poll.options[0])
    page = text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    assert "froze who is in a draw" in page
    assert "drew a winner, draw 1" in page


def test_event_of_a_kind_to_come_is_shown_as_it_is():
    run = queries.EventGroup(LATER, "ann", "surprise", 1, [{}])
    assert event_texts.describe_events([run])[0].what == "surprise"
