"""Results on a wall, inside other pages and over time; what is shared of a poll; and how heavy pages are."""

import re
from datetime import datetime, timedelta, timezone

import pytest
from django.conf import settings
from django.test import Client
from django.utils.html import escape

from polls import queries
from tests.support.paths import BASE_DIR
from tests.support.responses import ask, text_of
from tests.support.rows import cast_over_time

STATIC = BASE_DIR / "polls" / "static" / "polls"
VIEWS = ["results", "wall", "embed"]


def live(client, poll, view, etag=None):
    return client.get(f"/polls/{poll.slug}/{view}/?live", headers={"If-None-Match": etag} if etag else {})


@pytest.mark.parametrize("view", VIEWS)
def test_unchanged_results_are_an_empty_304(client, make_poll, vote, view):
    poll = make_poll()
    etag = live(client, poll, view)["ETag"]
    unchanged = live(client, poll, view, etag)
    assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", etag)
    vote(poll, "ann", poll.options[:1])
    changed = live(client, poll, view, etag)
    assert changed.status_code == 200
    assert changed["ETag"] != etag
    assert "is ahead" in text_of(changed)


def test_page_holds_the_live_part_and_its_etag(client, make_poll):
    poll = make_poll()
    part = live(client, poll, "results")
    assert part.content.decode() in ask(client, poll, "results").content.decode()
    assert f'data-etag="{escape(part["ETag"])}"' in text_of(part)


def test_closing_changes_the_etag_and_ends_the_refreshing(client, make_poll, sql):
    poll = make_poll()
    etag = live(client, poll, "results")["ETag"]
    sql("UPDATE polls_poll SET closes_at = now()")
    part = live(client, poll, "results", etag)
    assert part.status_code == 200
    assert "data-etag" not in text_of(part)
    assert "<script" not in text_of(ask(client, poll, "results"))


def test_live_part_is_of_one_language_and_one_page_and_of_no_viewer(client, make_poll):
    poll = make_poll()
    etags = {live(client, poll, view)["ETag"] for view in VIEWS}
    etags.add(client.get(f"/polls/{poll.slug}/results/?live", headers={"Accept-Language": "de"})["ETag"])
    assert len(etags) == 4
    client.get(f"/polls/{poll.slug}/")
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    parts = [live(each, poll, "results") for each in (client, Client())]
    assert "You voted for" in text_of(ask(client, poll, "results"))
    assert len({(part["ETag"], part.content) for part in parts}) == 1


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("results", ["voted", "closed", "owner"])
def test_hidden_votes_change_nothing_that_can_be_seen(client, make_poll, vote, view, results):
    poll = make_poll(results=results)
    before = [ask(client, poll, view), live(client, poll, view)]
    for number in range(12):
        vote(poll, f"voter-{number}", poll.options[:1])
    after = [ask(client, poll, view), live(client, poll, view)]
    assert [answer.content for answer in after] == [answer.content for answer in before]
    assert live(client, poll, view, before[1]["ETag"]).status_code == 304
    for answer in after:
        assert "<table" not in text_of(answer)
        assert 'class="bar"' not in text_of(answer)


@pytest.mark.parametrize("view", ["wall", "embed"])
def test_public_views_show_what_everybody_may_see_even_to_the_owner(client, make_poll, vote, django_user_model, view):
    owner = django_user_model.objects.create_user("owner")
    poll = make_poll(results="owner", owner_id=owner.pk)
    vote(poll, "ann", poll.options[:1])
    client.force_login(owner)
    assert "The results are shown to the owner" in text_of(ask(client, poll, view))


@pytest.mark.parametrize("view", [*VIEWS, "qr.svg"])
def test_drafts_and_unknown_polls_are_not_found(client, make_poll, view):
    poll = make_poll(opens_in=None)
    if view == "qr.svg":  # it draws any address, and so says nothing about which there are
        assert {client.get(f"/polls/{slug}/qr.svg").status_code for slug in (poll.slug, "nowhere")} == {200}
    else:
        assert {client.get(f"/polls/{slug}/{view}/").status_code for slug in (poll.slug, "nowhere")} == {404}


