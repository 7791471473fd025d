"""Secret ballots: while one is open, no one can tell a choice by comparing what the pages show."""

import re

import pytest
from django.core.cache import cache

from polls import voters
from polls.views import shared_pages, timelines
from tests.support.invitations import cast, follow, invite
from tests.support.responses import text_of
from tests.support.secrecy import NOISE, addresses, shown
from tests.support.site import Browser, serve

WITHHELD = ("closed", "owner")
SHOWN = ("always", "voted")
STEPS = "Counts are shown in steps of five votes or more"


@pytest.fixture(params=["owner", "staff", "admin"])
def manager(request, as_user, admin_client):
    """The browser of somebody who runs the poll."""
    return admin_client if request.param == "admin" else as_user(request.param)


def swap(owner_sql, statement, *parameters):
    """Write around the triggers that would stamp or refuse it: another world, in which this was so from the start."""
    around = ("polls_vote_stamp", "polls_vote_pin", "polls_vote_check_update")
    for trigger in around:
        owner_sql(f"ALTER TABLE polls_vote DISABLE TRIGGER {trigger}")
    try:
        owner_sql(statement, *parameters)
    finally:
        for trigger in around:
            owner_sql(f"ALTER TABLE polls_vote ENABLE TRIGGER {trigger}")
        cache.clear()
        shared_pages.forget()
        timelines.forget()


def ids(sql):
    return dict(sql("SELECT label, id FROM polls_invite"))


def hidden(poll, invite_id):
    return voters.hidden_key(poll.slug, f"invite:{invite_id}")


def test_every_address_about_a_poll_is_looked_at(poll):
    paths = addresses(poll)
    for name in ("results.json", "results.csv", "results/?live", "wall/", "embed/", "manage/", "invites/", "draws/"):
        assert f"/polls/{poll.slug}/{name}" in paths


@pytest.mark.parametrize("results", WITHHELD)
def test_who_has_voted_is_shown_and_no_page_tells_what(manager, conn, make_invited_poll, sql, results, owner_sql):
    poll = make_invited_poll(results=results, changeable=True)
    ann, bob, _ = invite(conn, poll, "Ann", "Bob", "Cem")
    cast(conn, poll, ann, 0)
    cast(conn, poll, bob, 1)
    one_world = shown(manager, poll)
    swap(owner_sql, "UPDATE polls_vote SET choices = ARRAY[%s]::bigint[]", poll.options[2])
    assert shown(manager, poll) == one_world
    page = text_of(manager.get(f"/polls/{poll.slug}/invites/"))
    assert re.findall(r"<bdi>(\w+)</bdi></th> <td>([^<]+)</td>", page) == [
        ("Ann", "voted"),
        ("Bob", "voted"),
        ("Cem", "not voted"),
    ]
    for path in ("results.json", "results.csv"):
        assert manager.get(f"/polls/{poll.slug}/{path}").status_code == 403


@pytest.mark.parametrize("results", SHOWN)
def test_counts_are_shown_and_no_page_tells_who_has_voted(manager, conn, make_invited_poll, sql, owner_sql, results):
    poll = make_invited_poll(results=results, changeable=True)
    tokens = invite(conn, poll, *(f"Person {number}" for number in range(6)))
    for token in tokens[:5]:
        cast(conn, poll, token)
    assert "6 invited, 5 voted." in text_of(manager.get(f"/polls/{poll.slug}/invites/"))
    one_world = shown(manager, poll)
    numbers = ids(sql)
    swap(
        owner_sql,
        "UPDATE polls_vote SET voter = %s WHERE voter = %s",
        *(hidden(poll, numbers["Person 5"]), hidden(poll, numbers["Person 0"])),
    )
    assert shown(manager, poll) == one_world
    assert "not voted" not in one_world[f"/polls/{poll.slug}/invites/"][-1]


@pytest.mark.parametrize("results", SHOWN)
@pytest.mark.parametrize("voted", [False, True])
def test_new_link_tells_nobody_who_has_voted(owner, conn, make_invited_poll, sql, results, voted):
    poll = make_invited_poll(results=results)
    ann, bob = invite(conn, poll, "Ann", "Bob")
    before = sql("SELECT * FROM polls_invite")
    assert text_of(owner.get(f"/polls/{poll.slug}/invites/")).count("New link") == 2
    cast(conn, poll, bob)
    if voted:
        cast(conn, poll, ann)
    assert "New link" not in text_of(owner.get(f"/polls/{poll.slug}/invites/"))
    page = text_of(owner.post(f"/polls/{poll.slug}/invites/{ids(sql)['Ann']}/reissue/", follow=True))
    assert "Since the first vote no link is replaced before the poll has closed" in page
    assert sql("SELECT * FROM polls_invite") == before


