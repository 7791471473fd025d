"""Pages on paper, in forced colours, and on a wall."""

import pytest

from tests.support.stages import (
    SIX,
    WIDE,
    draw_path,
    results,
    wall,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
    page = visit(draw_path(stage), viewport={"width": 794, "height": 1123}, java_script_enabled=False)
    why, check = page.locator("details").all()
    assert not why.locator("ol").is_visible()
    why.locator("summary").click()
    assert why.locator("ol").is_visible()
    assert not check.locator("pre").is_visible()
    page.emulate_media(media="print")
    screenshot(page, "draw-print")
    for part in (why.locator("dl"), check.locator("pre")):
        assert part.bounding_box()["height"] > 50


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
    # Large enough for a camera at the other end of the room.
    assert page.locator(".wall img").bounding_box()["width"] >= 0.1 * width