def test_only_the_embedded_view_may_be_framed_and_it_sets_no_cookie(make_poll):
    poll, client = make_poll(), Client()
    response = ask(client, poll, "embed")
    assert "frame-ancestors *" in response["Content-Security-Policy"]
    assert "X-Frame-Options" not in response
    assert not client.cookies
    assert "Cookie" not in response["Vary"]
    for path in (f"/polls/{poll.slug}/", f"/polls/{poll.slug}/results/", f"/polls/{poll.slug}/wall/", "/"):
        other = client.get(path)
        assert "frame-ancestors 'none'" in other["Content-Security-Policy"]
        assert other["X-Frame-Options"] == "DENY"


def test_short_address_leads_to_the_poll(client, make_poll):
    poll = make_poll(slug="where-to-eat-x7k2m9c4tq")
    make_poll(slug="draft-bcd2345fgh", opens_in=None)
    response = client.get("/s/x7k2m9c4tq/")
    assert (response.status_code, response["Location"]) == (303, f"/polls/{poll.slug}/")
    for code in ("bcd2345fgh", "nowhere", "x7k2m9c4t", "%00", "é" * 300):
        assert client.get(f"/s/{code}/").status_code == 404


def test_qr_code_is_a_picture_of_the_short_address(client, make_poll):
    response = client.get("/polls/where-to-eat-x7k2m9c4tq/qr.svg")
    assert response["Content-Type"] == "image/svg+xml"
    assert "public" in response["Cache-Control"]
    assert b'viewBox="0 0' in response.content
    other = client.get("/polls/another-title-x7k2m9c4tq/qr.svg")
    assert other.content == response.content
    assert client.get("/polls/where-to-eat-x7k2m9c4tr/qr.svg").content != response.content


def test_preview_in_a_chat_tells_the_question_and_no_result(client, make_poll, vote):
    poll = make_poll(title='Tea & "coffee"?', description="Which one?", listed=False)
    vote(poll, "ann", poll.options[:1])
    for path in ("", "results/", "wall/"):
        head = text_of(client.get(f"/polls/{poll.slug}/{path}")).split("</head>")[0]
        assert '<meta property="og:title" content="Tea &amp; &quot;coffee&quot;?">' in head
        assert '<meta property="og:description" content="Which one?">' in head
        assert f'<meta property="og:url" content="http://testserver/polls/{poll.slug}/">' in head
        assert "noindex" in head
        assert "Option 1" not in head


def pace(conn, poll, **asked):
    now = datetime.now(timezone.utc)
    return queries.get_pace(conn, queries.get_results(conn, poll.slug, **asked), now)


def test_pace_counts_every_vote_in_its_step(conn, make_poll, sql):
    poll = make_poll(named=True)
    cast_over_time(sql, poll, 100, 50)
    found = pace(conn, poll)
    assert (found.step, sum(found.counts), len(found.counts)) == (timedelta(minutes=1), 100, 51)
    assert max(found.counts) <= 3


def test_pace_of_an_anonymous_poll_is_coarse(conn, make_poll, sql):
    poll = make_poll()
    cast_over_time(sql, poll, 100, 50)
    found = pace(conn, poll)
    assert (found.step, sum(found.counts), len(found.counts)) == (timedelta(minutes=10), 100, 6)


@pytest.mark.parametrize("minutes", [60 * 24 * 30, 60 * 24 * 365 * 20])
def test_pace_has_sixty_steps_at_most(conn, make_poll, sql, minutes):
    poll = make_poll()
    cast_over_time(sql, poll, 100, minutes)
    found = pace(conn, poll)
    assert sum(found.counts) == 100
    assert 30 <= len(found.counts) <= 60


def test_pace_of_few_voters_or_few_steps_is_not_told(conn, make_poll, sql):
    few, short = make_poll(), make_poll()
    cast_over_time(sql, few, 9, 50)
    cast_over_time(sql, short, 100, 15)
    assert pace(conn, few) is None
    assert pace(conn, short) is None


