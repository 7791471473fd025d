"""Making a poll: required fields, settings, bad input, and times in a time zone."""

import re
from datetime import datetime, time, timedelta, timezone
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from polls import queries
from polls.forms import datetimes, options
from tests.support.poll_forms import LATER, filled, sent, wall
from tests.support.responses import text_of
from tests.support.rows import actors, options_of


def test_question_and_options_are_enough(owner, sql, users):
    page = text_of(owner.get("/polls/new/"))
    zone = re.search(r"<option selected>([^<]+)", page)[1]
    question = {"title": "Tea or coffee?", "options": "Tea\r\n\r\n  Coffee \r\n"}
    response = owner.post("/polls/new/", {**filled(page), "time_zone": zone, **question})
    assert response.status_code == 303
    [(slug, owner_id, state, listed)] = sql(
        "SELECT slug, owner_id, polls_state(opens_at, closes_at, archived_at), listed FROM polls_poll"
    )
    assert response["Location"] == f"/polls/{slug}/manage/"
    assert re.fullmatch(r"tea-or-coffee-[2-9b-z]{10}", slug)
    assert (owner_id, state, listed) == (users["owner"].pk, "open", False)
    assert options_of(sql) == ["Tea", "Coffee"]
    assert actors(sql, "poll added") == actors(sql, "option added") == {"owner"}
    assert "Tea" in text_of(Client().get(f"/polls/{slug}/"))


def test_every_setting_is_written(owner, sql):
    opens, closes = LATER, LATER + timedelta(days=1)
    fields = sent(
        description="One\r\nTwo",
        audience="account",
        named="on",
        changeable="on",
        shuffled="on",
        listed="on",
        min_choices="2",
        max_choices="2",
        results="closed",
        draw_source="the lottery",
        opens="at",
        opens_at=wall(opens, "Asia/Tokyo"),
        closes_at=wall(closes, "Asia/Tokyo"),
        time_zone="Asia/Tokyo",
    )
    assert owner.post("/polls/new/", fields).status_code == 303
    assert sql(
        "SELECT description, audience, named, changeable, shuffled, listed, min_choices, max_choices, results, "
        "draw_source, time_zone, opens_at, closes_at FROM polls_poll"
    ) == [("One\nTwo", "account", True, True, True, True, 2, 2, "closed", "the lottery", "Asia/Tokyo", opens, closes)]


def test_form_that_is_sent_twice_is_one_poll(owner, sql):
    answers = [owner.post("/polls/new/", sent()) for _ in range(2)]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert sql("SELECT count(*) FROM polls_poll") == [(1,)]
    assert options_of(sql) == ["Tea", "Coffee"]


def test_somebody_elses_key_leads_to_nobody_elses_poll(owner, as_user, sql):
    slug = owner.post("/polls/new/", sent())["Location"]
    response = as_user("stranger").post("/polls/new/", sent(), follow=True)
    assert response.redirect_chain == [(slug, 303)]
    assert response.status_code == 404


def test_poll_is_made_by_one_statement(owner, pool, monkeypatch, sql):
    sent_statements = []
    run = queries.editing.fetch_one
    monkeypatch.setattr(queries.editing, "fetch_one", lambda *a, **k: sent_statements.append(a[1]) or run(*a, **k))
    owner.post("/polls/new/", sent(options="\n".join(f"Option {number}" for number in range(1000))))
    assert sent_statements == [queries.editing.CREATE_POLL]
    assert options_of(sql) == [f"Option {number}" for number in range(1000)]


