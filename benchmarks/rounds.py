"""Measure in rounds in which every candidate takes its turn, and take medians."""

import statistics
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def rounds(turns: dict[str, Callable[[], Result]], count: int) -> dict[str, list[Result]]:
    """Return the results of `count` rounds of all `turns`, after one round to warm up."""
    results: dict[str, list[Result]] = {name: [] for name in turns}
    for number in range(count + 1):
        for name, turn in turns.items():
            result = turn()
            if number:
                results[name].append(result)
    return results


def ratio(results: dict[str, list[float]], one: str, other: str) -> float:
    """Return the median of the ratios of each round."""
    return statistics.median(mine / its for mine, its in zip(results[one], results[other], strict=True))


def per_call(call: Callable[[], object], count: int, clock: Callable[[], int]) -> Callable[[], float]:
    """Return a turn that measures nanoseconds per call."""

    def turn() -> float:
        started = clock()
        for _ in range(count):
            call()
        return (clock() - started) / count

    return turn


def microseconds(values: list[float]) -> str:
    return f"{statistics.median(values) / 1000:.2f} µs"
