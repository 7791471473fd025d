"""Pages that visitors share: rendered once, never out of date, and without anything of another visitor."""

import re

import pytest
from cachetools import LRUCache
from django.contrib.auth.models import User
from django.core.signing import TimestampSigner
from django.test import Client
from django.utils import timezone

from polls.views import shared_pages
from tests.support.paths import BASE_DIR
from tests.support.voters import signed_in

VOTING_PAGES = ("", "results/", "wall/", "embed/")
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


def get(visitor, path):
    """The page that a visitor gets: cookies and headers of one request, in a browser that keeps nothing of it."""
    cookies, headers = visitor
    client = Client(headers={"Host": "testserver", **headers})
    client.cookies.load(cookies)
    return client.get(path)


def shown(visitor, path):
    """What that page shows, without the token of its forms."""
    response = get(visitor, path)
    assert response.status_code == 200
    return TOKEN.sub("", response.content.decode())


def cookies_of(client):
    return {name: cookie.value for name, cookie in client.cookies.items()}


def after_voting(poll, option):
    """The cookies of a browser in which somebody has voted."""
    client = Client()
    client.get(f"/polls/{poll.slug}/")
    ballot = re.search(r'name="ballot" value="(\w+)"', client.get(f"/polls/{poll.slug}/").content.decode())[1]
    data = {"choices": [option], "ballot": ballot}
    assert client.post(f"/polls/{poll.slug}/", data).status_code == 303
    return cookies_of(client)


@pytest.fixture(autouse=True)
def one_minute(monkeypatch):
    """Let the clock of the site stand still: the pages of the next minute are others."""
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)


@pytest.fixture
def visitors(own_poll, users, settings):
    """A poll, and visitors to it who differ from the first in one thing each, by what that is."""
    settings.ALLOWED_HOSTS = ["testserver", "polls.example"]
    poll = own_poll(listed=True, changeable=True)
    voted = after_voting(poll, poll.options[0])
    with_receipt = Client()
    with_receipt.cookies.load(voted)
    receipt = re.search(r"<code[^>]*>(\d+-[\w-]+)</code>", with_receipt.get(f"/polls/{poll.slug}/").content.decode())[1]
    elsewhere = Client()
    assert elsewhere.post(f"/polls/{poll.slug}/receipt/", {"code": receipt}).status_code == 303
    return poll, {
        "nothing": ({}, {}),
        "the language of the browser": ({}, {"Accept-Language": "de"}),
        "the language chosen": ({"django_language": "ar"}, {}),
        "the host": ({}, {"Host": "polls.example"}),
        "a choice": (voted, {}),
        "the same choice with another receipt": (after_voting(poll, poll.options[0]), {}),
        "another choice": (after_voting(poll, poll.options[1]), {}),
        "a receipt used": (cookies_of(elsewhere), {}),
        "a session": (cookies_of(signed_in(users["stranger"])), {}),
        "owning the poll": (cookies_of(signed_in(users["owner"])), {}),
    }


@pytest.mark.parametrize("page", [*(f"/polls/SLUG/{page}" for page in VOTING_PAGES), "/", "/?q=poll"])
def test_no_visitor_is_shown_the_page_of_another(visitors, page):
    poll, people = visitors
    path = page.replace("SLUG", poll.slug)
    alone = {}
    for who, visitor in people.items():
        shared_pages.forget()
        alone[who] = shown(visitor, path)
    shared_pages.forget()
    for who in [*people, *reversed(people)]:
        assert shown(people[who], path) == alone[who], who
    assert alone["the language of the browser"] != alone["nothing"] != alone["the language chosen"]


def test_ballot_shows_each_visitor_something_of_their_own(visitors):
    poll, people = visitors
    pages = {who: shown(visitor, f"/polls/{poll.slug}/") for who, visitor in people.items()}
    assert len(set(pages.values())) == len(people)


@pytest.mark.parametrize("page", VOTING_PAGES)
def test_page_shows_what_the_database_says_now(visitors, owner_sql, sql, vote, page):
    poll, people = visitors
    changes = [
        lambda: vote(poll, "carl", poll.options[:1]),
        lambda: owner_sql("UPDATE polls_poll SET closes_at = now() + interval '1 hour' WHERE id = %s", poll.id),
        lambda: owner_sql("UPDATE polls_poll SET closes_at = now() + interval '2 hours' WHERE id = %s", poll.id),
        lambda: owner_sql("UPDATE polls_poll SET listed = false WHERE id = %s", poll.id),
        lambda: owner_sql("UPDATE polls_poll SET closes_at = clock_timestamp() WHERE id = %s", poll.id),
        lambda: sql("UPDATE polls_poll SET archived_at = clock_timestamp() WHERE id = %s", poll.id),
    ]
    for change in changes:
        change()
        for who in ("nothing", "a choice", "a receipt used"):
            kept = shown(people[who], f"/polls/{poll.slug}/{page}")
            shared_pages.forget()
            assert kept == shown(people[who], f"/polls/{poll.slug}/{page}")


def test_second_visitor_costs_one_statement_and_no_rendering(client, make_poll, pool, django_assert_num_queries):
    poll = make_poll(listed=True)
    for path in (*(f"/polls/{poll.slug}/{page}" for page in VOTING_PAGES), "/"):
        first = client.get(path)
        before = pool.get_stats()["requests_num"]
        with django_assert_num_queries(0):
            second = Client().get(path)
        assert pool.get_stats()["requests_num"] == before + 1
        assert len(first.templates) > 0 == len(second.templates), path
        assert TOKEN.sub("", first.content.decode()) == TOKEN.sub("", second.content.decode())


