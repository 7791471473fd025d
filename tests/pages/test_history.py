"""The history of a poll in sentences: with names for its owner, and with roles for everyone."""

import hashlib
import json
import re

import pytest

from polls import event_texts, queries
from tests.support.invitations import follow
from tests.support.poll_forms import LATER, sent, times
from tests.support.responses import text_of
from tests.support.site import Browser, serve


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
        "changed whether the owner sees who chose what from “no” to “yes”, changed the question from “Tea or",
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


def lines_of(response):
    """The entries of the public page, the oldest first, without tags."""
    entries = re.findall(r"<li><small>.*?</small><br>(.*?)</li>", text_of(response))
    return [re.sub(r"<[^>]+>", "", entry) for entry in entries[::-1]]


def invited_by(owner, poll, names):
    page = text_of(owner.post(f"/polls/{poll.slug}/invites/add/", {"people": "\n".join(names), "check": ""}))
    key = re.search(r'name="key" value="([^"]*)"', page)[1]
    fields = {"people": "\n".join(names), "key": key, "create": ""}
    assert owner.post(f"/polls/{poll.slug}/invites/add/", fields).status_code == 200


SEVEN = ["Ann Abel", "Ben Bock", "Cid Cole", "Dea Dorn", "Eve Ebel", "Fay Fuchs", "Gus Graf"]
FIVE = ["Invented One", "Invented Two", "Invented Three", "Invented Four", "Invented Five"]


@pytest.fixture
def bent_poll(owner, as_user, conn, make_invited_poll, sql):
    """A poll that was closed at 0:2, opened again with five more people, closed at 3:2, and then shown to everyone."""
    poll = make_invited_poll(results="owner", opens_in="1 hour")
    invited_by(owner, poll, SEVEN)
    path = f"/polls/{poll.slug}"
    assert owner.post(f"{path}/manage/open/").status_code == 303
    tokens = reissued(owner, sql, poll, SEVEN[:2])
    for token in tokens:
        assert follow(token).post(f"{path}/", {"choices": poll.options[1]}).status_code == 303
    assert owner.post(f"{path}/manage/close/").status_code == 303
    assert owner.post(f"{path}/times/", times(opens="now")).status_code == 303
    invited_by(owner, poll, FIVE)
    for token in reissued(owner, sql, poll, FIVE[:3]):
        assert follow(token).post(f"{path}/", {"choices": poll.options[0]}).status_code == 303
    assert as_user("staff").post(f"{path}/manage/close/").status_code == 303
    assert owner.post(f"{path}/edit/", {"results": "always", "listed": "on"}).status_code == 303
    sql("UPDATE polls_poll SET listed = false")
    return poll


def reissued(owner, sql, poll, names):
    """New links for these people, as the owner sees them."""
    tokens = []
    for name in names:
        [(invite_id,)] = sql("SELECT id FROM polls_invite WHERE label = %s AND poll_id = %s", name, poll.id)
        page = text_of(owner.post(f"/polls/{poll.slug}/invites/{invite_id}/reissue/"))
        tokens.append(re.search(r"/i/([\w-]{20,})/", page)[1])
    return tokens


def test_everyone_sees_how_an_owner_bent_a_poll(bent_poll, client, users):
    path = f"/polls/{bent_poll.slug}"
    told = lines_of(client.get(f"{path}/history/"))
    place = -1
    for line in (
        "The owner invited 7 people",
        "The owner opened the poll",
        "The owner replaced 1 link",
        "The owner closed the poll",
        "The owner opened the poll again, which had closed",
        "The owner invited 5 people, after the opening",
        "Staff of this site closed the poll",
        "The owner changed who sees the results from “only the owner” to “everyone, at any time”",
        "The operator of the server changed whether the front page shows the poll from “yes” to “no”",
    ):
        [found] = [number for number, entry in enumerate(told) if entry.startswith(line) and number > place][:1]
        place = found
    page = text_of(client.get(f"{path}/history/"))
    assert "12 people were invited, 5 of them after the opening." in page
    assert "It was opened again after it had closed." in page
    for each in ("", "results/"):
        notice = re.search(r'<p class="state">This poll was opened again.*?</p>', text_of(client.get(f"{path}/{each}")))
        assert "5 people were invited after the opening." in notice[0]
        assert "Who sees the results was changed after the opening." in notice[0]
        assert f'href="{path}/history/"' in notice[0]