@pytest.mark.parametrize("results", SHOWN)
@pytest.mark.parametrize("path", ["", "results/", "draws/"])
def test_link_that_was_kept_shows_nobody_whether_it_was_used(conn, make_invited_poll, sql, results, path):
    poll = make_invited_poll(results=results, changeable=True)
    ann, _ = invite(conn, poll, "Ann", "Bob")
    address = f"/polls/{poll.slug}/{path}"
    unused = NOISE.sub("", text_of(follow(ann).get(address)))
    follow(ann).post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert NOISE.sub("", text_of(follow(ann).get(address))) == unused


@pytest.mark.parametrize(
    "bad",
    [
        lambda poll: {"choices": poll.options[0], "ballot": "0" * 64},
        lambda poll: {"choices": 2**40},
        lambda poll: {"choices": poll.options[:2]},
        lambda poll: {"choices": [poll.options[0]] * 2},
        lambda poll: {},
    ],
    ids=["another ballot", "no option", "too many", "twice", "none"],
)
@pytest.mark.parametrize("changeable", [False, True])
def test_ballot_that_counts_for_nobody_does_not_tell_whether_a_link_was_used(
    conn, make_invited_poll, sql, bad, changeable
):
    poll = make_invited_poll(changeable=changeable)
    [ann] = invite(conn, poll, "Ann")
    answers = []
    for used in (False, True):
        if used:
            cast(conn, poll, ann)
        answer = follow(ann).post(f"/polls/{poll.slug}/", bad(poll))
        answers.append((answer.status_code, NOISE.sub("", text_of(answer))))
    assert answers[0] == answers[1]
    assert sql("SELECT choices FROM polls_vote") == [(poll.options[:1],)]


def test_second_vote_from_another_browser_is_told_that_the_first_stands(conn, poll, sql):
    [ann] = invite(conn, poll, "Ann")
    cast(conn, poll, ann)
    page = text_of(follow(ann).post(f"/polls/{poll.slug}/", {"choices": poll.options[1]}))
    assert "A vote was cast with your invitation before, and it stands" in page
    assert sql("SELECT choices FROM polls_vote") == [(poll.options[:1],)]


@pytest.mark.parametrize("before", [*WITHHELD, *SHOWN])
@pytest.mark.parametrize("after", [*WITHHELD, *SHOWN])
def test_one_is_not_shown_after_the_other(owner, conn, make_invited_poll, sql, before, after):
    poll = make_invited_poll(results=before)
    [ann] = invite(conn, poll, "Ann")
    owner.post(f"/polls/{poll.slug}/edit/", {"results": before})
    cast(conn, poll, ann)
    answer = owner.post(f"/polls/{poll.slug}/edit/", {"results": after})
    same = (before in WITHHELD) == (after in WITHHELD)
    assert answer.status_code == (303 if same else 200)
    assert ("you see who has voted or the counts, and never both" in text_of(answer)) != same
    assert sql("SELECT results FROM polls_poll") == [(after if same else before,)]
    owner.post(f"/polls/{poll.slug}/manage/close/")
    assert owner.post(f"/polls/{poll.slug}/edit/", {"results": after}).status_code == 303


@pytest.mark.parametrize("results", [*WITHHELD, *SHOWN])
def test_after_closing_the_owner_sees_both_and_they_are_exact(owner, conn, make_invited_poll, results):
    poll = make_invited_poll(results=results)
    ann, _ = invite(conn, poll, "Ann", "Bob")
    cast(conn, poll, ann, 1)
    owner.post(f"/polls/{poll.slug}/manage/close/")
    counts = owner.get(f"/polls/{poll.slug}/results.json").json()
    assert (counts["voters"], [option["votes"] for option in counts["options"]]) == (1, [0, 1, 0])
    assert "in_steps" not in counts
    assert "<td>voted</td>" in text_of(owner.get(f"/polls/{poll.slug}/invites/"))
    assert STEPS not in text_of(owner.get(f"/polls/{poll.slug}/results/"))


