"""Shares in percent: rounded each by itself, and the same for the same votes."""

from fractions import Fraction
from itertools import product

import pytest

from polls.percentages import percentages


@pytest.mark.parametrize(
    ("votes", "shown"),
    [
        ([1, 1, 1], [33.3, 33.3, 33.3]),
        ([2, 1], [66.7, 33.3]),
        ([1, 0, 0], [100.0, 0.0, 0.0]),
        ([4, 4, 1], [44.4, 44.4, 11.1]),
        ([1, 1999], [0.1, 100.0]),
        ([0, 0], [0.0, 0.0]),
        ([10_000_000, 1], [100.0, 0.0]),
    ],
)
def test_each_share_is_rounded_by_itself(votes, shown):
    assert percentages(votes, sum(votes)) == shown


def test_no_share_is_off_by_more_than_half_a_tenth():
    for votes in product(range(8), repeat=4):
        if sum(votes):
            for count, share in zip(votes, percentages(votes, sum(votes)), strict=True):
                assert abs(Fraction(str(share)) - Fraction(100 * count, sum(votes))) <= Fraction(1, 20)


def test_several_choices_are_shares_of_the_voters():
    assert percentages([3, 2, 1], 3) == [100.0, 66.7, 33.3]


def test_nobody_has_no_share():
    assert percentages([0, 0], 0) == [0.0, 0.0]
