"""The page of the pool in the admin."""

import re

import pytest
from django.contrib.auth.models import Permission

from polls.monitoring.chart import make_chart
from polls.monitoring.publisher import Publisher, describe
from tests.support.servers import in_thread, wait_until

PAGE = "/admin/polls/pool/"


@pytest.fixture
def shown_folder(tmp_path, settings):
    settings.POOL_STATE_DIR = str(tmp_path / "pools")
    return tmp_path / "pools"


@pytest.fixture
def member(client, django_user_model, transactional_db):
    """A user of the staff without any permission."""
    user = django_user_model.objects.create_user("member", password="x", is_staff=True)
    client.force_login(user)
    return user


def test_page_works_while_the_pool_is_exhausted(admin_client, transactional_db, pool, shown_folder):
    held = [pool.getconn() for _ in range(pool.maxconn)]
    waiter = in_thread(pool.getconn, timeout=10)
    try:
        wait_until(pool.get_waiters)
        Publisher(
            shown_folder, lambda: {**describe(pool), "last_error": "connection refused", "last_error_s": 0.0}
        ).publish()
        response = admin_client.get(PAGE)
    finally:
        for conn in held:
            pool.putconn(conn)
        pool.putconn(waiter.get())
    page = response.content.decode()
    assert response.status_code == 200
    assert "1 waiting, the first for" in page
    assert page.count("<td>in use</td>") == pool.maxconn
    assert page.count("tests/monitoring/test_admin_pool.py:") == pool.maxconn
    assert "<td>waits</td>" in page
    assert "ago: connection refused" in page
    assert "it fits" in page
    assert re.search(r'<polygon class="waiting" points="[\d., ]+"', page)


def test_page_needs_the_permission(client, member, shown_folder):
    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get("/admin/").content.decode()
    member.user_permissions.add(Permission.objects.get(codename="view_pool"))
    assert client.get(PAGE).status_code == 200
    assert PAGE in client.get("/admin/").content.decode()


def test_page_is_for_the_staff(client, transactional_db):
    assert client.get(PAGE)["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("path", ["add/", "1/change/", "1/delete/"])
def test_nothing_can_be_added_changed_or_deleted(admin_client, path):
    assert admin_client.get(f"{PAGE}{path}").status_code == 404


def test_page_holds_no_script_and_no_style_of_its_own(admin_client, transactional_db, shown_folder):
    page = admin_client.get(PAGE).content.decode()
    shown = page[page.index('<div id="pool"') : page.index('id="pool-stale"')]
    assert "style=" not in shown
    assert "<script" not in shown
    assert re.findall(r"<script(?![^>]*src=)[^>]*>", page) == []


def test_chart_stacks_those_who_wait_on_connections_in_use():
    samples = [
        {"slot": slot, "in_use": used, "waiting": waiting}
        for slot, (used, waiting) in enumerate([(0, 0), (2, 2), (4, 4)])
    ]
    drawn = make_chart(samples, maxconn=4)
    assert drawn.in_use == "0.0,120.0 300.0,90.0 600.0,60.0 600,120 0,120"
    assert drawn.waiting == "0.0,120.0 300.0,60.0 600.0,0.0 600.0,60.0 300.0,90.0 0.0,120.0"
    assert (drawn.top, drawn.limit, drawn.most_in_use, drawn.most_waiting) == (8, 60.0, 4, 4)


def test_chart_of_nothing_is_flat():
    drawn = make_chart([{"slot": slot, "in_use": 0, "waiting": 0} for slot in range(3)], maxconn=0)
    assert drawn.limit is None
    assert drawn.in_use.startswith("0.0,120.0 300.0,120.0 600.0,120.0")
