"""Resistances of a crossbar's lines, from products through them and the map of single cells.

The map of cells read one by one is what ideal lines would give; products carry the currents of many
cells through the wires. The wires' parameters are fitted through the exact network (A. Chen, IEEE
Trans. Electron Devices 60, 1318, 2013) by Gauss-Newton steps; a network is nearly linear in
resistances that are small beside cells, so a few do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.spread import robust_std
from ohmloop.sim_backend.periphery.wire_resistance import Ends, WiredMap, Wires

Array = NDArray[np.float64]

NAMES = ("row_segment", "column_segment", "source", "sense")
_START = 1.0  # ohm
_ROUNDS = 4


@dataclass(frozen=True)
class Lines:
    """Resistances with their errors.

    Attributes:
        ohms: of ``NAMES``, ohm.
        stderr: their standard errors.
        gain: current of a product over that of single cells, beside the wires' effect.
        gain_stderr: its standard error.
        residual: relative standard deviation of what is left.
    """

    ohms: Array
    stderr: Array
    gain: float
    gain_stderr: float
    residual: float


@dataclass(frozen=True)
class Products:
    """What was measured.

    Attributes:
        forward: rows' currents over the voltage, a column at a time, ``(rows, columns)``, S.
        backward: columns' currents, a row at a time, ``(rows, columns)``, S.
    """

    forward: Array
    backward: Array


def fit_lines(g: Array, measured: Products, row_ends: Ends, column_ends: Ends) -> Lines:
    """Fit wires to products.

    Args:
        g: cells read one by one, ``(rows, columns)``, S.
        measured: products.
        row_ends: where rows are connected.
        column_ends: where columns are.
    """
    g = np.maximum(g, 0)
    used = g > 0.05 * np.median(g)  # of weaker cells the noise is all there is
    seen = _seen(measured.forward, measured.backward, used)
    theta = np.full(len(NAMES), _START)
    design = np.empty((seen.size, len(NAMES) + 1))
    design[:, -1] = 1.0
    for _ in range(_ROUNDS):
        model = _model(g, theta, row_ends, column_ends, used)
        for k in range(theta.size):
            more = theta.copy()
            step = max(0.05 * theta[k], 0.1)
            more[k] += step
            design[:, k] = (_model(g, more, row_ends, column_ends, used) - model) / step
        target = seen - model + design[:, :-1] @ theta
        theta, gain = _solve(design, target)
    left = seen - _model(g, theta, row_ends, column_ends, used) - gain
    # Forward and backward share the errors of the map: they count as one measurement.
    independent = max(seen.size / 2 - design.shape[1], 1)
    variance = float((left**2).sum()) / 2 / independent
    covariance = 2 * variance * np.linalg.pinv(design.T @ design)
    errors = np.sqrt(np.diag(covariance))
    return Lines(
        theta, errors[:-1], float(np.exp(gain)), float(errors[-1] * np.exp(gain)), variance**0.5
    )


def gradients(g: Array) -> tuple[Array, Array]:
    """Resistance that cells seem to have more from one row or column to the next.

    Of cells read one by one, at resistances that do not depend on their place but for wires. Robust
    against single cells: those beyond three deviations are left out.

    Args:
        g: ``(rows, columns)``, S.

    Returns:
        A row's segment and a column's, ohm, and their standard errors.
    """
    row, column = (np.asarray(i) for i in np.indices(g.shape))
    usable = np.isfinite(g) & (g > 0.05 * np.nanmedian(g))
    y = 1 / g[usable]
    design = np.stack([column[usable], row[usable], np.ones(y.size)], axis=1).astype(float)
    middle, width = np.median(y), robust_std(y)
    kept = np.abs(y - middle) <= 3 * width + 1e-12
    solution = np.linalg.lstsq(design[kept], y[kept], rcond=None)[0]
    left = y[kept] - design[kept] @ solution
    variance = float((left**2).sum()) / max(int(kept.sum()) - 3, 1)
    errors = np.sqrt(variance * np.diag(np.linalg.pinv(design[kept].T @ design[kept])))
    return solution[:2], errors[:2]


def _seen(forward: Array, backward: Array, used: NDArray[np.bool_]) -> Array:
    found: Array = np.log(np.maximum(np.concatenate([forward[used], backward[used]]), 1e-18))
    return found


def _model(
    g: Array, theta: Array, row_ends: Ends, column_ends: Ends, used: NDArray[np.bool_]
) -> Array:
    row, column, source, sense = map(float, theta)
    wires = Wires.model_construct(
        row_segment=row,
        column_segment=column,
        source=source,
        sense=sense,
        row_ends=row_ends,
        column_ends=column_ends,
    )
    wired = WiredMap(g, wires)
    return _seen(wired.forward_map(), wired.backward_map(), used)


def _solve(design: Array, target: Array) -> tuple[Array, float]:
    """Least squares with no resistance below 0."""
    from scipy.optimize import lsq_linear

    low = np.array([0.0] * (design.shape[1] - 1) + [-np.inf])
    scale = np.linalg.norm(design, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    found = lsq_linear(design / scale, target, bounds=(low, np.inf), method="bvls").x / scale
    return found[:-1], float(found[-1])
