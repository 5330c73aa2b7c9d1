"""Who stands out among his kind: robust standard deviations, on a logarithmic scale.

Parameters of cells that cannot be negative spread about log-normally, so that ratios to the
typical cell are what compares. Centre and spread are medians, and each side has its own spread, so
that neither the ill cells themselves nor a skew move the threshold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.spread import PER_DEVIATION

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FEWEST = 8
"""Cells without which there is no population to stand out from."""
_LEAST = 0.02
"""Cells are never taken to be more alike than that (relative spread)."""


def typical(values: Array, among: Mask) -> float:
    """Median of the positive values among some cells; 0 where there are none."""
    known = values[among & (values > 0)]
    return float(np.median(known)) if known.size else 0.0


def limits(values: Array, among: Mask, z: float) -> tuple[float, float]:
    """Values that lie ``z`` robust standard deviations below and above the median of some cells.

    Args:
        values: ``(cells,)``; only positive ones count.
        among: cells that make up the population.
        z: how many.

    Returns:
        Lower and upper limit; 0 and infinity where there are fewer than ``FEWEST`` cells.
    """
    with np.errstate(invalid="ignore"):
        known = np.log(values[among & (values > 0) & np.isfinite(values)])
    if known.size < FEWEST:
        return 0.0, np.inf
    middle = float(np.median(known))
    low, high = known[known <= middle], known[known >= middle]
    below = max(PER_DEVIATION * float(np.median(middle - low)), _LEAST)
    above = max(PER_DEVIATION * float(np.median(high - middle)), _LEAST)
    return float(np.exp(middle - z * below)), float(np.exp(middle + z * above))
