"""Every page and state as people get it: accessible by axe, light and dark, narrow and wide, on paper; with a picture.

The pictures are in var/screenshots, to be looked at.
"""

import pytest
from django.template.loader import render_to_string

from tests.support.stages import (
    ERRORS,
    NARROW,
    OWNERS_STATES,
    SIX,
    STATES,
    WIDE,
    drawn_among_all,
    open_all,
    results,
    wall,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("name", STATES)
def test_page_is_accessible_and_fits(visit, stage, inspect, name):
    make, act = STATES[name]
    page = visit(make(stage), viewport=WIDE)
    if act:
        act(page)
    assert page.evaluate("window.shifted") < 0.01
    inspect(page, name)


@pytest.mark.parametrize("name", OWNERS_STATES)
def test_page_of_an_owner_is_accessible_and_fits(visit_signed_in, stage, inspect, name):
    ann = stage.user.objects.create_user("ann")
    stage.client.force_login(ann)
    make, act = OWNERS_STATES[name]
    page = visit_signed_in(ann, make(stage), viewport=WIDE)
    if act:
        act(page)
    assert page.evaluate("window.shifted") < 0.01
    inspect(page, f"owner-{name}")


def test_pool_page_of_the_admin_is_accessible_and_fits(visit_signed_in, admin_user, screenshot):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit_signed_in(admin_user, "/admin/polls/pool/", viewport=WIDE)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        # What is around it is Django's.
        found = axe.run(page, context="#content")
        assert found.violations_count == 0, found.generate_report()
        screenshot(page, f"admin-pool-{scheme}")
    page.set_viewport_size(NARROW)
    screenshot(page, "admin-pool-narrow")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], "scrolls sideways"
    stale = page.get_by_text("This page could not be refreshed")
    assert stale.is_hidden()
    page.route("**/admin/polls/pool/", lambda route: route.fulfill(status=503, body="down"))
    stale.wait_for(state="visible")
    page.unroute("**/admin/polls/pool/")
    stale.wait_for(state="hidden")


@pytest.mark.parametrize("name", ERRORS)
def test_error_page_is_accessible_and_fits(visit, inspect, name):
    page = visit("/healthz", viewport=WIDE)
    body = render_to_string(f"{name}.html", ERRORS[name])
    page.route("**/error/", lambda route: route.fulfill(content_type="text/html", body=body))
    page.goto("/error/")
    inspect(page, f"error-{name}")


def test_results_print_as_a_sheet_with_totals_times_hash_and_address(visit, stage, screenshot, site):
    poll = stage.closed(SIX, votes=(31, 13, 18, 5, 3, 1))
    page = visit(results(poll), viewport={"width": 794, "height": 1123}, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    sheet = page.locator("body").inner_text()
    for words in ("71 people have voted.", "Voting closed", "UTC", f"{site}{results(poll)}", "as SHA-256: "):
        assert words in sheet
    assert "Reload" not in sheet
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    screenshot(page, "results-print")
    assert len(page.pdf(format="A4", prefer_css_page_size=True)) > 1000


def test_draw_unfolds_where_it_is_asked_and_on_paper(visit, stage, screenshot):
    page = visit(drawn_among_all(stage), viewport={"width": 794, "height": 1123}, java_script_enabled=False)
    why, check = page.locator("details").all()
    assert not why.locator("ol").is_visible()
    why.locator("summary").click()
    assert why.locator("ol").is_visible()
    assert not check.locator("pre").is_visible()
    page.emulate_media(media="print")
    screenshot(page, "draw-print")
    for part in (why.locator("dl"), check.locator("pre")):
        assert part.bounding_box()["height"] > 50


def test_unfolded_draw_is_accessible_and_fits(visit, stage, inspect):
    page = visit(drawn_among_all(stage), viewport=WIDE)
    open_all(page)
    inspect(page, "draw-unfolded")


def test_results_are_told_apart_in_forced_colours(visit, stage, screenshot):
    page = visit(results(stage.poll(votes=(3, 5, 2))), viewport=WIDE, forced_colors="active", color_scheme="dark")
    screenshot(page, "results-forced-colours")
    fill = "getComputedStyle(document.querySelector('.bar rect:last-child')).fill"
    assert page.evaluate(fill) != page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("options", [6, 7, 12, 16])
@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080), (3840, 2160)])
def test_wall_fills_a_wall_and_needs_no_scrolling(visit, stage, screenshot, size, options):
    width, height = size
    texts = [*SIX, *(f"Another idea, number {number}" for number in range(7, options + 1))]
    poll = stage.poll(texts, votes=(30, 50, 20), title="Where shall we have the summer party of our club this year?")
    page = visit(wall(poll), viewport={"width": width, "height": height})
    screenshot(page, f"wall-{width}-{options}")
    assert page.evaluate("document.documentElement.scrollHeight") <= height
    assert page.locator(".wall #live").bounding_box()["width"] > 0.5 * width
    # A camera reads the code from the other end of the room.
    assert page.locator(".wall img").bounding_box()["width"] >= 0.1 * width
