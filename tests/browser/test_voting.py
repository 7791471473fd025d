"""Voting in a browser: by mouse, keyboard and touch, without JavaScript, from right to left; and live results."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def votes(sql):
    return sql("SELECT choices FROM polls_vote")


def test_vote_by_mouse_on_the_whole_row(visit, make_poll, sql):
    poll = make_poll()
    page = visit(f"/polls/{poll.slug}/")
    row = page.locator(".option").nth(1)
    box = row.bounding_box()
    row.click(position={"x": box["width"] - 5, "y": box["height"] / 2})
    page.get_by_role("button", name="Vote").click()
    page.get_by_text("You voted for Option 2.").wait_for()
    assert page.url.endswith("/results/")
    assert votes(sql) == [([poll.options[1]],)]


def test_vote_by_keyboard_alone(visit, make_poll, sql):
    poll = make_poll()
    page = visit(f"/polls/{poll.slug}/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "choices"
    assert page.locator("input:checked").count() == 0
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("You voted for Option 2.").wait_for()
    assert votes(sql) == [([poll.options[1]],)]


def test_vote_with_several_choices_by_keyboard(visit, make_poll, sql):
    poll = make_poll(max_choices=2)
    page = visit(f"/polls/{poll.slug}/")
    page.locator("input[name=choices]").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.get_by_text("You voted for Option 1 and Option 3.").wait_for()
    assert votes(sql) == [([poll.options[0], poll.options[2]],)]


def test_vote_without_javascript(visit, make_poll, sql):
    poll = make_poll(changeable=True)
    page = visit(f"/polls/{poll.slug}/", java_script_enabled=False)
    page.get_by_role("button", name="Vote").click()
    page.get_by_role("link", name="Choose an option.").click()
    page.get_by_label("Option 3").check()
    page.get_by_role("button", name="Vote").click()
    page.get_by_text("You voted for Option 3.").wait_for()
    page.get_by_role("link", name="Change my vote").click()
    page.get_by_label("Option 1").check()
    page.get_by_role("button", name="Change my vote").click()
    page.get_by_text("You voted for Option 1.").wait_for()
    page.get_by_role("link", name="Reload the results").click()
    page.get_by_role("cell", name="100.0 %").wait_for()
    assert votes(sql) == [([poll.options[0]],)]


def test_error_is_where_the_focus_is(visit, make_poll):
    page = visit(f"/polls/{make_poll().slug}/")
    page.get_by_role("button", name="Vote").click()
    page.get_by_role("alert").wait_for()
    assert page.title() == "Error: Poll 1"
    assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
    page.get_by_role("link", name="Choose an option.").click()
    assert page.evaluate("document.activeElement.name") == "choices"


def test_vote_by_touch_on_a_phone(visit, make_poll, sql):
    poll = make_poll()
    phone = {"viewport": {"width": 360, "height": 640}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
    page = visit(f"/polls/{poll.slug}/", **phone)
    for target in page.locator(".option, button").all():
        assert target.bounding_box()["height"] >= 44
    page.get_by_text("Option 3").tap()
    page.get_by_role("button", name="Vote").tap()
    page.get_by_text("You voted for Option 3.").wait_for()
    assert votes(sql) == [([poll.options[2]],)]


def test_vote_in_arabic_goes_from_right_to_left(visit, make_poll, sql, screenshot):
    poll = make_poll(title="ما هو مشروبك المفضل؟")
    sql("UPDATE polls_option SET text = 'قهوة' WHERE id = %s", poll.options[0])
    page = visit(f"/polls/{poll.slug}/", locale="ar")
    assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == ["ar", "rtl"]
    option = page.locator(".option").first
    text, knob = option.locator("bdi").bounding_box(), option.locator("input").bounding_box()
    assert knob["x"] > text["x"] + text["width"]
    screenshot(page, "ballot-arabic")
    option.click()
    page.locator("button.primary").click()
    page.wait_for_url("**/results/")
    assert votes(sql) == [([poll.options[0]],)]
    bar, track = (page.locator(".bar rect").nth(place).bounding_box() for place in (1, 0))
    assert bar["x"] + bar["width"] == pytest.approx(track["x"] + track["width"], abs=1)
    screenshot(page, "results-arabic")


def test_language_is_chosen_and_kept(visit, make_poll):
    poll = make_poll()
    page = visit(f"/polls/{poll.slug}/")
    page.locator("a[lang=ar]").click()
    page.wait_for_url(f"**/polls/{poll.slug}/")
    page.goto("/")
    assert page.evaluate("document.documentElement.dir") == "rtl"
    page.locator("a[lang=en]").click()
    page.locator("html[dir=ltr]").wait_for()


def quick_clock(visit, path):
    """A page whose clock the test controls, and the status codes of the requests that it makes by itself."""
    page = visit("/healthz")
    page.clock.install()
    answers = []
    page.on("response", lambda answer: answers.append(answer.status) if answer.url.endswith(f"{path}?live") else None)
    page.goto(path)
    return page, answers


def turn(page, seconds):
    """Let time pass, and wait for the request that the page makes meanwhile."""
    with page.expect_response(re.compile(r"\?live$")):
        page.clock.fast_forward(seconds * 1000)
    page.wait_for_timeout(200)


@pytest.mark.parametrize("view", ["results", "wall", "embed"])
def test_results_refresh_by_themselves(visit, make_poll, vote, view):
    poll = make_poll()
    page, answers = quick_clock(visit, f"/polls/{poll.slug}/{view}/")
    page.get_by_text("Nobody has voted yet.").wait_for()
    vote(poll, "ann", poll.options[:1])
    turn(page, 6)
    page.get_by_text("Option 1 is ahead, chosen by 1 of 1 voter.").first.wait_for()
    assert answers == [200]


def test_refreshing_gets_rarer_while_nothing_happens_and_answers_are_empty(visit, make_poll):
    poll = make_poll()
    page, answers = quick_clock(visit, f"/polls/{poll.slug}/results/")
    for seconds in (6, 9, 13, 20, 30, 45, 66):
        turn(page, seconds)
    assert answers == [304] * 7
    page.clock.fast_forward(30_000)
    page.wait_for_timeout(300)
    assert len(answers) == 7


def test_refreshing_stops_when_the_poll_has_closed(visit, make_poll, sql, vote):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    page, answers = quick_clock(visit, f"/polls/{poll.slug}/results/")
    sql("UPDATE polls_poll SET closes_at = now()")
    turn(page, 6)
    page.get_by_text("has won, chosen by 1 of 1 voter.").first.wait_for()
    page.clock.fast_forward(3_600_000)
    page.wait_for_timeout(300)
    assert answers == [200]


def test_refreshing_stops_while_the_page_is_hidden(visit, make_poll):
    poll = make_poll()
    page, answers = quick_clock(visit, f"/polls/{poll.slug}/results/")
    show = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    event = "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(show % "true" + event)
    page.clock.fast_forward(3_600_000)
    page.wait_for_timeout(300)
    assert answers == []
    with page.expect_response(re.compile(r"\?live$")):
        page.evaluate(show % "false" + event)
    assert answers == [304]


def test_who_leads_is_read_aloud_and_not_every_vote(visit, make_poll, vote):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    page, _ = quick_clock(visit, f"/polls/{poll.slug}/results/")
    said = page.get_by_role("status")
    vote(poll, "bob", poll.options[:1])
    turn(page, 6)
    assert said.inner_text() == ""
    for voter in ("cy", "di", "ed"):
        vote(poll, voter, poll.options[1:2])
    turn(page, 6)
    assert said.inner_text() == "Option 2 is ahead, chosen by 3 of 5 voters."


def test_wall_refreshes_without_javascript(visit, make_poll):
    page = visit(f"/polls/{make_poll().slug}/wall/", java_script_enabled=False)
    assert page.locator("meta[http-equiv=refresh]").get_attribute("content") == "15"


class Blog(BaseHTTPRequestHandler):
    """A page of another site that frames the address in its path."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f'<iframe src="{self.path[1:]}"></iframe>'.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def blog():
    with ThreadingHTTPServer(("127.0.0.1", 0), Blog) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


def test_results_are_shown_inside_the_page_of_another_site(visit, make_poll, vote, site, blog):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    page = visit(f"{blog}{site}/polls/{poll.slug}/embed/")
    page.frame_locator("iframe").get_by_text("Option 1 is ahead").first.wait_for()
    assert page.context.cookies() == []
