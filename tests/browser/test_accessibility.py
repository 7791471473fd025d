"""Every page and state in a browser: accessible by axe, light and dark, narrow and wide.

The pictures are in var/screenshots, for people to look at.
"""

import pytest
from django.template.loader import render_to_string

from tests.support.stages import (
    ERRORS,
    NARROW,
    OWNERS_STATES,
    STATES,
    WIDE,
    draw_path,
    open_all,
)


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
        # The rest of the page is Django's.
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


def test_unfolded_draw_is_accessible_and_fits(visit, stage, inspect):
    page = visit(draw_path(stage), viewport=WIDE)
    open_all(page)
    inspect(page, "draw-unfolded")
