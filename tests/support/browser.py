"""A real browser, and the site that it visits."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.paths import BASE_DIR
from tests.support.site import serve

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SCREENSHOTS = BASE_DIR / "var" / "screenshots"
QUIET = ["--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update"]

# Adds up layout shifts, as Lighthouse does.
WATCH_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not CHROMIUM:
        pytest.skip("no chromium here: apt-get install chromium, or name one in CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: requirements-dev.txt")
    # Playwright keeps an event loop in this thread, and Django would refuse to empty the tables in it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *QUIET])
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def site(chromium: Any, django_db_setup: None) -> Iterator[str]:
    """The address of the site, served from the test database for all tests of a module."""
    with serve(WEB_CONCURRENCY="1") as address:
        yield f"http://{address}"


@pytest.fixture
def visit(chromium: Any, site: str, transactional_db: None) -> Iterator[Callable[..., Any]]:
    """Open a path in a new context; the pages must log no complaint, and request nothing from other hosts."""
    contexts, complaints = [], []

    def open_page(path: str, **options: Any) -> Any:
        context = chromium.new_context(base_url=site, **options)
        contexts.append(context)
        context.add_init_script(WATCH_SHIFTS)
        context.on("weberror", lambda error: complaints.append(f"error: {error.error}"))
        context.on("console", lambda message: complain(message.type, message.text))
        context.on("request", lambda request: foreign(request.url))
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(path)
        return page

    def complain(kind: str, text: str) -> None:
        # Pages of errors are among those under test.
        if kind in ("error", "warning") and not re.search(r"the server responded with a status of (4\d\d|503)", text):
            complaints.append(f"{kind}: {text}")

    def foreign(url: str) -> None:
        if urlsplit(url).hostname not in ("127.0.0.1", "localhost", None):
            complaints.append(f"asked elsewhere: {url}")

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def visit_signed_in(visit: Callable[..., Any], client: Any) -> Callable[..., Any]:
    """Open a path in a new context in which a user is signed in."""

    def open_page(user: Any, path: str, **options: Any) -> Any:
        client.force_login(user)
        page = visit("/healthz", **options)
        session = client.cookies["sessionid"].value
        page.context.add_cookies([{"name": "sessionid", "value": session, "url": page.url}])
        assert page.goto(path).status == 200
        return page

    return open_page


@pytest.fixture
def screenshot() -> Callable[[Any, str], None]:
    """Save a picture of a page in var/screenshots, for people to look at."""

    def take(page: Any, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    return take
