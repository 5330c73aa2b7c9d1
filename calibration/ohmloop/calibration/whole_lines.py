"""Whole lines before single cells: what is wrong with a line is one finding, not one a cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Place = tuple[tuple[int, ...], tuple[int, ...]]
"""Rows and columns: of a row, of a column, or one of each of a cell."""


def places(bad: Mask) -> Iterator[tuple[Place, Mask]]:
    """Bad rows, then columns, then the cells left over; each with the cells it speaks of.

    A line is bad as a whole where all its cells are, crossings with bad lines left aside, and
    there are two at least.
    """
    rows, columns = _whole(bad)
    for row in np.flatnonzero(rows).tolist():
        cells = np.zeros_like(bad)
        cells[row] = True
        yield ((row,), ()), cells
    for column in np.flatnonzero(columns).tolist():
        cells = np.zeros_like(bad)
        cells[:, column] = True
        yield ((), (column,)), cells
    for row, column in np.argwhere(bad & ~rows[:, None] & ~columns).tolist():
        cells = np.zeros_like(bad)
        cells[row, column] = True
        yield ((row,), (column,)), cells


def _whole(bad: Mask) -> tuple[Mask, Mask]:
    rows, columns = _all(bad, 1), _all(bad, 0)
    if np.count_nonzero(~columns) >= 2:
        rows = _all(bad[:, ~columns], 1)
    if np.count_nonzero(~rows) >= 2:
        columns = _all(bad[~rows], 0)
    if bad.all():
        columns = np.zeros_like(columns)  # rows alone say it
    return rows, columns


def _all(bad: Mask, axis: int) -> Mask:
    whole: Mask = np.logical_and.reduce(bad, axis=axis)
    return whole
