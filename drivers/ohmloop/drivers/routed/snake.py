"""The order of cells that moves fewest relays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.pulses import PulseRuns


def snake_order(cells: NDArray[np.int64], columns: int) -> NDArray[np.intp]:
    """Order of visits to ``cells``: along one row, back along the next; in time, in a cell.

    Args:
        cells: flat indices, ``row * columns + column``.
        columns: of the crossbar.
    """
    row, column = cells // columns, cells % columns
    along = np.where(row % 2 == 0, column, columns - 1 - column)
    return np.lexsort((np.arange(row.size), along, row))


def snake(runs: PulseRuns, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Cells and counts of runs in that order.

    Args:
        runs: a lowered program.
        columns: of the crossbar.
    """
    order = snake_order(runs.cells, columns)
    return runs.cells[order], runs.counts[order]