def counted(client, poll):
    """The counts on each path that has them: voters, and votes by option."""
    counts = client.get(f"/polls/{poll.slug}/results.json").json()
    votes = [option["votes"] for option in counts["options"]]
    rows = client.get(f"/polls/{poll.slug}/results.csv").content.decode("utf-8-sig").splitlines()
    assert [int(row.split(",")[1]) for row in rows[-len(votes) :]] == votes
    for path in ("results/", "results/?live", "wall/", "embed/"):
        page = text_of(client.get(f"/polls/{poll.slug}/{path}"))
        assert [int(votes) for votes in re.findall(r'<td class="number">(\d+)</td>', page)] == votes, path
        assert (STEPS in page) == ("in_steps" in counts), path
        assert "votes over time" not in page.lower()
        if counts["voters"] and "in_steps" in counts:
            assert f"The votes of {counts['voters']} people are counted here." in page, path
    return counts["voters"], votes


@pytest.fixture(params=["invite", "account"])
def audience(request):
    return request.param


def test_counts_come_in_steps_of_five_until_the_poll_closes(client, owner, own_poll, sql, vote, audience):
    poll = own_poll(audience=audience, changeable=True)
    told = set()
    for number in range(12):
        if number in (2, 7, 8, 9):
            # A change, a withdrawal and a vote instead of it show as little.
            sql("UPDATE polls_vote SET choices = ARRAY[%s]::bigint[] WHERE voter = 'v0'", poll.options[number % 3])
        vote(poll, f"v{number}", poll.options[number % 3 : number % 3 + 1])
        counts = counted(client, poll)
        assert counted(owner, poll) == counts
        told.add((counts[0], tuple(counts[1])))
        lead = text_of(owner.get(f"/polls/{poll.slug}/manage/")).partition('class="lead">')[2].partition("</p>")[0]
        expected = (
            f"{counts[0]} people have voted." if counts[0] else "How many have voted is shown from five votes on."
        )
        assert lead.startswith(expected)
        assert expected in text_of(owner.get("/mine/"))
        if audience == "invite":
            invitations = text_of(owner.get(f"/polls/{poll.slug}/invites/"))
            assert (f"0 invited, {counts[0]} voted." if counts[0] else expected) in invitations
    assert [voters for voters, _ in sorted(told)] == [0, 5, 10]
    sql("DELETE FROM polls_vote WHERE voter IN ('v10', 'v11')")
    assert counted(client, poll)[0] == 10
    owner.post(f"/polls/{poll.slug}/manage/close/")
    [(exact,)] = sql(
        "SELECT array_agg(votes ORDER BY option_id) FROM (SELECT option_id, sum(votes)::int AS votes "
        "FROM polls_tally GROUP BY option_id) AS t"
    )
    assert counted(client, poll) == (10, exact)


def test_counts_are_exact_from_fifty_voters_on(client, own_poll, vote, sql, audience):
    poll = own_poll(audience=audience)
    many = (
        "INSERT INTO polls_vote (poll_id, voter, choices) SELECT %s, 'many ' || n, ARRAY[%s]::bigint[] "
        "FROM generate_series(1, %s) AS n"
    )
    sql(many, poll.id, poll.options[0], 48)
    assert counted(client, poll) == (48, [48, 0, 0])
    vote(poll, "ann", poll.options[1:2])
    assert counted(client, poll) == (48, [48, 0, 0])
    vote(poll, "bob", poll.options[1:2])
    assert counted(client, poll) == (50, [48, 2, 0])
    vote(poll, "cem", poll.options[1:2])
    assert counted(client, poll) == (51, [48, 3, 0])


@pytest.mark.parametrize("columns", [{}, {"named": True, "audience": "account"}, {"named": True, "audience": "invite"}])
def test_other_polls_are_counted_as_they_were(client, own_poll, vote, sql, columns):
    poll = own_poll(**columns)
    vote(poll, "ann", poll.options[:1])
    assert counted(client, poll) == (1, [1, 0, 0])
    assert sql("SELECT count(*) FROM polls_step") == [(0,)]