@pytest.mark.parametrize("results", ["voted", "closed", "owner"])
def test_pace_stands_behind_the_gate_of_the_results(conn, make_poll, sql, results):
    poll = make_poll(results=results)
    cast_over_time(sql, poll, 100, 50)
    assert pace(conn, poll) is None


def test_results_page_shows_the_pace_and_counts_it_once_a_minute(client, make_poll, sql, vote):
    poll = make_poll()
    cast_over_time(sql, poll, 30, 90)
    page = text_of(ask(client, poll, "results"))
    assert "When the votes were cast" in page
    assert re.search(r"Busiest: \d votes, from <time", page)
    vote(poll, "late", poll.options[:1])
    assert "31 people have voted." in text_of(ask(client, poll, "results"))


@pytest.mark.parametrize(("options", "max_choices", "shown"), [(6, 1, 1), (7, 1, 0), (1, 1, 0), (6, 2, 0)])
def test_pie_is_drawn_for_one_choice_among_up_to_six(client, make_poll, vote, options, max_choices, shown):
    poll = make_poll(options=options, max_choices=max_choices)
    assert text_of(ask(client, poll, "results")).count('class="pie"') == 0
    vote(poll, "ann", poll.options[:1])
    page = text_of(ask(client, poll, "results"))
    assert page.count('class="pie"') == shown
    if shown:
        assert 'aria-label="The shares as a pie, lettered as in the table: A 100.0 %"' in page


def test_tie_of_many_is_counted_and_not_listed(client, make_poll, sql, vote):
    poll = make_poll(options=30)
    for number, option in enumerate(poll.options):
        vote(poll, f"voter-{number}", [option])
    assert "A tie: 30 options have 1 vote each." in text_of(ask(client, poll, "results"))


def test_thousands_are_grouped_as_the_language_does(client, make_poll, sql):
    poll = make_poll()
    sql(
        "INSERT INTO polls_vote (poll_id, voter, choices) "
        "SELECT %s, n, ARRAY[%s]::bigint[] FROM generate_series(1, 1234) AS n",
        *(poll.id, poll.options[0]),
    )
    assert '<td class="number">1,234</td>' in text_of(ask(client, poll, "results"))
    german = text_of(client.get(f"/polls/{poll.slug}/results/", headers={"Accept-Language": "de"}))
    assert '<td class="number">1.234</td> <td class="number">100,0&nbsp;%</td>' in german
    assert '<rect width="100.00%"' in german


@pytest.mark.parametrize(
    ("header", "start"), [("ar", '<html lang="ar" dir="rtl">'), ("xx", '<html lang="en" dir="ltr">')]
)
def test_page_names_its_language_and_direction(client, conn, header, start):
    assert start in text_of(client.get("/", headers={"Accept-Language": header}))


@pytest.mark.parametrize(
    ("target", "leads"),
    [("/polls/x/?a=1", "/polls/x/?a=1"), ("https://evil.example/", "/"), ("//evil.example", "/"), ("", "/")],
)
def test_language_is_kept_and_leads_back_to_this_site_only(client, target, leads):
    response = client.get("/language/es/", {"next": target})
    assert (response.status_code, response["Location"]) == (302, leads)
    cookie = client.cookies[settings.LANGUAGE_COOKIE_NAME]
    assert (cookie.value, cookie["samesite"]) == ("es", "Lax")
    assert client.get("/language/xx/").status_code == 404


def test_every_page_is_lighter_than_fifty_kilobytes_with_all_it_loads(client, make_poll, sql):
    poll = make_poll(options=20, description="word " * 900)
    cast_over_time(sql, poll, 100, 60 * 24 * 30)
    for path in ("", "results/", "wall/", "embed/", "qr.svg"):
        body = client.get(f"/polls/{poll.slug}/{path}").content
        loaded = sum((STATIC / name).stat().st_size for name in ("site.css", "live.js", "icon.svg"))
        assert len(body) + loaded < 50_000, path
