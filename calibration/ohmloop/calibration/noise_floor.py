"""What a current meter shows where nothing flows, and how much two readings differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .spread import robust_std
from .survey import Array, Survey

LEAKAGE = 1e-11
"""What a path of relays and cables may leak and still be open, S."""
"""Standard deviation of a normal variable, in median absolute deviations."""


@dataclass(frozen=True)
class NoiseFloor:
    """The meter and the cells' read noise, from repeated readings.

    Attributes:
        offset: current shown at 0 V, A.
        spread: of that offset over cells, a standard deviation, A.
        noise: standard deviation of one reading of no current, A.
        relative: standard deviation of one reading relative to the current, where current flows.
        repeats: readings that a mean current is of.
        degrees: of freedom of ``spread``.
        measured: whether the bench could read at 0 V; else the weakest cells stand for it.
    """

    offset: float
    spread: float
    noise: float
    relative: float
    repeats: int
    degrees: int
    measured: bool

    def error(self, current: Array) -> Array:
        """Standard deviation of a mean current, A."""
        scaled = (self.noise**2 + (self.relative * current) ** 2) / self.repeats
        found: Array = np.sqrt(scaled + self.spread**2)
        return found

    def least(self, false_alarms: float, voltage: float) -> float:
        """Current that no current reaches, but for one reading in ``1 / false_alarms``, A."""
        z = float(stats.t.isf(false_alarms / 2, max(self.degrees, 2)))
        return z * float(self.error(np.zeros(1))[0]) + LEAKAGE * abs(voltage)


def noise_floor(survey: Survey) -> NoiseFloor:
    """Estimate it, robustly: single bad cells do not count."""
    if survey.zero is not None and np.isfinite(survey.zero).any():
        zero, measured = survey.zero, True
    else:
        zero, measured = _weakest(survey.readings), False
    means = zero.mean(axis=0)
    means = means[np.isfinite(means)]
    offset = float(np.median(means)) if measured else 0.0
    noise = _spread(zero)
    return NoiseFloor(
        offset,
        _deviation(means) if measured else 0.0,
        noise,
        _relative(survey.readings - offset, noise),
        survey.readings.shape[0],
        means.size - 1,
        measured,
    )


def _weakest(readings: Array) -> Array:
    """The quarter of cells with the least current, ``(repeats, cells)``."""
    flat = readings.reshape(readings.shape[0], -1)
    flat = flat[:, np.isfinite(flat).all(axis=0)]
    size = np.abs(flat.mean(axis=0)) if flat.size else np.empty(0)
    return flat[:, size <= np.quantile(size, 0.25)] if size.size else np.zeros((2, 1))


def _spread(repeated: Array) -> float:
    """Standard deviation of one reading, from differences of successive ones."""
    differences = np.diff(repeated, axis=0)
    differences = differences[np.isfinite(differences)]
    return _deviation(differences) / np.sqrt(2) if differences.size else 0.0


def _deviation(values: Array) -> float:
    """Robust standard deviation; of values that are mostly alike, the plain one."""
    if not values.size:
        return 0.0
    return float(robust_std(values)) or float(values.std())


def _relative(readings: Array, noise: float) -> float:
    """Read noise relative to the current, of cells whose current is well above the floor."""
    size = np.abs(readings.mean(axis=0))
    with np.errstate(invalid="ignore"):
        strong = np.isfinite(size) & (size > 10 * noise) & (size > 0)
    if not strong.any() or readings.shape[0] < 2:
        return 0.0
    squares = np.diff(readings, axis=0)[:, strong] ** 2 / 2
    excess = squares / stats.chi2.median(1) - noise**2
    return float(np.sqrt(max(0.0, np.median(excess / size[strong] ** 2))))