def test_front_page_orders_by_what_is_shown(client, make_poll, vote):
    steps, exact = make_poll(title="In steps", audience="account"), make_poll(title="Exact")
    vote(exact, "ann", exact.options[:1])

    def order():
        page = text_of(client.get("/?order=votes"))
        return sorted(("In steps", "Exact"), key=page.index)

    for number in range(5):
        assert order() == ["Exact", "In steps"]
        vote(steps, f"v{number}", steps.options[:1])
    assert order() == ["Exact", "In steps"]
    client.get(f"/polls/{steps.slug}/results/")
    assert order() == ["In steps", "Exact"]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"results": "closed"}, "The organiser of the poll sees who has voted. Nobody sees counts before the poll has"),
        (
            {"results": "owner"},
            "The results are shown to the owner of the poll after it has closed, and to nobody before.",
        ),
        ({"results": "always"}, "While the poll is open, nobody is shown who has voted."),
        ({"results": "voted"}, STEPS),
    ],
)
def test_ballot_says_what_is_shown(conn, make_invited_poll, columns, says):
    poll = make_invited_poll(**columns)
    [ann] = invite(conn, poll, "Ann")
    assert says in text_of(follow(ann).get(f"/polls/{poll.slug}/"))


def test_form_recommends_what_protects_and_warns(owner, own_poll):
    page = text_of(owner.get("/polls/new/"))
    assert "For a secret ballot: people whom you invite" in page
    assert "people can then vote, look at the results, and change their vote" in page
    poll = own_poll(changeable=True, results="voted")
    warning = "Voters can vote, look at the results, and then change their votes."
    assert warning in text_of(owner.get(f"/polls/{poll.slug}/manage/"))
    assert warning not in text_of(owner.get(f"/polls/{own_poll(results='voted').slug}/manage/"))


def over_http(address, client):
    """A browser, signed in as the client is, that speaks HTTP with a served site."""
    browser = Browser(address)
    browser.cookies["sessionid"] = client.cookies["sessionid"].value
    return browser


def vote_over_http(address, poll, token, choice):
    browser = Browser(address)
    browser.get(f"/i/{token}/")
    browser.get(f"/polls/{poll.slug}/")
    assert browser.post(f"/polls/{poll.slug}/", [poll.options[choice]])[0] == 303
    return browser


def test_owner_who_watches_the_list_beside_the_counts_learns_no_choice(owner, conn, make_invited_poll):
    """Invited, anonymous, results after closing: what the form recommends."""
    poll = make_invited_poll(results="closed")
    tokens = invite(conn, poll, "Anna", "Boris", "Carla")
    with serve(WEB_CONCURRENCY="1") as address:
        watcher = over_http(address, owner)
        for number, (name, token) in enumerate(zip(("Anna", "Boris", "Carla"), tokens, strict=True)):
            vote_over_http(address, poll, token, number)
            page = watcher.get(f"/polls/{poll.slug}/invites/")[2]
            assert f"<bdi>{name}</bdi></th>\n      <td>voted</td>" in page
            for path in ("results/", "results/?live", "wall/", "embed/", "manage/"):
                assert 'class="number"' not in watcher.get(f"/polls/{poll.slug}/{path}")[2]
            for path in ("results.json", "results.csv"):
                assert watcher.get(f"/polls/{poll.slug}/{path}")[0] == 403
        watcher.get(f"/polls/{poll.slug}/manage/")
        watcher.post(f"/polls/{poll.slug}/manage/close/", [])
        assert '"voters": 3' in watcher.get(f"/polls/{poll.slug}/results.json")[2]


def test_two_invited_and_one_votes(owner, conn, make_invited_poll):
    """ "Anna has voted" does not stand beside "Red 1"."""
    poll = make_invited_poll()
    anna, _ = invite(conn, poll, "Anna", "Boris")
    with serve(WEB_CONCURRENCY="1") as address:
        watcher = over_http(address, owner)
        before = watcher.get(f"/polls/{poll.slug}/results.json")[2]
        voter = vote_over_http(address, poll, anna, 0)
        assert "You voted for" in voter.get(f"/polls/{poll.slug}/results/")[2]
        assert watcher.get(f"/polls/{poll.slug}/results.json")[2] == before
        page = " ".join(watcher.get(f"/polls/{poll.slug}/invites/")[2].split())
        assert re.findall(r"<bdi>(\w+)</bdi></th> <td>([^<]+)</td>", page) == [
            ("Anna", "invited"),
            ("Boris", "invited"),
        ]
        assert "Who has voted is shown after the poll has closed" in page