@pytest.mark.parametrize("opens", ["draft", "at"])
def test_poll_that_is_not_open_yet_is_seen_by_its_owner_only(owner, client, opens):
    fields = sent(opens=opens, opens_at=wall(LATER) if opens == "at" else "")
    manage = owner.post("/polls/new/", fields)["Location"]
    assert owner.get(manage).status_code == 200
    assert owner.get(manage.replace("manage", "preview")).status_code == 200
    assert client.get(manage.removesuffix("manage/")).status_code == (404 if opens == "draft" else 200)


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"title": ""}, "title", "Write a question."),
        ({"title": " \u200b "}, "title", "Write a question."),
        ({"title": "x" * 201}, "title", "at most 200 characters"),
        ({"title": "a\x00b"}, "title", "Take out the character that is no text."),
        ({"title": "a\x1bb"}, "title", "Take out the character that is no text."),
        ({"description": "x" * 5001}, "description", "at most 5000 characters"),
        ({"description": "a\x00b"}, "description", "Take out the character that is no text."),
        ({"draw_source": "x" * 201}, "draw_source", "at most 200 characters"),
        ({"options": ""}, "options", "Write at least two options"),
        ({"options": "Tea\n\n  \n"}, "options", "Write at least two options"),
        ({"options": "Tea\nCoffee\n\n TEA "}, "options", "Line 4, “TEA”, looks the same as line 1."),
        ({"options": "Tea\nCoffee\nT\u200bea"}, "options", "looks the same as line 1."),
        ({"options": "Tea\n\u200b\nCoffee"}, "options", "Line 2, “\u200b”, holds nothing that can be seen."),
        ({"options": "Tea\nCof\x00fee"}, "options", "Line 2, “Coffee”, holds a character that is no text."),
        ({"options": "Tea\n" + "x" * 201}, "options", "has 201 characters, and 200 are the most."),
        ({"options": "\n".join(map(str, range(10_000)))}, "options", "There are 10000 options, and 1000 are the most."),
        ({"options": "same\n" * 30}, "options", "… and 19 more lines."),
        ({"audience": "everyone"}, "audience_0", "Select a valid choice."),
        ({"results": ""}, "results_0", "This field is required."),
        ({"min_choices": "0"}, "min_choices", "greater than or equal to 1"),
        ({"min_choices": "2"}, "min_choices", "The fewest choices are no more than the most."),
        ({"max_choices": "3"}, "max_choices", "There are only 2 options."),
        ({"max_choices": "9" * 5000}, "max_choices", "Enter a whole number."),
        ({"max_choices": "many"}, "max_choices", "Enter a whole number."),
        ({"opens": "at"}, "opens_at_0", "Enter a date."),
        ({"opens": "at", "opens_at_1": "12:00"}, "opens_at_0", "Enter a date."),
        ({"closes": "at"}, "closes_at_0", "Enter a date."),
        ({"closes": "never", "closes_at": wall(LATER)}, "closes_0", "You entered a time to close."),
        ({"closes": ""}, "closes_0", "This field is required."),
        ({"opens": "yesterday"}, "opens_0", "Select a valid choice."),
        ({"opens_at": wall(LATER)}, "opens_0", "You entered a time to open."),
        ({"opens": "at", "opens_at": "2020-01-01T12:00"}, "opens_at_0", "The time to open is over."),
        ({"closes_at": "2020-01-01T12:00"}, "closes_at_0", "The time to close is over."),
        ({"closes_at": "soon"}, "closes_at_0", "Enter a date and a time such as"),
        ({"closes_at": "2027-02-30T12:00"}, "closes_at_0", "Enter a date and a time such as"),
        ({"closes_at": "9999-12-31T23:59"}, "closes_at_0", "Enter a year between 2000 and 2999."),
        ({"closes_at": "٢٠٢٧-01-01T12:00"}, "closes_at_0", "Enter a date and a time such as"),
        (
            {"opens": "at", "opens_at": wall(LATER), "closes_at": wall(LATER)},
            "closes_at_0",
            "The poll would close before it opens.",
        ),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "Choose a time zone."),
        ({"time_zone": "../../etc/passwd"}, "time_zone", "Choose a time zone."),
        (
            {"time_zone": "Europe/Berlin", "closes_at": "2998-03-25T02:30"},
            "closes_at_0",
            "put forward then, and skip 02:30. Choose 03:30 instead.",
        ),
        (
            {"time_zone": "Europe/Berlin", "closes_at": "2998-10-28T02:30"},
            "closes_at_0",
            "show 02:30 twice. Choose 01:30 or 03:30 instead.",
        ),
    ],
)
def test_bad_poll_comes_back_with_what_was_typed(owner, sql, fields, field, says):
    typed = sent(description="keep this text", **fields) if "description" not in fields else sent(**fields)
    response = owner.post("/polls/new/", typed)
    assert response.status_code == 200
    page = text_of(response)
    assert re.search(rf'<a href="#id_{field}">[^<]*{re.escape(says)}', page)
    assert f'id="id_{field}"' in page
    assert "<title>Error: " in page
    assert "keep this text" in page or "description" in fields
    assert sql("SELECT count(*) FROM polls_poll") == [(0,)]