def test_history_for_everyone_names_nobody(bent_poll, client, users):
    for path in ("history/", "history.txt"):
        page = text_of(client.get(f"/polls/{bent_poll.slug}/{path}"))
        for name in [
            *SEVEN,
            *FIVE,
            "Abel",
            "Invented",
            "user owner",
            "user staff",
            *(f"<bdi>{user}<" for user in users),
        ]:
            assert name not in page
    assert "owner, " not in page
    assert "stranger" not in page


def test_names_of_users_are_in_no_public_history(client, conn, make_poll, django_user_model):
    boss = django_user_model.objects.create_user("xaverius")
    poll = make_poll(owner_id=boss.pk)
    queries.close_poll(conn, poll.slug, queries.Actor(boss.pk, False, "xaverius"))
    for path in ("history/", "history.txt", "", "results/"):
        response = client.get(f"/polls/{poll.slug}/{path}")
        assert response.status_code == 200
        assert "xaverius" not in text_of(response)


def test_history_is_seen_where_the_poll_is(client, owner, own_poll, sql):
    draft, scheduled = own_poll(opens_in=None), own_poll(opens_in="1 hour")
    for path in ("history/", "history.txt"):
        assert client.get(f"/polls/{draft.slug}/{path}").status_code == 404
        assert owner.get(f"/polls/{draft.slug}/{path}").status_code == 404
        assert client.get(f"/polls/nowhere/{path}").status_code == 404
        assert client.get(f"/polls/{scheduled.slug}/{path}").status_code == 200
    sql("UPDATE polls_poll SET title = 'Another question' WHERE id = %s", scheduled.id)
    told = lines_of(client.get(f"/polls/{scheduled.slug}/history/"))
    assert told[-1] == "The operator of the server changed the question from “Poll 2” to “Another question”"


def test_pages_link_to_the_history(client, owner, own_poll):
    poll = own_poll(opens_in="1 hour")
    for browser, path in ((client, ""), (client, "results/"), (owner, "manage/")):
        assert f'href="/polls/{poll.slug}/history/"' in text_of(browser.get(f"/polls/{poll.slug}/{path}"))


def test_hash_of_the_history_is_on_its_page_on_the_sheet_and_in_the_json(bent_poll, client):
    path = f"/polls/{bent_poll.slug}"
    file = client.get(f"{path}/history.txt")
    noted = hashlib.sha256(file.content).hexdigest()
    assert file["Content-Type"] == "text/plain; charset=utf-8"
    assert f'<code dir="ltr">{noted}</code>' in text_of(client.get(f"{path}/history/"))
    assert f"History of this poll, as SHA-256: {noted}" in text_of(client.get(f"{path}/results/"))
    assert client.get(f"{path}/results.json").json()["record"] == noted


def test_events_from_before_roles_were_written_down_are_shown_without_one(client, make_poll, owner_sql):
    poll = make_poll()
    owner_sql("SET session_replication_role = replica")
    owner_sql(
        """INSERT INTO polls_event (poll_id, actor, role, action, details)
           VALUES (%s, 'user xaverius', '', 'poll changed', '{"results": ["owner", "always"]}')""",
        poll.id,
    )
    page = client.get(f"/polls/{poll.slug}/history/")
    assert lines_of(page)[-1].startswith("Somebody, before this site wrote down as whom, changed who sees the results")
    assert "xaverius" not in text_of(page)


def test_changed_and_withdrawn_votes_are_counted_after_closing_only(client, make_poll, sql, vote):
    poll = make_poll(changeable=True)
    for voter in "abc":
        vote(poll, voter, poll.options[:1])
    sql("UPDATE polls_vote SET choices = %s WHERE voter IN ('a', 'b')", [poll.options[1]])
    sql("DELETE FROM polls_vote WHERE voter = 'c'")
    page = text_of(client.get(f"/polls/{poll.slug}/history/"))
    assert "is shown after closing" in page
    assert "2 votes were changed" not in page
    sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
    page = text_of(client.get(f"/polls/{poll.slug}/history/"))
    assert "2 votes were changed. 1 vote was withdrawn." in page


