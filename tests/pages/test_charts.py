"""Charts of results: pies and bars."""

import re

import pytest

from polls.charts import bars, pie


def test_pie_has_a_slice_for_each_option_with_votes_under_its_letter():
    assert [slice.letter for slice in pie([3, 0, 1, 2])] == ["A", "C", "D"]


def test_slice_is_as_large_as_its_share():
    quarter, rest = pie([1, 3])
    assert quarter.path == "M50 50L50.00 11.00A39 39 0 0 1 89.00 50.00Z"
    assert rest.path == "M50 50L89.00 50.00A39 39 0 1 1 50.00 11.00Z"


def test_whole_pie_is_no_arc():
    assert [slice.path for slice in pie([0, 7])] == [""]


def test_pie_of_nobody_is_empty():
    assert pie([0, 0]) == []


@pytest.mark.parametrize("counts", [[1, 2], [0, 5, 1, 0], [10**9, 1]])
def test_highest_bar_fills_the_chart_and_all_stand_in_it(counts):
    drawn = bars(counts)
    assert max(float(bar.height) for bar in drawn) == 100
    assert len(drawn) == sum(map(bool, counts))
    for bar in drawn:
        assert float(bar.x) + float(bar.width) <= 100
        assert float(bar.y) + float(bar.height) == pytest.approx(100, abs=0.02)
        assert all(re.fullmatch(r"\d+\.\d\d", number) for number in bar)
