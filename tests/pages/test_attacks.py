"""Attacks: markup, forged requests, floods and strange input; and a server that dies, and a wrong clock."""

import json
import re
import threading
import time

import pytest
from django.test import Client

from polls import rate_limits
from tests.support.commands import run_manage
from tests.support.poll_forms import poll_form
from tests.support.responses import text_of
from tests.support.rows import votes
from tests.support.servers import Server, wait_until
from tests.support.site import Browser, serve

EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ settings.SECRET_KEY }}{% debug %}",
    "javascript:alert(1)",
    "\u202egnitov\u202c",
    "=HYPERLINK(1)",
    "Robert'); DROP TABLE polls_vote;--",
]


@pytest.mark.parametrize("text", EVIL)
def test_text_of_users_is_only_text_on_every_page(client, admin_client, make_poll, sql, text):
    poll = make_poll(title=text, description=text, draw_source=text)
    sql("UPDATE polls_option SET text = id || %s", text)
    client.get(f"/polls/{poll.slug}/")
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    pages = [
        client.get(path)
        for path in ("/", f"/polls/{poll.slug}/", f"/polls/{poll.slug}/results/", f"/?q={text.replace('=', '%3D')}")
    ]
    pages += [admin_client.get(f"/admin/polls/{path}") for path in ("poll/", f"poll/{poll.id}/change/", "event/")]
    for page in pages:
        assert page.status_code == 200
        body = page.content.decode()
        assert "<script>alert" not in body
        assert "<img src=x" not in body
        assert 'href="javascript:alert' not in body
        assert "SECRET_KEY }}" in body or "SECRET_KEY" not in body


def test_bidirectional_text_is_kept_in_its_place(client, make_poll, sql):
    """A right-to-left override in an option must not reverse the counts beside it."""
    poll = make_poll()
    sql("UPDATE polls_option SET text = id || %s", "\u202egnitov")
    for path in ("", "results/"):
        page = text_of(client.get(f"/polls/{poll.slug}/{path}"))
        assert page.count("\u202egnitov</bdi>") == 3


def test_pages_allow_no_foreign_and_no_inline_code(client, make_poll):
    poll = make_poll()
    for path in ("/", f"/polls/{poll.slug}/", f"/polls/{poll.slug}/results/", "/accounts/login/", "/nowhere/"):
        response = client.get(path)
        policy = response["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        body = response.content.decode()
        assert " style=" not in body
        assert "<script" not in re.sub(r'<script src="/static/polls/live\.(\w+\.)?js" defer></script>', "", body)
        assert "<style" not in body
        assert " onclick=" not in body


def test_vote_from_another_origin_is_refused(make_poll, sql):
    poll, client = make_poll(), Client(enforce_csrf_checks=True)
    client.get(f"/polls/{poll.slug}/")
    token = client.cookies["csrftoken"].value
    form = {"choices": poll.options[0], "csrfmiddlewaretoken": token}
    response = client.post(f"/polls/{poll.slug}/", form, headers={"Origin": "https://evil.example"})
    assert response.status_code == 403
    response = client.post(f"/polls/{poll.slug}/", {**form, "csrfmiddlewaretoken": "x" * 32})
    assert response.status_code == 403
    assert votes(sql) == 0
    client.post(f"/polls/{poll.slug}/", form)
    assert votes(sql) == 1


def test_vote_by_an_image_is_none(make_poll, sql):
    poll, client = make_poll(), Client()
    client.get(f"/polls/{poll.slug}/")
    client.get(f"/polls/{poll.slug}/?choices={poll.options[0]}", headers={"Accept": "image/*"})
    assert votes(sql) == 0


def test_fields_that_the_ballot_does_not_have_change_nothing(client, make_poll, sql):
    poll = make_poll()
    client.get(f"/polls/{poll.slug}/")
    forged = {
        "choices": poll.options[0],
        "cast_at": "2000-01-01",
        "voter": "mallory",
        "owner": 1,
        "state": "closed",
        "closes_at": "2000-01-01",
        "audience": "account",
    }
    client.post(f"/polls/{poll.slug}/", forged)
    assert sql("SELECT voter = 'mallory', cast_at > now() - interval '1 minute' FROM polls_vote") == [(False, True)]
    assert sql("SELECT closes_at, audience, owner_id FROM polls_poll") == [(None, "link", None)]


def test_cookie_of_one_poll_is_no_second_vote_in_another(client, make_poll, sql):
    first, second = make_poll(), make_poll()
    client.get(f"/polls/{first.slug}/")
    replayed = client.cookies["voter"].value
    for _ in range(2):
        other = Client()
        other.cookies["voter"] = replayed
        other.post(f"/polls/{second.slug}/", {"choices": second.options[0]})
    assert votes(sql) == 1


@pytest.mark.parametrize("slug", ["x" * 5000, "%00", "%ED%A0%80", "..%2f..%2fetc", "'%20OR%20'1'='1", "%F0%9F%98%80"])
def test_strange_address_is_not_found(client, conn, slug):
    for path in ("", "results/", "results.json", "results.csv"):
        assert client.get(f"/polls/{slug}/{path}").status_code == 404


def test_ten_thousand_options_are_shown_and_counted(client, make_poll, sql):
    poll = make_poll(options=10_000)
    assert text_of(client.get(f"/polls/{poll.slug}/")).count('name="choices"') == 10_000
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[9_999]})
    assert votes(sql) == 1
    assert client.get(f"/polls/{poll.slug}/results.json").json()["options"][9_999]["votes"] == 1


