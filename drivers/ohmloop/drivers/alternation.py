"""Alternating pulses, which pull cells to their symmetric points, and what readings say of it.

Shared by whoever measures symmetric points (zero-shifting; Kim et al., arXiv:1907.10228).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .pulses import CoincidencePulses

Array = NDArray[np.float64]

SETTLED = 2.0
"""Mean drift of the cells, in its standard errors, below which they have settled."""


def alternation(shape: tuple[int, int], signs: NDArray[np.int64]) -> CoincidencePulses:
    """Single pulses of all cells, one after the other, in one program."""
    batch = signs.size
    return CoincidencePulses(
        row_trains=np.ones((batch, shape[0]), np.uint64),
        column_trains=np.ones((batch, shape[1]), np.uint64),
        row_signs=np.repeat(signs[:, None], shape[0], axis=1).astype(np.int8),
        column_signs=np.ones((batch, shape[1]), np.int8),
        length=1,
    )


def _pairs(readings: Array) -> Array:
    """Means of a reading after an up pulse and one after a down pulse."""
    pairs: Array = readings.reshape(-1, 2, *readings.shape[1:]).mean(axis=1)
    return pairs


def fixed_point(readings: Array) -> tuple[Array, Array]:
    """Mean of the second half of the readings, and its standard error.

    Neighbouring readings are correlated, for a step's noise stays for a while: the variance of the
    mean is that of independent pairs, times ``(1 + r) / (1 - r)`` with r their correlation, pooled
    over the cells.

    Args:
        readings: ``(readings, rows, columns)``, after up and after down pulses in turn, S; a
            multiple of 4 of them.
    """
    pairs = _pairs(readings[len(readings) // 2 :])
    mean = pairs.mean(axis=0)
    off = pairs - mean
    variance = np.maximum((off**2).sum(axis=0) / (len(pairs) - 1), 0)
    total = float((off**2).sum())
    r = float((off[1:] * off[:-1]).sum()) / total if total else 0.0
    r = min(max(r + 1 / len(pairs), 0.0), 0.95)  # deviations from a mean are anticorrelated
    return mean, np.sqrt(variance / len(pairs) * (1 + r) / (1 - r))


def drift(readings: Array) -> Array:
    """Change from the third to the last quarter of the readings, ``(rows, columns)``, S."""
    quarters = _quarters(readings)
    change: Array = quarters[3] - quarters[2]
    return change


def onward(readings: Array) -> Array:
    """``drift`` of every cell in the direction in which it set out, ``(cells,)``, S; finite ones.

    A cell that is still on its way goes on as it began; one that wanders about its symmetric point
    rather comes back.
    """
    quarters = _quarters(readings)
    change = (np.sign(quarters[1] - quarters[0]) * (quarters[3] - quarters[2])).ravel()
    finite: Array = change[np.isfinite(change)]
    return finite


def drift_in_errors(readings: Array) -> float:
    """Mean of the cells' ``onward`` drift, in its standard errors.

    The error of the mean is what the cells themselves show. Fewer than four cells cannot tell:
    infinite.
    """
    change = onward(readings)
    if change.size < 4:
        return float("inf")
    spread = float(change.std(ddof=1))
    return float(change.mean()) / spread * change.size**0.5 if spread else 0.0


def _quarters(readings: Array) -> Array:
    """Means of the pairs in each quarter of the readings, ``(4, rows, columns)``, S."""
    means: Array = _pairs(readings).reshape(4, -1, *readings.shape[1:]).mean(axis=1)
    return means
