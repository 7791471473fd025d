"""Percentages as they are shown."""

from collections.abc import Sequence

TENTHS = 1000  # of a percent, in a hundred percent


def percentages(votes: Sequence[int], voter_count: int) -> list[float]:
    """Return the votes of each option in percent of the voters, rounded half up to one decimal.

    Each is rounded by itself, so that the same votes give the same percentage. Three times a third add up to 99.9:
    methods that make it 100.0 show one of the three ahead of the others.
    """
    if not voter_count:
        return [0.0] * len(votes)
    return [(2 * TENTHS * count + voter_count) // (2 * voter_count) / 10 for count in votes]