def test_vote_of_another_renders_the_counts_anew_and_not_the_page_around_them(client, make_poll, vote):
    poll = make_poll()
    client.get(f"/polls/{poll.slug}/results/")
    vote(poll, "ann", poll.options[:1])
    response = client.get(f"/polls/{poll.slug}/results/")
    assert "1 person has voted." in response.content.decode()
    assert {template.name for template in response.templates} == {"polls/_live_results.html"}


def test_page_with_shuffled_options_is_shared_around_them(make_poll, vote):
    poll = make_poll(options=8, shuffled=True, max_choices=2, changeable=True)
    people = [Client() for _ in range(4)]
    first, *others = [person.get(f"/polls/{poll.slug}/") for person in people]
    assert first.templates
    orders = [re.findall(r'name="choices" value="(\d+)"', page.content.decode()) for page in (first, *others)]
    assert len({tuple(order) for order in orders}) > 1
    assert {frozenset(order) for order in orders} == {frozenset(str(option) for option in poll.options)}
    for person, page, order in zip(people[1:], others, orders[1:], strict=True):
        assert page.templates == []
        # A ballot that comes back with an error is not shared, and has the same order.
        again = person.post(f"/polls/{poll.slug}/", {}).content.decode()
        assert re.findall(r'name="choices" value="(\d+)"', again) == order
        assert f'href="#option-{order[0]}"' in again
        person.post(f"/polls/{poll.slug}/", {"choices": order[:2]})
        changed = person.get(f"/polls/{poll.slug}/").content.decode()
        assert re.findall(r'value="(\d+)" id="option-\d+" checked', changed) == order[:2]


def test_form_of_a_shared_page_has_a_token_of_the_visitors_own(make_poll, sql):
    poll = make_poll()
    people = [Client(enforce_csrf_checks=True) for _ in range(3)]
    tokens = [TOKEN.search(person.get(f"/polls/{poll.slug}/").content.decode())[1] for person in people]
    assert len(set(tokens)) == 3

    def send(person, token):
        data = {"choices": poll.options[:1], "csrfmiddlewaretoken": token}
        return person.post(f"/polls/{poll.slug}/", data).status_code

    assert send(people[0], tokens[1]) == 403
    assert [send(person, token) for person, token in zip(people, tokens, strict=True)] == [303] * 3
    assert sql("SELECT count(*) FROM polls_vote") == [(3,)]


def test_form_that_is_sent_again_is_not_kept(client, make_poll):
    poll = make_poll(max_choices=2, min_choices=2)
    client.get(f"/polls/{poll.slug}/")
    for _ in range(2):
        response = client.post(f"/polls/{poll.slug}/", {"choices": poll.options[:1]})
        assert "1 option was chosen." in response.content.decode()
        assert response.templates


def test_page_without_a_body_has_the_headers_of_the_page(client, make_poll):
    path = f"/polls/{make_poll().slug}/results/"
    page, head = client.get(path), client.head(path)
    assert dict(head.headers) == dict(page.headers)


def test_pages_take_no_more_memory_than_they_may(monkeypatch):
    size = 100_000
    kept = LRUCache(size, getsizeof=lambda page: page.size)
    monkeypatch.setattr(shared_pages, "KEPT_BYTES", size)
    monkeypatch.setattr(shared_pages, "_kept", kept)
    for number in range(100):
        assert shared_pages.rendered(("x" * 1000, number), lambda: "y" * 9000) == b"y" * 9000
        assert sum(len(key) + len(page.html) for key, page in kept.items()) <= size
    assert len(kept) == 9
    assert shared_pages.rendered("large", lambda: "z" * size) == b"z" * size
    assert len(kept) == 9


def test_caches_are_told_that_the_front_page_depends_on_cookies(client, make_poll):
    """It shows who is signed in. The others are never kept."""
    poll = make_poll(listed=True)
    assert set(client.get("/")["Vary"].split(", ")) == {"Cookie", "Accept-Language"}
    for page in VOTING_PAGES:
        assert "no-store" in client.get(f"/polls/{poll.slug}/{page}")["Cache-Control"]


def test_templates_of_shared_pages_ask_nothing_of_the_request():
    templates = BASE_DIR / "polls" / "templates"
    seen, left = set(), ["base.html", *(f"polls/{name}.html" for name in ("poll", "results", "wall", "embed"))]
    left.append("polls/poll_list.html")
    while left:
        name = left.pop()
        seen.add(name)
        text = (templates / name).read_text()
        assert "request" not in text, name
        left += {*re.findall(r'{% include "([^"]+)"', text)} - seen
    assert len(seen) > 10


def test_signed_in_visitor_is_never_given_a_shared_page(make_poll, transactional_db):
    poll = make_poll()
    path = f"/polls/{poll.slug}/"
    Client().get(path)
    page = signed_in(User.objects.create_user("ann")).get(path)
    assert "My polls" in page.content.decode()
    assert "My polls" not in Client().get(path).content.decode()
    forged = Client()
    forged.cookies["sessionid"] = TimestampSigner(key="k").sign("x")
    assert "My polls" not in forged.get(path).content.decode()


def test_who_has_voted_waits_for_no_read_of_others(voter, monkeypatch):
    client, poll = voter
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[:1]})

    def refuse(key, read):
        raise AssertionError(key)

    monkeypatch.setattr("polls.views.shortcuts.read_together", refuse)
    for page in ("", "results/"):
        assert "You voted for" in client.get(f"/polls/{poll.slug}/{page}").content.decode()
        with pytest.raises(AssertionError):
            Client().get(f"/polls/{poll.slug}/{page}")
