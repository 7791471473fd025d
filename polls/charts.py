"""Charts of results, as coordinates for SVG. The page says the same in words."""

from collections.abc import Sequence
from math import cos, pi, sin
from typing import NamedTuple

LETTERS = "ABCDEF"  # as many options as a pie tells apart
RADIUS = 39
CENTRE = 50


class Slice(NamedTuple):
    """A slice of a pie of 100 by 100: its outline, and the place of its letter. A whole pie has no outline."""

    letter: str
    path: str
    x: str
    y: str


class Bar(NamedTuple):
    """A bar in a chart of 100 by 100: its place, width and height."""

    x: str
    y: str
    width: str
    height: str


def pie(votes: Sequence[int]) -> list[Slice]:
    """Return a slice for each option that has votes, clockwise from the top."""
    slices = []
    total, before = sum(votes), 0
    for letter, count in zip(LETTERS, votes, strict=False):
        if count:
            start, end, middle = (2 * pi * part / total for part in (before, before + count, before + count / 2))
            path = ""
            if count < total:
                large = int(2 * count > total)
                path = (
                    f"M{CENTRE} {CENTRE}L{_point(start, RADIUS)}A{RADIUS} {RADIUS} 0 {large} 1 {_point(end, RADIUS)}Z"
                )
            x, y = _point(middle, RADIUS + 6).split()
            slices.append(Slice(letter, path, x, y))
            before += count
    return slices


def bars(counts: Sequence[int]) -> list[Bar]:
    """Return a bar for each count that is not zero; the highest fills the chart."""
    most, step = max(counts, default=0), 100 / max(1, len(counts))
    return [
        Bar(f"{place * step:.2f}", f"{100 - 100 * count / most:.2f}", f"{0.85 * step:.2f}", f"{100 * count / most:.2f}")
        for place, count in enumerate(counts)
        if count
    ]


def _point(angle: float, radius: float) -> str:
    return f"{CENTRE + radius * sin(angle):.2f} {CENTRE - radius * cos(angle):.2f}"