def test_errors_keep_every_field(owner):
    typed = sent(
        title="",
        options="Tea\nCof\ufffdfee",
        audience="invite",
        named="on",
        results="owner",
        opens="at",
        opens_at="2027-01-01T12:00",
        closes_at="nonsenseT25:00",
        time_zone="Asia/Tokyo",
        draw_source="dice",
        key="a" * 22,
    )
    page = text_of(owner.post("/polls/new/", typed))
    for kept in (
        "Tea Cof\ufffdfee</textarea>",
        "<option selected>Asia/Tokyo",
        "<details open>",
    ):
        assert kept in page
    kept = ("audience", "named", "results", "opens", "opens_at_0", "opens_at_1", "closes", "closes_at_0", "closes_at_1")
    kept += ("draw_source", "key", "max_choices")
    assert {name: filled(page)[name] for name in kept} == {name: typed[name] for name in kept}
    assert "shuffled" not in filled(page)


def test_title_of_ten_megabytes_is_refused(owner, sql):
    assert owner.post("/polls/new/", sent(title="x" * 10_000_000)).status_code == 400
    assert sql("SELECT count(*) FROM polls_poll") == [(0,)]


def test_lone_surrogates_are_no_text(owner, sql):
    body = "&".join(f"{name}={quote(value)}" for name, value in sent().items() if name != "title")
    owner.post("/polls/new/", f"{body}&title=a%ED%A0%80b", content_type="application/x-www-form-urlencoded")
    assert sql("SELECT title FROM polls_poll") == [("a\ufffd\ufffd\ufffdb",)]
    assert options.is_plain("a\ud800b") is False


def test_forged_fields_are_not_believed(owner, sql, users):
    forged = {"owner": "1", "owner_id": users["staff"].pk, "slug": "mine", "archived_at": "2026-01-01", "id": "1"}
    forged |= {"created_at": "2020-01-01", "actor": "somebody", "user_id": users["staff"].pk, "staff": "1"}
    owner.post("/polls/new/", sent(**forged, opens="draft"))
    [(owner_id, slug, archived_at, opens_at)] = sql("SELECT owner_id, slug, archived_at, opens_at FROM polls_poll")
    assert (owner_id, archived_at, opens_at) == (users["owner"].pk, None, None)
    assert slug.startswith("tea-or-coffee-")
    assert actors(sql, "poll added") == {"owner"}


def test_key_that_is_none_is_replaced(owner, sql):
    owner.post("/polls/new/", sent(key="' OR 1"))
    owner.post("/polls/new/", sent(key="' OR 1"))
    assert sql("SELECT count(*) FROM polls_poll") == [(2,)]


def test_clock_of_the_database_decides_whether_it_closes_before_it_opens(owner, sql, monkeypatch):
    # A web server whose clock is a day late would accept this.
    late = datetime.now(timezone.utc) - timedelta(days=1)
    monkeypatch.setattr("polls.forms.schedule.timezone.now", lambda: late)
    response = owner.post("/polls/new/", sent(closes_at=wall(late + timedelta(hours=1))))
    assert "The poll would close before it opens." in text_of(response)
    assert sql("SELECT count(*) FROM polls_poll") == [(0,)]


