"""Shares in percent, as they are shown."""

from collections.abc import Sequence

TENTHS = 1000  # of a hundred percent


def shares(votes: Sequence[int], voters: int) -> list[float]:
    """Return each option's share of the voters in percent, rounded to one decimal, half up.

    Each is rounded by itself, so that the same votes are the same share. Three of a third each add up to 99.9: methods
    that make it 100.0 show one of the three ahead of the others.
    """
    if not voters:
        return [0.0] * len(votes)
    return [(2 * TENTHS * count + voters) // (2 * voters) / 10 for count in votes]
