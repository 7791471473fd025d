"""/metrics: every process answers for all processes of the host, to allowed addresses only."""

import contextlib

import pytest
from django.db import connection
from django.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from polls import queries
from polls.monitoring import metrics, processes
from polls.monitoring.publisher import Publisher, describe
from polls.pool import PoolTimeout
from tests.support.monitoring import both_workers, front_page_stuck, load
from tests.support.servers import in_thread, wait_until
from tests.support.site import Browser, serve

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def samples(text):
    """The samples that the parser of Prometheus reads, by name."""
    found = {}
    for family in parse_text(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def total(found, name, **labels):
    return sum(sample.value for sample in found.get(name, ()) if labels.items() <= sample.labels.items())


def test_its_own_parsers_find_no_fault_and_every_process(state_folder, transactional_db, make_poll):
    poll = make_poll()
    with serve(POOL_STATE_DIR=str(state_folder), METRICS_ALLOWED="127.0.0.1", POOL_MAXCONN="3") as address:
        voter = Browser(address)
        voter.get(f"/polls/{poll.slug}/")
        voter.post(f"/polls/{poll.slug}/", poll.options[:1])
        voter.post(f"/polls/{poll.slug}/", poll.options[:1])
        with load(address, clients=4):
            pids = {str(process["pid"]) for process in wait_until(lambda: both_workers(state_folder))}
            wait_until(lambda: sum(process["stats"]["requests_num"] for process in processes.read(state_folder)) > 50)
        wait_until(lambda: sum(sum(p["votes"].values()) for p in processes.read(state_folder)) == 2)
        _, headers, text = Browser(address).get("/metrics")
        found = samples(text)
        stats = [process["stats"] for process in processes.read(state_folder)]
    assert headers["Content-Type"].startswith("text/plain")
    for name in (
        "db_client_connection_count",
        "db_client_connection_idle_min",
        "db_client_connection_max",
        "db_client_connection_pending_requests",
        "db_client_connection_timeouts_total",
        "db_client_connection_create_time_seconds_count",
        "db_client_connection_wait_time_seconds_bucket",
        "db_client_connection_use_time_seconds_bucket",
    ):
        assert {sample.labels["pid"] for sample in found[name]} == pids, name
        assert {sample.labels["db_client_connection_pool_name"] for sample in found[name]} == {"default"}
    assert total(found, "db_client_connection_max") == 6
    assert {s.labels["db_client_connection_state"] for s in found["db_client_connection_count"]} == {"idle", "used"}
    # The histograms hold every checkout, and have buckets for fast ones.
    asked = sum(one["requests_num"] for one in stats)
    assert asked > 50
    assert total(found, "db_client_connection_wait_time_seconds_count") == pytest.approx(asked, abs=asked / 10)
    assert total(found, "db_client_connection_use_time_seconds_count") == pytest.approx(asked, abs=asked / 10)
    bounds = sorted({float(sample.labels["le"]) for sample in found["db_client_connection_wait_time_seconds_bucket"]})
    assert bounds[0] < 10e-6 < bounds[1] < 20e-6
    assert total(found, "pollsite_votes_total", outcome="counted") == 1
    assert total(found, "pollsite_votes_total", outcome="already_voted") == 1


def test_openmetrics_is_spoken_where_it_is_asked_for(state_folder, transactional_db, settings, pool):
    settings.METRICS_ALLOWED, settings.POOL_STATE_DIR = ["127.0.0.1"], str(state_folder)
    publish(state_folder, pool)
    response = Client().get("/metrics", headers={"accept": OPENMETRICS})
    assert response["Content-Type"].startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(response.content.decode())}
    assert {"db_client_connection_wait_time_seconds", "db_client_connection_timeouts", "pollsite_votes"} <= names


def publish(state_folder, pool):
    with pool.connection():
        pass
    Publisher(state_folder, lambda: describe(pool)).publish()


def test_buckets_are_cumulative_and_end_with_all(transactional_db, pool, state_folder):
    publish(state_folder, pool)
    [status] = processes.read(state_folder)
    text, _ = metrics.render_metrics([status], "")
    found = samples(text.decode())
    for name in ("wait", "use", "create"):
        counts = [sample.value for sample in found[f"db_client_connection_{name}_time_seconds_bucket"]]
        assert counts == sorted(counts)
        assert counts[-1] == total(found, f"db_client_connection_{name}_time_seconds_count")


def test_requests_refused_for_want_of_a_connection_are_counted(state_folder, conn, sql):
    with serve(
        POOL_STATE_DIR=str(state_folder),
        METRICS_ALLOWED="127.0.0.1",
        POOL_MAXCONN="1",
        POOL_TIMEOUT="0.2",
        WEB_CONCURRENCY="1",
    ) as address:
        Browser(address).get("/readyz")
        with front_page_stuck(conn, sql):
            first = in_thread(Browser(address).get, "/")
            wait_until(lambda: [p for p in processes.read(state_folder) if p["stats"]["pool_available"] == 0])
            status, headers, _ = Browser(address).get("/")
            assert (status, headers["Retry-After"]) == (503, "5")
        assert first.get()[0] == 200
        wait_until(lambda: [p for p in processes.read(state_folder) if p["refused"]])
        found = samples(Browser(address).get("/metrics")[2])
    assert total(found, "pollsite_requests_refused_total", reason="exhausted") == 1
    assert total(found, "db_client_connection_timeouts_total") == 1


@pytest.mark.parametrize(
    ("allowed", "address", "proxied", "status"),
    [
        ([], "127.0.0.1", None, 404),
        (["127.0.0.1"], "127.0.0.1", None, 200),
        (["127.0.0.1"], "::ffff:127.0.0.1", None, 200),
        (["127.0.0.1"], "192.0.2.1", None, 404),
        (["10.0.0.0/8", "fd00::/8"], "10.20.30.40", None, 200),
        (["10.0.0.0/8", "fd00::/8"], "fd00::7", None, 200),
        (
            ["127.0.0.1"],
            "127.0.0.1",
            "192.0.2.1",
            404,
        ),  # the address of a proxy, for a request from anywhere
        (["127.0.0.1"], "", None, 404),  # a Unix socket
    ],
)
def test_closed_to_all_but_those_who_are_allowed(settings, state_folder, allowed, address, proxied, status):
    settings.METRICS_ALLOWED, settings.POOL_STATE_DIR = allowed, str(state_folder)
    headers = {"x-forwarded-for": proxied} if proxied else {}
    assert Client().get("/metrics", headers=headers, REMOTE_ADDR=address).status_code == status


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "counted"),
        (queries.AlreadyVoted(), "already_voted"),
        (queries.PollNotOpen(), "not_open"),
        (queries.WrongChoiceCount(), "refused"),
        (queries.PollNotFound(), "no_such_poll"),
        (PoolTimeout("none"), "unavailable"),
        (ValueError(), "error"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_vote_is_counted_by_what_became_of_it(error, outcome):
    before = metrics.counts(metrics.VOTES).get(outcome, 0)
    with contextlib.suppress(type(error) if error else ()), metrics.counted_vote():
        if error:
            raise error
    assert metrics.counts(metrics.VOTES)[outcome] == before + 1


def test_refusals_tell_a_busy_pool_from_a_database_out_of_reach():
    metrics.REFUSED.clear()
    unreachable = PoolTimeout("no connection")
    unreachable.__cause__ = connection.Database.OperationalError("connection refused")
    for error in (PoolTimeout("busy"), unreachable, connection.Database.OperationalError("gone")):
        metrics.count_refusal(error)
    assert metrics.counts(metrics.REFUSED) == {"exhausted": 1, "unreachable": 2}
