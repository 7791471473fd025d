"""The chart of the pools' last minutes, as coordinates for SVG."""

from collections.abc import Sequence
from typing import NamedTuple

from polls.monitoring.processes import SAMPLE_SECONDS, Sample

WIDTH, HEIGHT = 600, 120  # of the chart, in its own units


class Chart(NamedTuple):
    """Polygons over the last minutes, as SVG takes points."""

    in_use: str
    waiting: str
    top: int  # the value at the upper edge
    limit: float | None  # where maxconn is, from the upper edge
    maxconn: int
    most_in_use: int
    most_waiting: int
    minutes: int


def make_chart(samples: Sequence[Sample], maxconn: int) -> Chart:
    """Lay out how many connections were in use, and stacked on them how many callers were waiting."""
    in_use = [sample["in_use"] for sample in samples]
    both = [sample["in_use"] + sample["waiting"] for sample in samples]
    top = max(*both, maxconn, 1)

    def height(count: int) -> float:
        return round(HEIGHT - HEIGHT * count / top, 1)

    def points(counts: Sequence[int]) -> list[str]:
        step = WIDTH / (len(counts) - 1)
        return [f"{round(number * step, 1)},{height(count)}" for number, count in enumerate(counts)]

    floor = [f"{WIDTH},{HEIGHT}", f"0,{HEIGHT}"]
    return Chart(
        in_use=" ".join([*points(in_use), *floor]),
        waiting=" ".join([*points(both), *reversed(points(in_use))]),
        top=top,
        limit=height(maxconn) if maxconn else None,
        maxconn=maxconn,
        most_in_use=max(in_use),
        most_waiting=max(sample["waiting"] for sample in samples),
        minutes=len(samples) * SAMPLE_SECONDS // 60,
    )
