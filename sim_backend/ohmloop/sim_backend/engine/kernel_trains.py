"""Programs of trains: cut into parts that fit a cell's queue, for the kernel that suits them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernel_listed import listed
from .kernel_noise import compiled, spliced
from .kernel_queue import SLOTS
from .kernels import coincidences

_FULL = 2
"""When fewer than one cell in so many of the rows that fire is at a crossing, those that are get
listed."""
_DEAR, _LOOK = 4, 8
"""What a crossing costs that is listed once, and so many cells that are but looked at, in crossings
of a block or of a batch."""


@spliced
def trains(
    cells: Any, rows: Any, columns: Any, length: Any, start: Any, stop: Any, most: Any
) -> Any:
    """Rows ``start`` to ``stop`` of a program of trains.

    Args:
        cells: the state.
        rows: trains uint64 and signs int8, ``(batch, rows)``.
        columns: the same ``(batch, columns)``.
        length: slots of a train.
        start: first row.
        stop: first row that is somebody else's.
        most: work, in crossings of lines that fire, that is too much for one call.

    Returns:
        The pulses given. Where it was too much nothing was done, and it is minus the work.
    """
    batch, width, height = rows[0].shape[0], columns[0].shape[1], stop - start
    cut = -(-length // SLOTS)
    up, firing = _parted(rows[0], cut, start, stop)
    across, of_columns = _parted(columns[0], cut, np.int64(0), width)
    crossings = firing * of_columns / (batch * cut)
    few = _FULL * crossings <= min(firing, height) * width
    work = crossings if few else crossings + batch * height * width / _LOOK
    if work * (_DEAR if few and batch == 1 else 1) >= most:
        return -np.int64(work)
    if few:
        return listed(cells, (up, rows[1]), (across, columns[1]), length, start, stop)
    return coincidences(cells, (up, rows[1]), (across, columns[1]), start, stop)


@compiled
def _parted(trains: Any, cut: Any, start: Any, stop: Any) -> Any:
    """Trains as uint16 ``(batch * cut, lines)``, and how many fire in a part, over all parts.

    Of lines ``start`` to ``stop``; what others have is left as it comes.
    """
    batch, lines = trains.shape
    parts, firing = np.empty((batch * cut, lines), np.uint16), 0
    for k in range(batch * cut):
        shift = np.uint64(SLOTS * (k % cut))
        for i in range(start, stop):
            parts[k, i] = np.uint16(trains[k // cut, i] >> shift)
            firing += parts[k, i] != 0
    return parts, firing
