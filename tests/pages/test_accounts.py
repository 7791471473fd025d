"""Accounts: signing up, in and out, passwords, and the links in the header."""

from urllib.parse import quote

import pytest
from django.contrib.auth.forms import UserCreationForm
from django.db import IntegrityError

from polls import rate_limits
from tests.support.responses import text_of

PASSWORD = "correct horse battery"


def test_account_is_made_and_signed_in(client, transactional_db):
    response = client.post("/accounts/new/", {"username": "ann", "password1": PASSWORD, "password2": PASSWORD})
    assert response["Location"] == "/mine/"
    assert "You are signed in as <bdi>ann</bdi>." in text_of(client.get("/mine/"))


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/polls/new/", "/polls/new/"),
        ("https://evil.example/", "/mine/"),
        ("//evil.example/", "/mine/"),
        ("", "/mine/"),
    ],
)
def test_new_account_leads_back_to_this_site_only(client, transactional_db, target, leads_to):
    assert quote(target, "/") in text_of(client.get("/accounts/new/", {"next": target})) or leads_to == "/mine/"
    fields = {"username": "ann", "password1": PASSWORD, "password2": PASSWORD, "next": target}
    assert client.post("/accounts/new/", fields)["Location"] == leads_to
    assert client.get("/accounts/new/", {"next": target})["Location"] == leads_to


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"username": ""}, '<a href="#id_username">This field is required.'),
        ({"username": "OWNER"}, '<a href="#id_username">A user with that username already exists.'),
        ({"username": "a\x00b"}, '<a href="#id_username">'),
        ({"username": "Anna Weber"}, '<a href="#id_username">Letters, digits and @ . + - _ only, and no spaces.'),
        ({"username": "x" * 200}, '<a href="#id_username">'),
        ({"password2": "another"}, '<a href="#id_password2">'),
        ({"password1": "12345", "password2": "12345"}, '<a href="#id_password2">'),
    ],
)
def test_bad_account_comes_back_with_an_error(client, users, django_user_model, fields, says):
    response = client.post(
        "/accounts/new/", {"username": "ann", "password1": PASSWORD, "password2": PASSWORD, **fields}
    )
    assert response.status_code == 200
    assert says in text_of(response)
    assert PASSWORD not in text_of(response)
    assert django_user_model.objects.count() == len(users)


def test_name_that_is_taken_meanwhile_is_an_error_on_the_page(client, transactional_db, monkeypatch):
    def taken(*_args, **_kwargs):
        raise IntegrityError

    monkeypatch.setattr(UserCreationForm, "save", taken)
    response = client.post("/accounts/new/", {"username": "ann", "password1": PASSWORD, "password2": PASSWORD})
    assert "A user with that username already exists." in text_of(response)


def test_accounts_can_be_switched_off(client, transactional_db, settings):
    assert "/accounts/new/" in text_of(client.get("/accounts/login/"))
    settings.SIGN_UP = False
    assert client.get("/accounts/new/").status_code == 404
    fields = {"username": "ann", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/new/", fields).status_code == 404
    assert "/accounts/new/" not in text_of(client.get("/accounts/login/"))


def test_accounts_are_not_made_by_the_thousand(client, transactional_db, settings):
    settings.LIMITS_PER_MINUTE = settings.LIMITS_PER_MINUTE | {"sign_ups": 2}
    rate_limits.reset()
    codes = [client.post("/accounts/new/", {"username": ""}).status_code for _ in range(3)]
    rate_limits.reset()
    assert codes == [200, 200, 429]


def test_password_is_changed(client, django_user_model, transactional_db):
    client.force_login(django_user_model.objects.create_user("ann", password=PASSWORD))
    wrong = {"old_password": "x", "new_password1": "another one 1", "new_password2": "another one 1"}
    assert '<a href="#id_old_password">' in text_of(client.post("/accounts/password/", wrong))
    response = client.post("/accounts/password/", {**wrong, "old_password": PASSWORD}, follow=True)
    assert "Your password is changed" in text_of(response)
    assert client.get("/mine/").status_code == 200
    assert django_user_model.objects.get().check_password("another one 1")


def test_who_signs_out_is_out_and_only_by_post(owner):
    assert owner.get("/accounts/logout/").status_code == 405
    owner.post("/accounts/logout/")
    assert owner.get("/mine/")["Location"] == "/accounts/login/?next=/mine/"


@pytest.mark.parametrize("path", ["/", "/accounts/login/"])
def test_header_of_a_visitor_offers_to_sign_in_without_asking_the_database(
    client, conn, path, django_assert_num_queries
):
    with django_assert_num_queries(0):
        page = text_of(client.get(path))
    assert 'href="/accounts/login/"' in page
    assert 'href="/polls/new/"' in page


def test_busy_site_says_so_to_who_is_signed_in_without_asking_who_that_is(owner, monkeypatch):
    from django.db import OperationalError

    def gone(*_arguments, **_keywords):
        raise OperationalError("gone")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", gone)
    response = owner.get("/mine/")
    assert response.status_code == 503
    assert "The site is busy or restarting" in text_of(response)


def test_who_wants_to_make_a_poll_is_told_why_to_sign_in(client, transactional_db, settings):
    page = text_of(client.get("/polls/new/", follow=True))
    assert "To make a poll you need an account." in page
    assert 'href="/accounts/new/?next=/polls/new/"' in page
    settings.SIGN_UP = False
    assert "/accounts/new/" not in text_of(client.get("/polls/new/", follow=True))
    assert "To make a poll" not in text_of(client.get("/accounts/login/"))


def test_wrong_password_is_called_wrong(client, users):
    page = text_of(client.post("/accounts/login/", {"username": "owner", "password": "no"}))
    assert "Username or password is wrong." in page
