"""What conductances do that are left alone: power-law drift, decay, and spreading.

Drift is ``g (t/t_0)^-nu`` (Nandakumar et al., Front. Neurosci. 14:406, 2020), a straight line on
logarithmic axes. Decay is ``rest + (g - rest) exp(-t/lifetime)``, linear in all but the lifetime,
which is profiled on a grid (variable projection: Golub and Pereyra, SIAM J. Numer. Anal. 10:413,
1973).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """Power-law drift of each cell; NaN where a cell has no positive readings.

    Attributes:
        nu: exponent; above 0 a conductance falls.
        stderr: its standard error, for few readings widened to what a normal one would be.
        misfit: squared residuals relative to the mean squared, summed.
    """

    nu: Array
    stderr: Array
    misfit: Array


@dataclass(frozen=True)
class Decay:
    """Exponential decay of each cell.

    Attributes:
        lifetime: s; NaN where none is told from lasting for ever.
        stderr: its standard error.
        rest: conductance that is left in the end, S.
        rest_stderr: its standard error.
        misfit: as of ``Drift``.
    """

    lifetime: Array
    stderr: Array
    rest: Array
    rest_stderr: Array
    misfit: Array


def drift(readings: Array, ages: Array, begin: float = 0.0) -> Drift:
    """Fit drift.

    Args:
        readings: ``(n, cells)``, S.
        ages: time since the last pulse, s, ``(n,)``.
        begin: younger readings are left out, s.
    """
    kept = ages >= max(begin, 1e-12)
    g, x = readings[kept], np.log(ages[kept])
    usable = (g > 0).all(axis=0)
    y = np.log(np.where(usable, g, 1.0))
    x = (x - x.mean())[:, None]
    slope = (x * y).sum(axis=0) / (x**2).sum()
    residual = y - y.mean(axis=0) - x * slope
    degrees = max(len(g) - 2, 1)
    misfit = (residual**2).sum(axis=0)
    # Noise of one size for all cells of a chip is known better than by a few readings of one.
    own = misfit / degrees
    pooled = float(np.median(own[usable])) / _median_share(degrees) if usable.any() else 0.0
    weight = 10.0
    variance = (degrees * own + weight * pooled) / (degrees + weight)
    stderr = np.sqrt(variance / (x**2).sum())
    return Drift(
        np.where(usable, -slope, np.nan),
        np.where(usable, stderr, np.nan),
        np.where(usable, misfit, np.nan),
    )


def decay(readings: Array, ages: Array, lifetimes: int = 120) -> Decay:
    """Fit decay; a lifetime is told if it improves on a constant beyond chance, 1 in 1,000.

    Args:
        readings: ``(n, cells)``, S.
        ages: s, ``(n,)``.
        lifetimes: on the grid, from the shortest age to ten times the longest.
    """
    n = len(ages)
    usable = np.isfinite(readings).all(axis=0)
    g = np.where(usable, readings, 1.0)
    scale = np.where(g.mean(axis=0) > 0, g.mean(axis=0), 1.0)
    y = g / scale
    # Noise of a reading goes with the reading: what has decayed is known better.
    w = 1 / np.where(np.abs(y) > 1e-3, y, 1e-3)
    grid = np.geomspace(max(ages[ages > 0].min(), 1e-9), 10 * ages.max(), lifetimes)
    fits = [_rest_and_size(y, w, ages, tau) for tau in grid]
    misfits = np.stack([misfit for _, _, misfit in fits])
    best = misfits.argmin(axis=0)
    lifetime, rest, size = _refined(y, w, ages, grid[best], fits, best)
    model = rest + size * np.exp(-ages[:, None] / lifetime)
    misfit = ((w * (y - model)) ** 2).sum(axis=0)
    level = (w**2 * y).sum(axis=0) / (w**2).sum(axis=0)
    flat = ((w * (y - level)) ** 2).sum(axis=0)
    degrees = max(n - 3, 1)
    own = misfit / degrees
    some = own[usable & (own > 0)]
    pooled = float(np.median(some)) / _median_share(degrees) if some.size else 0.0
    variance = (degrees * own + 10 * pooled) / (degrees + 10)
    errors = _errors(w, ages, lifetime, size, variance)
    told = usable & ((flat - misfit) / np.maximum(variance, 1e-300) > 2 * stats.chi2.isf(1e-3, 2))
    inner = (best > 0) & (best < grid.size - 1) & (errors[0] < lifetime)
    told &= inner
    return Decay(
        np.where(told, lifetime, np.nan),
        np.where(told, errors[0], np.nan),
        np.where(told, rest * scale, np.nan),
        np.where(told, errors[1] * scale, np.nan),
        np.where(usable, misfit, np.nan),
    )


def spread(readings: Array) -> tuple[Array, Array]:
    """Standard deviation over cells of what changed since the first reading, and its error, S.

    Args:
        readings: ``(n, cells)``, S.

    Returns:
        Each ``(n,)``; 0 at the first.
    """
    change = (readings - readings[0])[:, np.isfinite(readings).all(axis=0)]
    cells = change.shape[1]
    if cells < 2:
        nothing = np.full(len(readings), np.nan)
        return nothing, nothing
    std = change.std(axis=1, ddof=1)
    return std, std / np.sqrt(2 * (cells - 1))


def per_decade(values: Array, errors: Array, ages: Array) -> tuple[float, float]:
    """Slope of ``values`` over the decimal logarithm of the age, and its standard error."""
    kept = np.isfinite(values) & (errors > 0) & (ages > 0)
    if kept.sum() < 2:
        return float("nan"), float("nan")
    x, w = np.log10(ages[kept]), 1 / errors[kept] ** 2
    x = x - (w * x).sum() / w.sum()
    strength = float((w * x**2).sum())
    return float((w * x * values[kept]).sum() / strength), strength**-0.5


def _rest_and_size(y: Array, w: Array, ages: Array, tau: float) -> tuple[Array, Array, Array]:
    shape = np.exp(-ages / tau)[:, None]
    w2 = w**2
    total = w2.sum(axis=0)
    x = shape - (w2 * shape).sum(axis=0) / total
    size = (w2 * x * y).sum(axis=0) / np.maximum((w2 * x**2).sum(axis=0), 1e-30)
    rest = (w2 * (y - size * shape)).sum(axis=0) / total
    return rest, size, ((w * (y - rest - size * shape)) ** 2).sum(axis=0)


def _refined(
    y: Array,
    w: Array,
    ages: Array,
    lifetime: Array,
    fits: list[tuple[Array, Array, Array]],
    best: NDArray[np.intp],
) -> tuple[Array, Array, Array]:
    """A few steps of Gauss and Newton from the best of the grid."""
    cell = np.arange(y.shape[1])
    rest = np.stack([f[0] for f in fits])[best, cell]
    size = np.stack([f[1] for f in fits])[best, cell]
    low, high = lifetime * 0.9, lifetime * 1.1
    for _ in range(6):
        jacobian = w * _jacobian(ages, lifetime, size)
        model = rest + size * np.exp(-ages[:, None] / lifetime)
        normal = np.einsum("pnc,qnc->cpq", jacobian, jacobian) + 1e-14 * np.eye(3)
        right = np.einsum("pnc,nc->cp", jacobian, w * (y - model))
        step = np.linalg.solve(normal, right[:, :, None])[:, :, 0].T
        lifetime = np.clip(lifetime * np.exp(np.clip(step[0], -0.1, 0.1)), low, high)
        rest, size = rest + step[1], size + step[2]
    return lifetime, rest, size


def _jacobian(ages: Array, lifetime: Array, size: Array) -> Array:
    """By log lifetime, rest and size: ``(3, n, cells)``."""
    ratio = ages[:, None] / lifetime
    shape = np.exp(-ratio)
    return np.stack([size * shape * ratio, np.ones_like(shape), shape])


def _errors(
    w: Array, ages: Array, lifetime: Array, size: Array, variance: Array
) -> tuple[Array, Array]:
    jacobian = w * _jacobian(ages, lifetime, size)
    normal = np.einsum("pnc,qnc->cpq", jacobian, jacobian) + 1e-14 * np.eye(3)
    covariance = np.linalg.inv(normal) * variance[:, None, None]
    return lifetime * np.sqrt(covariance[:, 0, 0]), np.sqrt(covariance[:, 1, 1])


def _median_share(degrees: int) -> float:
    """Median of chi-squared over its degrees."""
    return float(stats.chi2.median(degrees)) / degrees
