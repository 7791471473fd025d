"""Owners in a browser: making a poll, entering dates, copying links, printing slips."""

import pytest

from tests.support.poll_forms import LATER

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SOON = LATER.date()


@pytest.fixture
def ann(transactional_db, django_user_model):
    return django_user_model.objects.create_user("ann")


def write(page):
    page.get_by_label("Question").fill("Tea or coffee?")
    page.get_by_role("textbox", name="Options").fill("Tea\nCoffee")


def make(page):
    page.get_by_role("button", name="Make the poll").click()
    page.wait_for_url("**/manage/")


def test_poll_is_made_by_keyboard_alone_and_voted_in(visit_signed_in, visit, ann, sql):
    page = visit_signed_in(ann, "/polls/new/")
    page.get_by_label("Question").focus()
    page.keyboard.type("Tea or coffee?")
    page.keyboard.press("Tab")
    page.keyboard.type("Tea\nCoffee")
    while page.evaluate("document.activeElement.className") != "primary":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/manage/")
    voter = visit(page.locator(".share a code").inner_text().removeprefix(page.url.split("/polls/")[0]))
    voter.get_by_label("Coffee").check()
    voter.get_by_role("button", name="Vote").click()
    voter.get_by_text("You voted for Coffee.").wait_for()
    assert voter.get_by_role("link", name="Manage this poll").count() == 0
    page.get_by_role("link", name="See the results").click()
    page.get_by_text("1 person has voted.").wait_for()
    page.get_by_role("link", name="Manage this poll").click()
    page.wait_for_url("**/manage/")


def test_date_that_is_typed_is_meant(visit_signed_in, ann, sql):
    page = visit_signed_in(ann, "/polls/new/", timezone_id="Asia/Tokyo")
    write(page)
    page.get_by_label("Date to close").fill(SOON.isoformat())
    assert page.get_by_label("At this time:").first.is_checked()
    make(page)
    assert sql("SELECT time_zone, closes_at AT TIME ZONE 'Asia/Tokyo' = %s + time '23:59' FROM polls_poll", SOON) == [
        ("Asia/Tokyo", True)
    ]


@pytest.mark.parametrize("half", ["12", "12\t12"])
def test_half_a_date_is_not_lost(visit_signed_in, ann, sql, half):
    page = visit_signed_in(ann, "/polls/new/")
    write(page)
    page.get_by_label("Date to close").click()
    page.keyboard.type(half)
    page.get_by_role("button", name="Make the poll").click()
    page.wait_for_timeout(300)
    assert page.url.endswith("/polls/new/")
    assert page.evaluate("document.activeElement.name") == "closes_at_0"
    assert sql("SELECT count(*) FROM polls_poll") == [(0,)]


def test_without_javascript_a_date_without_its_choice_is_asked_about(visit_signed_in, ann, sql):
    page = visit_signed_in(ann, "/polls/new/", java_script_enabled=False)
    write(page)
    page.get_by_label("Date to close").fill(SOON.isoformat())
    page.get_by_role("button", name="Make the poll").click()
    page.get_by_role("alert").get_by_text("You entered a time to close.").wait_for()
    page.get_by_label("At this time:").first.check()
    make(page)
    assert sql("SELECT closes_at::date FROM polls_poll") == [(SOON,)]


def test_time_zone_is_the_browsers_for_a_first_poll_and_then_the_last_one_used(visit_signed_in, ann):
    page = visit_signed_in(ann, "/polls/new/", timezone_id="Europe/Berlin")
    assert page.get_by_label("Time zone").input_value() == "Europe/Berlin"
    page.get_by_label("Time zone").select_option("America/Lima")
    write(page)
    make(page)
    page.goto("/polls/new/")
    assert page.get_by_label("Time zone").input_value() == "America/Lima"


def test_link_is_copied(visit_signed_in, ann, make_poll):
    poll = make_poll(owner_id=ann.pk)
    page = visit_signed_in(ann, f"/polls/{poll.slug}/manage/", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").endswith(f"/s/{poll.slug[-10:]}/")


def test_slips_leave_the_links_where_they_are(visit_signed_in, ann, make_poll):
    poll = make_poll(owner_id=ann.pk, audience="invite")
    page = visit_signed_in(ann, f"/polls/{poll.slug}/manage/")
    page.get_by_role("link", name="Invite people").first.click()
    page.get_by_label("People, one a line").fill("Ann\nBob")
    page.get_by_role("button", name="Check the list").click()
    page.get_by_role("button", name="Create 2 invitations").click()
    links = page.locator("td code").all_inner_texts()
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Slips 1 to 2").click()
    assert opened.value.locator(".slips code").all_inner_texts() == links
    assert page.locator("td code").all_inner_texts() == links
