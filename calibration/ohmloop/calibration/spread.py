"""A standard deviation that a few wild values do not move."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PER_DEVIATION = 1.4826
"""Standard deviation of a normal variable, in median absolute deviations."""


def robust_std(values: NDArray[np.float64], axis: int | None = None) -> Any:
    """Median absolute deviation from the median, as a normal variable's standard deviation.

    Args:
        values: numbers, in any unit; at least one.
        axis: along which; over all of them by default.
    """
    middle = np.median(values, axis=axis, keepdims=axis is not None)
    return PER_DEVIATION * np.median(np.abs(values - middle), axis=axis)
