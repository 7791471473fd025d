"""Metrics for Prometheus: the pools of all processes of this host, votes, and refused requests.

The metrics of pools have OpenTelemetry's names, db.client.connection.*, in Prometheus' spelling. Every series names
its process, because the counters of a process end with it: `sum without (pid) (rate(...))` adds them up.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from polls import queries
from polls.monitoring.processes import ProcessStatus, in_use
from polls.pool import PoolTimeout, TooManyRequests

LABELS: Final = ("db_client_connection_pool_name", "role", "pid")
FIRST_BITS, LAST_BITS = 13, 35  # buckets from 8 µs to 34 s, each twice the one before

VOTES: Final = Counter("pollsite_votes", "Votes sent, by what became of them", ["outcome"], registry=None)
REFUSED: Final = Counter(
    "pollsite_requests_refused", "Requests answered 503 for want of a connection", ["reason"], registry=None
)

OUTCOMES: Final = (
    (queries.AlreadyVoted, "already_voted"),
    (queries.PollNotOpen, "not_open"),
    (queries.VoteRefused, "refused"),
    (queries.PollNotFound, "no_such_poll"),
    (queries.UNAVAILABLE, "unavailable"),
)


def _forget() -> None:
    VOTES.clear()
    REFUSED.clear()


os.register_at_fork(after_in_child=_forget)  # the parent publishes what it has counted


@contextmanager
def counted_vote() -> Iterator[None]:
    """Count the vote that is cast inside, by its outcome."""
    try:
        yield
    except Exception as error:
        outcomes = (outcome for kind, outcome in OUTCOMES if isinstance(error, kind))
        VOTES.labels(next(outcomes, "error")).inc()
        raise
    VOTES.labels("counted").inc()


def count_refusal(error: Exception) -> None:
    """Count a request that got no connection: the pool was exhausted, or the database could not be reached."""
    exhausted = isinstance(error, PoolTimeout | TooManyRequests) and error.__cause__ is None
    REFUSED.labels("exhausted" if exhausted else "unreachable").inc()


def counts(counter: Counter) -> dict[str, int]:
    """Return the counts of this process by the value of the counter's only label."""
    return {
        value: int(sample.value)
        for family in counter.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
        for value in sample.labels.values()
    }


def render_metrics(processes: Iterable[ProcessStatus], accept: str) -> tuple[bytes, str]:
    """Return the text for a scraper and its content type: OpenMetrics if `accept` asks for it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Host(processes))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Host(Collector):
    """The metrics of all processes."""

    def __init__(self, processes: Iterable[ProcessStatus]) -> None:
        self._processes = [(process, [process["pool"], process["role"], str(process["pid"])]) for process in processes]

    def collect(self) -> Iterator[Metric]:
        yield from self._gauges()
        yield from self._counters()
        yield from self._histograms()
        yield self._labelled("pollsite_votes", "Votes sent, by what became of them", "outcome", "votes")
        yield self._labelled(
            "pollsite_requests_refused", "Requests answered 503 for want of a connection", "reason", "refused"
        )

    def _gauges(self) -> Iterator[Metric]:
        count = GaugeMetricFamily(
            "db_client_connection_count", "Connections by state", labels=[*LABELS, "db_client_connection_state"]
        )
        pending = GaugeMetricFamily("db_client_connection_pending_requests", "Callers in the queue", labels=LABELS)
        oldest = GaugeMetricFamily("pollsite_pool_oldest_wait_seconds", "How long the first waits", labels=LABELS)
        leaks = GaugeMetricFamily("pollsite_pool_leaks_open", "Connections held for too long now", labels=LABELS)
        least = GaugeMetricFamily("db_client_connection_idle_min", "Connections kept ready (minconn)", labels=LABELS)
        most = GaugeMetricFamily("db_client_connection_max", "Connections allowed (maxconn)", labels=LABELS)
        for process, labels in self._processes:
            stats = process["stats"]
            used = in_use(process)
            count.add_metric([*labels, "used"], used)
            count.add_metric([*labels, "idle"], stats["pool_available"])
            pending.add_metric(labels, stats["requests_waiting"])
            oldest.add_metric(labels, stats["oldest_wait_ms"] / 1e3)
            leaks.add_metric(labels, process["leaks_open"])
            least.add_metric(labels, stats["pool_min"])
            most.add_metric(labels, stats["pool_max"])
        yield from (count, pending, oldest, leaks, least, most)

    def _counters(self) -> Iterator[Metric]:
        timeouts = CounterMetricFamily(
            "db_client_connection_timeouts", "Callers who got no connection: timed out, shed, or closed", labels=LABELS
        )
        failed = CounterMetricFamily("pollsite_pool_connect_errors", "Failed attempts to connect", labels=LABELS)
        lost = CounterMetricFamily("pollsite_pool_connections_lost", "Connections found dead", labels=LABELS)
        leaks = CounterMetricFamily("pollsite_pool_leaks", "Connections held for too long, or dropped", labels=LABELS)
        for process, labels in self._processes:
            stats = process["stats"]
            timeouts.add_metric(labels, stats["requests_errors"])
            failed.add_metric(labels, stats["connections_errors"])
            lost.add_metric(labels, stats["connections_lost"])
            leaks.add_metric(labels, stats["leaks"])
        yield from (timeouts, failed, lost, leaks)

    def _histograms(self) -> Iterator[Metric]:
        wait = HistogramMetricFamily("db_client_connection_wait_time_seconds", "Time to get one", labels=LABELS)
        use = HistogramMetricFamily("db_client_connection_use_time_seconds", "Time until returned", labels=LABELS)
        create = HistogramMetricFamily("db_client_connection_create_time_seconds", "Time to connect", labels=LABELS)
        for process, labels in self._processes:
            stats, counted = process["stats"], process["histograms"]
            wait.add_metric(labels, _buckets(counted["wait"]), stats["requests_wait_ms"] / 1e3)
            use.add_metric(labels, _buckets(counted["use"]), stats["usage_ms"] / 1e3)
            create.add_metric(labels, _buckets(counted["connect"]), stats["connections_ms"] / 1e3)
        yield from (wait, use, create)

    def _labelled(self, name: str, help_text: str, label: str, key: str) -> Metric:
        family = CounterMetricFamily(name, help_text, labels=["role", "pid", label])
        for process, (_, *labels) in self._processes:
            for value, count in process[key].items():  # type: ignore[literal-required]
                family.add_metric([*labels, value], count)
        return family


def _buckets(counts: list[int]) -> list[tuple[str, float]]:
    """Convert counts by bit length of nanoseconds to Prometheus' cumulative buckets of seconds."""
    total = list(accumulate(counts))
    bounds = [(str(2**bits / 1e9), float(total[bits])) for bits in range(FIRST_BITS, LAST_BITS + 1)]
    return [*bounds, ("+Inf", float(total[-1]))]
