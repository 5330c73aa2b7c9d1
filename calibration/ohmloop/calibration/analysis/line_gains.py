"""Gain of every line, from products of one driven line each and the map of single cells.

A product's conductance of a cell is its own times the gains of its driven and its sensed line, so
logarithms of ratios are a table of row and column effects: additive least squares, with weights,
because current noise matters more for weak cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_ROUNDS = 50


@dataclass(frozen=True)
class Gains:
    """Gains and their standard errors.

    Which share of the common gain is of driven and which of sensed lines cannot be told: driven
    ones have a mean of 1 here.

    Attributes:
        sensed: ``(sensed,)``.
        sensed_stderr: errors.
        driven: ``(driven,)``.
        driven_stderr: errors.
        residual: relative standard deviation that is left of a strong cell.
    """

    sensed: Array
    sensed_stderr: Array
    driven: Array
    driven_stderr: Array
    residual: float


def line_gains(measured: Array, cells: Array) -> Gains:
    """Row and column effects.

    Args:
        measured: of products, ``(sensed, driven)``, S.
        cells: read one by one, ``(sensed, driven)``, S.
    """
    usable = (measured > 0) & (cells > 0)
    ratio = np.log(np.where(usable, measured, 1) / np.where(usable, cells, 1))
    weak = 0.2 * np.median(cells[usable]) if usable.any() else 1.0
    w = np.where(usable, cells**2 / (cells**2 + weak**2), 0.0)
    sensed, driven = np.zeros(cells.shape[0]), np.zeros(cells.shape[1])
    by_sensed, by_driven = np.maximum(w.sum(axis=1), 1e-30), np.maximum(w.sum(axis=0), 1e-30)
    for _ in range(_ROUNDS):
        sensed = (w * (ratio - driven)).sum(axis=1) / by_sensed
        driven = (w * (ratio - sensed[:, None])).sum(axis=0) / by_driven
        driven -= driven.mean()
    left = ratio - sensed[:, None] - driven
    degrees = max(int(usable.sum()) - sum(cells.shape) + 1, 1)
    variance = float((w * left**2).sum()) / degrees
    common = variance / w.sum()  # of the mean of driven lines, which is set to 1
    return Gains(
        np.exp(sensed),
        np.exp(sensed) * np.sqrt(variance / by_sensed + common),
        np.exp(driven),
        np.exp(driven) * np.sqrt(variance / by_driven),
        variance**0.5,
    )