@pytest.fixture
def stuffed_poll(make_poll, vote, sql, owner_sql, django_user_model):
    """A closed poll for accounts in which 30 of 40 votes came in a minute, by accounts made for it."""
    poll = make_poll(audience="account", results="voted", opens_in="-2 hours")
    for number in range(40):
        user = django_user_model.objects.create_user(f"puppet-{number}")
        vote(poll, f"user:{user.pk}", poll.options[:1])
    owner_sql("SET session_replication_role = replica")
    owner_sql("UPDATE polls_vote SET cast_at = now() - interval '1 hour'")
    owner_sql("UPDATE polls_vote SET cast_at = now() - mod(id, 10) * interval '1 minute' WHERE mod(id, 4) = 0")
    sql("UPDATE polls_poll SET closes_at = clock_timestamp()")
    return poll


def test_hints_at_stuffing_are_in_the_history_after_closing(stuffed_poll, client, sql):
    path = f"/polls/{stuffed_poll.slug}/history/"
    page = text_of(client.get(path))
    assert "40 accounts were made on this site while the poll was open." in page
    assert "within one minute" not in page  # it tells how many voted, which is not for everyone here
    sql("UPDATE polls_poll SET results = 'always'")
    page = text_of(client.get(path))
    assert "30 of 40 votes came in within one minute" in page
    sql("UPDATE polls_poll SET closes_at = NULL")
    page = text_of(client.get(path))
    assert "within one minute" not in page
    assert "accounts were made" not in page


def test_thousands_of_options_and_invitations_are_a_line_each(client, make_poll, sql):
    poll = make_poll(50, audience="invite")
    sql(
        "INSERT INTO polls_invite (poll_id, label, token_hash) "
        "SELECT %s, 'p' || n, n FROM generate_series(1, 3000) AS n",
        poll.id,
    )
    told = lines_of(client.get(f"/polls/{poll.slug}/history/"))
    assert told[-1] == "The operator of the server invited 3000 people, after the opening"
    assert told[-2].startswith("The operator of the server added 50 options: “Option 1”, “Option 2”")
    assert len(told) == 4


def test_row_of_a_bent_poll_over_http(make_invited_poll, users, client, sql):
    """The same with a server, its cookies and its tokens against forged requests: 0:2, opened again, 3:2."""
    poll = make_invited_poll(results="owner")
    path = f"/polls/{poll.slug}"
    client.force_login(users["owner"])
    with serve(WEB_CONCURRENCY="1") as address:
        owner = Browser(address)
        owner.cookies["sessionid"] = client.cookies["sessionid"].value

        def do(page, **fields):
            owner.get(f"{path}/manage/")
            owner.get(f"{path}/edit/")
            return owner.request("POST", f"{path}/{page}", [("csrfmiddlewaretoken", owner.token), *fields.items()])

        def let_vote(names, option):
            for name in names:
                [(invite_id,)] = sql("SELECT id FROM polls_invite WHERE label = %s", name)
                [token] = set(re.findall(r"/i/([\w-]{20,})/", do(f"invites/{invite_id}/reissue/")[2]))
                voter = Browser(address)
                assert voter.get(f"/i/{token}/")[0] == 303
                assert voter.get(f"{path}/")[0] == 200
                assert voter.post(f"{path}/", [option])[0] == 303

        for people, voting, option in ((SEVEN, SEVEN[:2], poll.options[1]), (FIVE, FIVE[:3], poll.options[0])):
            assert do("invites/add/", people="\n".join(people), key="k" * 22, create="")[0] == 200
            let_vote(voting, option)
            assert do("manage/close/")[0] == 303
            if people == SEVEN:
                assert do("times/", **times())[0] == 303
        assert do("edit/", results="always", listed="on")[0] == 303
        anybody = Browser(address)
        counted = json.loads(anybody.get(f"{path}/results.json")[2])
        history, file = anybody.get(f"{path}/history/")[2], anybody.get(f"{path}/history.txt")[2]
        told = re.sub(r"<[^>]+>", "", " ".join(history.split()))
    assert [option["votes"] for option in counted["options"]] == [3, 2, 0]
    assert hashlib.sha256(file.encode()).hexdigest() == counted["record"]
    for line in (
        "The owner opened the poll again, which had closed",
        "The owner invited 5 people, after the opening",
        "The owner changed who sees the results from “only the owner” to “everyone, at any time”",
    ):
        assert line in told
    assert told.count("The owner closed the poll") == 2
    assert [name for name in [*SEVEN, *FIVE, "staff,", "user "] if name in told + file] == []