def test_title_of_ten_megabytes_is_refused(admin_client, transactional_db):
    response = admin_client.post("/admin/polls/poll/add/", poll_form(title="x" * 10_000_000))
    assert response.status_code == 400


@pytest.mark.parametrize(
    "twin",
    ["option 1", " Option  1 ", "\uff2f\uff30\uff34\uff29\uff2f\uff2e \uff11", "Option\u00a01", "Option 1\u200b"],
)
def test_options_that_look_the_same_are_one(make_poll, sql, refused, twin):
    poll = make_poll()
    with refused("polls_option_looks"):
        sql("INSERT INTO polls_option (poll_id, text) VALUES (%s, %s)", poll.id, twin)


def test_superuser_does_not_vote_after_closing(admin_client, make_poll, sql):
    poll = make_poll(audience="account", opens_in="-2 hours", closes_in="-1 hour")
    admin_client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert votes(sql) == 0


@pytest.mark.parametrize("offset", [3600, -3600])
def test_clock_of_the_web_server_decides_nothing(client, make_poll, sql, monkeypatch, offset):
    """The web server's clock is an hour off; by the database's, polls closed a minute ago or close in a minute."""
    closed, closing = make_poll(closes_in="-1 minute"), make_poll(closes_in="1 minute")
    client.get(f"/polls/{closing.slug}/")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + offset)
    for poll in (closed, closing):
        client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    assert sql("SELECT poll_id FROM polls_vote") == [(closing.id,)]


def test_wrong_passwords_are_limited(client, django_user_model, transactional_db):
    django_user_model.objects.create_user("ann", password="correct horse")
    for _ in range(10):
        client.post("/accounts/login/", {"username": "ann", "password": "wrong"})
    response = client.post("/accounts/login/", {"username": "ann", "password": "correct horse"})
    assert response.status_code == 429
    assert "Please wait a quarter of an hour" in text_of(response)


def test_votes_of_one_address_are_limited(make_poll, settings, sql):
    rate_limits.reset()
    settings.LIMITS_PER_MINUTE = {**settings.LIMITS_PER_MINUTE, "votes": 3}
    poll = make_poll()
    answers = []
    for _ in range(4):
        client = Client()
        client.get(f"/polls/{poll.slug}/")
        answers.append(client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]}))
    assert [answer.status_code for answer in answers] == [303, 303, 303, 429]
    assert 1 <= int(answers[3]["Retry-After"]) <= 120
    assert votes(sql) == 3
    rate_limits.reset()


@pytest.mark.slow
def test_vote_that_is_said_to_count_is_there_after_the_server_was_killed():
    """PostgreSQL is killed while voters vote at full speed: every redirect to the results is a vote in the table."""
    server = Server()
    database = {"DATABASE_URL": f"postgres://postgres@127.0.0.1:{server.port}/postgres"}
    counted, stop = [], threading.Event()

    def vote_on_and_on(address: str, path: str, option: int) -> None:
        while not stop.is_set():
            browser = Browser(address)
            browser.get(path)
            status, headers, _ = browser.post(path, [option])
            if status == 303 and headers["Location"].endswith("/results/"):
                counted.append(browser)

    try:
        server.start()
        run_manage("migrate", "--verbosity", "0", **database)
        [poll] = json.loads(run_manage("seed_polls", "--polls", "1", "--votes", "0", "--json", **database))
        path = f"/polls/{poll['slug']}/"
        with serve(**database, VOTES_PER_MINUTE="0") as address:
            threads = [
                threading.Thread(target=vote_on_and_on, args=(address, path, poll["options"][0])) for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for votes_before in (40, 80):
                wait_until(lambda enough=votes_before: len(counted) >= enough, 30)
                server.stop()  # at once, with transactions under way
                server.start()
            wait_until(lambda: len(counted) >= 120, 30)
            stop.set()
            for thread in threads:
                thread.join()
            [(votes,)] = server.run("SELECT count(*) FROM polls_vote")
            assert votes >= len(counted)
            for browser in counted:
                assert "You voted for" in browser.get(path)[2]
    finally:
        stop.set()
        server.remove()
