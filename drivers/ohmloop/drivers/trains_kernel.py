"""What ``trains`` looks for, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from .crossings_kernel import kept


@kept
def sound(rows: Any, row_signs: Any, columns: Any, column_signs: Any, length: Any) -> Any:
    """Whether all signs are -1 or 1, and no line fires beyond its last slot."""
    last = np.uint64(length - 1)
    fires, fine = np.uint64(0), True
    for trains, signs in ((rows, row_signs), (columns, column_signs)):
        for b in range(trains.shape[0]):
            for i in range(trains.shape[1]):
                fires |= trains[b, i]
                fine &= (signs[b, i] == 1) | (signs[b, i] == -1)
    return fine and (fires >> last) <= np.uint64(1)
