"""The order of cells that moves fewest relays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.pulses import PulseRuns


def snake(runs: PulseRuns, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Cells and counts of runs: along one row, back along the next.

    The runs of one cell stay together and in their order.

    Args:
        runs: a lowered program.
        columns: of the crossbar.
    """
    row, column = runs.cells // columns, runs.cells % columns
    along = np.where(row % 2 == 0, column, columns - 1 - column)
    order = np.lexsort((np.arange(row.size), along, row))
    return runs.cells[order], runs.counts[order]
