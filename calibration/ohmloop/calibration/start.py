"""Where the fit starts: closed forms, cell by cell.

``n`` pulses take the mean from ``g`` to ``B (1 - a^n) + a^n g``: a straight line, so a regression
of each reading on the one before gives slope and bound (algorithm after Gong et al., Nat. Commun.
9:2102, 2018, with n pulses in place of one). It is biased by read noise, which the fit removes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .kalman import Array, Cells


def first_guess(readings: Array, pulses: NDArray[np.int32], still: NDArray[np.intp]) -> Cells:
    """Estimate all parameters.

    Args:
        readings: ``(steps, cells)``, S.
        pulses: signed counts before each reading, ``(steps, cells)``.
        still: steps of repeated readings of the untouched chip.

    Returns:
        Parameters, each ``(cells,)``, within sensible bounds.
    """
    low, high = readings.min(axis=0), readings.max(axis=0)
    span = np.maximum(high - low, 1e-3 * np.abs(high) + 1e-15)
    up, up_bound = _line(readings, pulses, 1, high, span)
    down, down_bound = _line(readings, pulses, -1, low, span)
    quiet = readings[still]
    read_std = quiet.std(axis=0, ddof=1) / np.maximum(np.abs(quiet.mean(axis=0)), 1e-15)
    g_max = np.clip(up_bound, high, high + 3 * span)
    g_min = np.clip(down_bound, np.maximum(low - 3 * span, 0), np.maximum(low, 0))
    g_max = np.maximum(g_max, g_min + 1e-3 * span)
    cells = Cells(g_min, g_max, up, down, np.zeros_like(up), np.maximum(read_std, 1e-5))
    return cells._replace(dg_std=_step_noise(cells, readings, pulses))


def _line(
    readings: Array, pulses: NDArray[np.int32], sign: int, bound: Array, span: Array
) -> tuple[Array, Array]:
    """Slope and bound of one direction, by least squares of reading on reading before."""
    before, after = readings[:-1], readings[1:]
    used = (np.sign(pulses[1:]) == sign).astype(float)
    count = np.maximum(used.sum(axis=0), 1)
    mean_count = np.maximum((used * np.abs(pulses[1:])).sum(axis=0) / count, 1)
    x0, y0 = (used * before).sum(axis=0) / count, (used * after).sum(axis=0) / count
    sxx = (used * (before - x0) ** 2).sum(axis=0)
    sxy = (used * (before - x0) * (after - y0)).sum(axis=0)
    kept = np.clip(sxy / np.maximum(sxx, 1e-300), 0.02, 0.999)
    reach = np.where(kept < 0.998, (y0 - kept * x0) / (1 - kept), bound + sign * span)
    return 1 - kept ** (1 / mean_count), reach


def _step_noise(cells: Cells, readings: Array, pulses: NDArray[np.int32]) -> Array:
    """What is left of the one-step errors after read noise, relative to a step."""
    before, after, n = readings[:-1], readings[1:], pulses[1:]
    up, count = n > 0, np.abs(n)
    slope = np.where(up, cells.slope_up, cells.slope_down)
    distance = np.where(up, cells.g_max, cells.g_min) - before
    kept = (1 - slope) ** count
    error = after - (before + distance * (1 - kept))
    read = cells.read_std**2 * (after**2 + (kept * before) ** 2)
    moved = count > 0
    excess = np.where(moved, error**2 - read, 0.0).sum(axis=0)
    unit = np.where(moved, count * (slope * distance) ** 2, 0.0).sum(axis=0)
    ratio: Array = np.sqrt(np.maximum(excess / np.maximum(unit, 1e-300), 1e-4))
    return np.minimum(ratio, 10.0)
