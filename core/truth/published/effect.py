"""What a published effect is, and when a prediction of it is right.

Each effect is predicted from counts of the programs and from coefficients of *other* publications wherever there are
any.  Where a publication has several numbers, some of them may be taken to predict the others; the note says which.

Data types
    Effect(name, what, published, predicted, unit, source, note)    two ranges, and how they compare
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]

CLOSE = 0.1
"""Benchmarks come out this differently from run to run."""

WIDE = 10
"""A prediction whose ends differ by more than this factor is none."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A published number or range, and the predicted one in the same unit."""

    name: str
    what: str
    published: Range
    predicted: Range
    unit: str
    source: str
    note: str = ""

    @property
    def verdict(self) -> str:
        """'agrees' if the ranges overlap, 'within 10 %' of the published one, otherwise by how much they miss.

        'says nothing' if they overlap only because the prediction is so WIDE.
        """
        (low, high), (least, most) = self.published, self.predicted
        if least <= high and low <= most:
            return "agrees" if most <= WIDE * least else "says nothing"
        gap, end = (least - high, high) if least > high else (low - most, low)
        return "within 10 %" if gap <= CLOSE * end else f"off by {100 * gap / end:.0f} %"


def exactly(number: float) -> Range:
    """A range of one number."""
    return number, number


def across(*numbers: float) -> Range:
    """The range that contains all of them."""
    return min(numbers), max(numbers)


def span(ends: Range) -> str:
    """A range as text, with three digits of each end."""
    low, high = (f"{end:.3g}" if abs(end) < 1000 else f"{end:.0f}" for end in ends)
    return low if low == high else f"{low} to {high}"
