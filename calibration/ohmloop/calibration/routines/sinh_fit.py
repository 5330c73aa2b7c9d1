"""The characteristic voltage of a hyperbolic sine, fitted to conductances at several voltages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LEAST, _MOST = 0.02, 100.0  # V: beyond, a cell is as good as a resistor
_GRID = 400


def fit_v0(volts: Array, g: Array, read_voltage: float) -> tuple[Array, Array]:
    """Least squares of ``g(V) = a sinh(V/V0) / (V/V0)``, in relative errors, cell by cell.

    For each V0 of a logarithmic grid the best ``a`` has a closed form; a parabola through the best
    three refines. The standard error is by the curvature and the scatter about the fit.

    Args:
        volts: ``(points,)``, above 0, V.
        g: conductances ``(points, rows, columns)``, S.
        read_voltage: above 0, V; scales only.

    Returns:
        V0 and its standard error, ``(rows, columns)``, V: infinite and NaN for a cell whose
        conductance does not grow, NaN both where it was not measured.
    """
    curvature = np.linspace(np.log(1 / _MOST), np.log(1 / _LEAST), _GRID)  # of ln(1/V0)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = g / np.mean(g, axis=0)
    # Weighted by 1/g: the model over the data is to be 1, so a linear law is fitted in 1/a.
    cost = np.stack([_residual(np.exp(k), volts, relative, read_voltage) for k in curvature])
    best = np.clip(np.argmin(np.nan_to_num(cost, nan=np.inf), axis=0), 1, _GRID - 2)
    around = np.stack([np.take_along_axis(cost, (best + d)[None], 0)[0] for d in (-1, 0, 1)])
    step = curvature[1] - curvature[0]
    bend = around[0] - 2 * around[1] + around[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.clip(0.5 * (around[0] - around[2]) / bend, -1, 1)
        v0 = np.exp(-(curvature[best] + shift * step))
        freedom = max(volts.size - 2, 1)
        error = v0 * np.sqrt(2 * around[1] / freedom / (bend / step**2))
    flat = best <= 1
    known = np.isfinite(relative).all(axis=0)
    v0 = np.where(flat, np.inf, v0)
    error = np.where(flat, np.nan, error)
    return np.where(known, v0, np.nan), np.where(known, error, np.nan)


def _residual(inverse: float, volts: Array, g: Array, read_voltage: float) -> Array:
    """Sum of squared relative errors with the best scale."""
    shape = _over(volts * inverse) / _over(np.array(read_voltage * inverse))
    ratio = shape[:, None, None] / g
    scale = ratio.sum(axis=0) / np.square(ratio).sum(axis=0)
    found: Array = np.square(scale * ratio - 1).sum(axis=0)
    return found


def _over(x: Array) -> Array:
    bounded = np.clip(x, 1e-9, 300)
    found: Array = np.sinh(bounded) / bounded
    return found
