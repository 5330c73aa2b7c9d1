"""Prediction errors of a soft-bounds cell: a Kalman filter, for all cells at once.

A pulse towards bound ``B`` multiplies the distance ``d = B - g`` by ``(1 - s) - s c xi``, so after
n pulses the first two moments are exact in closed form, with ``a = 1 - s`` and
``b = a^2 + (s c)^2``::

    E[d_n] = a^n E[d_0]          E[d_n^2] = b^n E[d_0^2]

A reading is ``g (1 + r eta)``. Fitting single differences would mistake read noise for
steps (errors in variables); the prediction errors of the filter tell the two apart (likelihood:
Schweppe, IEEE Trans. Inf. Theory 11:61, 1965). That cells are clipped at their bounds is left out;
it matters where a step seldom keeps its direction, ``c`` above about 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.integer[Any]]

PARAMETERS = ("g_min", "g_max", "slope_up", "slope_down", "dg_std", "read_std")
"""What is fitted, in the order of every parameter axis."""


class Cells(NamedTuple):
    """Parameters in the order of ``PARAMETERS``, each ``(..., cells)``; see ``Population``."""

    g_min: Array
    g_max: Array
    slope_up: Array
    slope_down: Array
    dg_std: Array
    read_std: Array


def pulsed(cells: Cells, mean: Array, variance: Array, pulses: Counts) -> tuple[Array, Array]:
    """Moments of the state after a run of pulses.

    Args:
        cells: parameters.
        mean: of the state before, S, ``(..., cells)``.
        variance: of the state before, S^2.
        pulses: signed counts ``(cells,)``, positive = up.

    Returns:
        Mean and variance after.
    """
    if not pulses.any():
        return mean, variance
    up, count = pulses > 0, np.abs(pulses)
    slope = np.where(up, cells.slope_up, cells.slope_down)
    bound = np.where(up, cells.g_max, cells.g_min)
    kept = 1 - slope
    first = kept**count
    second = (kept**2 + (slope * cells.dg_std) ** 2) ** count
    distance = bound - mean
    spread = second * variance + distance**2 * (second - first**2)
    return bound - distance * first, spread


def prediction_errors(cells: Cells, readings: Array, pulses: Counts) -> tuple[Array, Array]:
    """Errors of predicting each reading from those before it, and their variances.

    Args:
        cells: parameters, ``(..., cells)``.
        readings: ``(steps, cells)``, S; NaN where a step was not read. The first must be there.
        pulses: ``(steps, cells)`` signed counts given before each reading; the first is unused.

    Returns:
        Errors, S, and variances, S^2, both ``(steps - 1, ..., cells)``; a step that was not read
        has error 0 and variance 1, which adds nothing to a likelihood.
    """
    shape = (readings.shape[0] - 1, *np.broadcast_shapes(cells.g_min.shape, readings.shape[1:]))
    errors, variances = np.zeros(shape), np.ones(shape)
    mean = np.broadcast_to(readings[0], shape[1:])
    variance = (cells.read_std * mean) ** 2
    for t, (reading, count) in enumerate(zip(readings[1:], pulses[1:], strict=True)):
        mean, variance = pulsed(cells, mean, variance, count)
        seen = np.isfinite(reading)
        if not seen.any():
            continue
        error = np.where(seen, reading, mean) - mean
        total = variance + (cells.read_std * mean) ** 2
        gain = np.where(seen, variance / total, 0.0)
        errors[t], variances[t] = error, np.where(seen, total, 1.0)
        mean, variance = mean + gain * error, variance * (1 - gain)
    return errors, variances


def log_likelihood(errors: Array, variances: Array) -> Array:
    """Gaussian log-likelihood of prediction errors, without its constant: ``(..., cells)``."""
    total: Array = -0.5 * (np.log(variances) + errors**2 / variances).sum(axis=0)
    return total
