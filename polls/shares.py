"""Shares in percent that add up."""

from collections.abc import Sequence

TENTHS = 1000  # of a hundred percent


def shares(votes: Sequence[int], voters: int) -> list[float]:
    """Return each option's share of the voters in percent, to one decimal.

    Where every voter chose one option, the shares add up to exactly 100.0: what rounding down leaves over goes to the
    largest remainders (Hamilton's method). With several choices each is rounded by itself, half up.
    """
    if not voters:
        return [0.0] * len(votes)
    if sum(votes) != voters:
        return [(2 * TENTHS * count + voters) // (2 * voters) / 10 for count in votes]
    tenths = [TENTHS * count // voters for count in votes]
    by_remainder = sorted(range(len(votes)), key=lambda place: -(TENTHS * votes[place] % voters))
    for place in by_remainder[: TENTHS - sum(tenths)]:
        tenths[place] += 1
    return [share / 10 for share in tenths]