def test_options_that_only_the_database_finds_alike_are_an_error(owner, sql, monkeypatch):
    monkeypatch.setattr("polls.forms.options.looks", lambda text: text)
    response = owner.post("/polls/new/", sent(options="Tea\nTEA"))
    assert "Two of the options look the same." in text_of(response)
    assert sql("SELECT count(*) FROM polls_poll") == [(0,)]


def test_next_poll_begins_with_the_zone_of_the_last(owner):
    owner.post("/polls/new/", sent(time_zone="Asia/Tokyo"))
    assert "<option selected>Asia/Tokyo" in text_of(owner.get("/polls/new/"))


def test_poll_is_made_like_another(owner, as_user, own_poll):
    poll = own_poll(title="Where to?", named=True, closes_in="1 hour", audience="account")
    page = text_of(owner.get("/polls/new/", {"like": poll.slug}))
    assert 'value="Where to?"' in page
    assert "Option 1 Option 2 Option 3</textarea>" in page
    kept = {name: filled(page)[name] for name in ("named", "audience", "opens", "closes", "closes_at_0")}
    assert kept == {"named": "on", "audience": "account", "opens": "now", "closes": "never", "closes_at_0": ""}
    assert "This begins as a copy." in page
    assert "Left as they are" not in page
    stranger = text_of(as_user("stranger").get("/polls/new/", {"like": poll.slug}))
    assert "Where to?" not in stranger
    assert "Option 1" not in stranger


@pytest.mark.parametrize(
    "text",
    [
        "Tea",
        "  Tea\u00a0 time ",
        "\uff34\uff25\uff21",
        "T\u200be\u2060a",
        "ﬁne",
        "Ä",
        "Straße",
        "\u202etea",
        "½",
        "\u200b",
    ],
)
def test_texts_look_the_same_here_and_in_the_database(sql, text):
    assert sql("SELECT polls_looks(%s)", text) == [(options.looks(text),)]


@pytest.mark.parametrize(
    ("written", "zone", "moment"),
    [
        ("2027-01-01T12:00", "Europe/Berlin", "2027-01-01T11:00:00+00:00"),
        ("2027-07-01T12:00", "Europe/Berlin", "2027-07-01T10:00:00+00:00"),
        ("2027-03-28T01:59", "Europe/Berlin", "2027-03-28T00:59:00+00:00"),
        ("2027-03-28T02:00", "Europe/Berlin", "skip 02:00. Choose 03:00"),
        ("2027-03-28T03:00", "Europe/Berlin", "2027-03-28T01:00:00+00:00"),
        ("2027-10-31T02:00", "Europe/Berlin", "show 02:00 twice. Choose 01:00 or 03:00"),
        ("2027-10-31T03:00", "Europe/Berlin", "2027-10-31T02:00:00+00:00"),
        ("2027-04-04T01:45", "Australia/Lord_Howe", "show 01:45 twice. Choose 01:15 or 02:15"),
        ("2027-03-28T02:30", "UTC", "2027-03-28T02:30:00+00:00"),
    ],
)
def test_wall_clock_that_skips_or_repeats_an_hour(written, zone, moment):
    clock = ZoneInfo(zone)
    field = datetimes.LocalDateTimeField(without_time=time(23, 59))
    if not moment.startswith("2"):
        with pytest.raises(ValidationError, match=moment):
            datetimes.to_aware(field.clean(written.split("T")), clock)
        return
    read = datetimes.to_aware(field.clean(written.split("T")), clock)
    assert read.astimezone(timezone.utc).isoformat() == moment
    assert datetimes.to_local(read, clock).isoformat(timespec="minutes") == written


def test_date_without_a_time_opens_with_that_day_and_closes_at_its_end(owner, sql):
    day = f"{LATER:%Y-%m-%d}"
    owner.post("/polls/new/", sent(opens="at", opens_at=day, closes_at=day))
    assert sql("SELECT opens_at::text, closes_at::text FROM polls_poll") == [
        (f"{day} 00:00:00+00", f"{day} 23:59:00+00")
    ]
