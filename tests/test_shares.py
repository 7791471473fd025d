"""Shares in percent: exact, and adding up."""

from fractions import Fraction
from itertools import product

import pytest

from polls.shares import shares


@pytest.mark.parametrize(
    ("votes", "shown"),
    [
        ([1, 1, 1], [33.4, 33.3, 33.3]),
        ([2, 1], [66.7, 33.3]),
        ([1, 0, 0], [100.0, 0.0, 0.0]),
        ([1, 1, 1, 1, 1, 1, 1], [14.3, 14.3, 14.3, 14.3, 14.3, 14.3, 14.2]),
        ([0, 0], [0.0, 0.0]),
        ([10_000_000, 1], [100.0, 0.0]),
    ],
)
def test_one_choice_each_adds_up_to_a_hundred(votes, shown):
    assert shares(votes, sum(votes)) == shown


def test_sum_is_a_hundred_and_no_share_is_off_by_a_tenth():
    for votes in product(range(8), repeat=4):
        if sum(votes):
            shown = shares(votes, sum(votes))
            assert round(10 * sum(shown)) == 1000
            for count, share in zip(votes, shown, strict=True):
                assert abs(Fraction(str(share)) - Fraction(100 * count, sum(votes))) < Fraction(1, 10)


def test_several_choices_are_shares_of_the_voters():
    assert shares([3, 2, 1], 3) == [100.0, 66.7, 33.3]


def test_nobody_has_no_share():
    assert shares([0, 0], 0) == [0.0, 0.0]
