"""Do bad cells gather on lines? Then it is the line that is bad, whatever its cells look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .outliers import Mask

FALSE_ALARMS = 1e-3
"""Chips whose bad cells lie anywhere of which any line is named."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A line with more bad cells than chance puts there.

    Attributes:
        line: ``row`` or ``column``.
        index: which.
        bad: its bad cells.
        cells: its cells.
        expected: bad cells that it would have at the rate of all other lines.
        chance: of so many or more, for this line alone.
    """

    line: str
    index: int
    bad: int
    cells: int
    expected: float
    chance: float

    @property
    def evidence(self) -> str:
        """In words."""
        return (
            f"{self.line} {self.index}: {self.bad} of {self.cells} cells are bad,"
            f" {self.expected:.2g} expected by chance"
        )


def clusters(bad: Mask) -> list[Cluster]:
    """Lines on which bad cells gather, the worst first.

    The hypothesis is that bad cells are spread over the chip at random: a line's count is then
    hypergeometric. The line that fits it worst is named while it is beyond ``FALSE_ALARMS`` over
    the number of lines, and left out of the count of what is to be expected of the others.

    Args:
        bad: ``(rows, columns)``.
    """
    kept = np.ones_like(bad)
    found: list[Cluster] = []
    named: set[tuple[str, int]] = set()
    threshold = FALSE_ALARMS / sum(bad.shape)
    while True:
        worst = min(
            (one for one in _lines(bad, kept) if (one.line, one.index) not in named),
            key=lambda one: (one.chance, -one.bad),
            default=None,
        )
        if worst is None or worst.chance > threshold:
            return found
        found.append(worst)
        named.add((worst.line, worst.index))
        if worst.line == "row":
            kept[worst.index] = False
        else:
            kept[:, worst.index] = False


def _lines(bad: Mask, kept: Mask) -> list[Cluster]:
    """Every line against all cells that are kept."""
    cells, ill = int(kept.sum()), int((bad & kept).sum())
    found = []
    for axis, line in ((1, "row"), (0, "column")):
        sizes, counts = kept.sum(axis=axis), (bad & kept).sum(axis=axis)
        chances = stats.hypergeom.sf(counts - 1, cells, ill, sizes)
        for index in np.flatnonzero(counts > 1).tolist():
            size, count = int(sizes[index]), int(counts[index])
            others = (ill - count) / max(cells - size, 1)
            found.append(Cluster(line, index, count, size, size * others, float(chances[index])))
    return found
