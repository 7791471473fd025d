"""scripts/bench site, with a few requests: that the benchmark still finds its way around the pages of both sites."""

import pytest

from benchmarks import data_layer
from benchmarks.candidates import EACH, OPTIONS, OURS, Poll, make_ours, make_tutorial, serving
from benchmarks.requests import ROWS, take_turn
from tests.support.servers import Server, in_thread

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def candidates():
    """The private PostgreSQL, and this site and the tutorial's with the roots of their processes, by name."""
    server = Server(max_connections=80)
    try:
        server.start()
        poll = Poll("", "Which?", [f"Option {number}" for number in range(OPTIONS)])
        made = in_thread(make_tutorial, server, EACH, poll)
        ours = make_ours(server)
        tutorial = made.get(timeout=60)
        with serving(ours, "gunicorn") as root, serving(tutorial, "gunicorn") as other_root:
            yield server, {OURS: (ours, root), EACH: (tutorial, other_root)}
    finally:
        server.remove()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("name", [OURS, EACH])
def test_site_gives_the_pages_that_are_measured(candidates, name, row):
    server, sites = candidates
    site, root = sites[name]
    turn = take_turn(site, row, 3, root, server.process.pid)
    assert min(turn) > 0


def test_wrong_page_is_found(candidates):
    server, sites = candidates
    site, root = sites[OURS]
    rows = {row.name: row for row in ROWS}
    wrong = rows["ballot"]._replace(prepare=rows["results"].prepare)
    with pytest.raises(ValueError, match=r"this site, ballot: .*200 OK"):
        take_turn(site, wrong, 3, root, server.process.pid)


@pytest.mark.parametrize("cast", [data_layer.through_the_data_layer, data_layer.through_pgbench])
def test_votes_without_pages_count(candidates, cast):
    server, sites = candidates
    site, _ = sites[OURS]
    before = data_layer.count_votes(server)
    result = cast(server, site, 0.2)
    assert data_layer.count_votes(server) - before == result.votes > 0
    assert result.cpu > 0
