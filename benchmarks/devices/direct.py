"""The yardstick: each direction of a staircase fitted by itself with a curve, by least squares.

It is what somebody writes in an afternoon: the mean curve of a response function through the
readings, with a start of its own, no noise model, and a direction's parameters free of the other's.
The six curves are those of the response functions that are in use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Array = NDArray[np.float64]
Curve = Callable[[Array, Array], Array]
"""``curve(parameters, x)``: x is the share of the train done, readings are 0 to 1 along it."""

BLOCK, FOLDS = 50, 5
_NODES = 9


def folds(count: int) -> NDArray[np.intp]:
    """Fold of each pulse of a train: blocks of 50 pulses, dealt out to 5 folds in turn."""
    return np.arange(count) // BLOCK % FOLDS


@dataclass(frozen=True, slots=True)
class Direct:
    """Held-out errors of one direction, root mean square in units of the readings, by curve."""

    errors: Mapping[str, float]

    @property
    def best(self) -> str:
        """The curve with the least."""
        return min(self.errors, key=lambda name: self.errors[name])


def direct_fits(readings: Array) -> Direct:
    """Fit all curves to one train ``(pulses,)``, five times with a fifth of it held out."""
    low, high = float(readings.min()), float(readings.max())
    first, last = float(np.median(readings[:20])), float(np.median(readings[-20:]))
    y = (readings - low) / (high - low)
    y = y if last > first else 1 - y
    x, fold = np.arange(y.size) / y.size, folds(y.size)
    errors = {}
    for name, (curve, starts) in CURVES.items():
        wrong = np.empty_like(y)
        for k in range(FOLDS):
            seen = fold != k
            wrong[~seen] = (_fitted(curve, starts, x, y, seen) - y)[~seen]
        errors[name] = float(np.sqrt(np.mean(wrong**2)) * (high - low))
    return Direct(errors)


def _fitted(
    curve: Curve, starts: tuple[tuple[float, ...], ...], x: Array, y: Array, seen: NDArray[np.bool_]
) -> Array:
    found = [
        least_squares(lambda p: curve(p, x)[seen] - y[seen], start, max_nfev=300)
        for start in starts
    ]
    return curve(min(found, key=lambda f: f.cost).x, x)


def _constant(p: Array, x: Array) -> Array:
    return p[0] + p[1] * x


def _soft_bounds(p: Array, x: Array) -> Array:
    """Towards a bound anywhere."""
    return p[1] + (p[0] - p[1]) * np.exp(-np.exp(np.clip(p[2], -9, 6)) * x)


def _cut_exponential(p: Array, x: Array) -> Array:
    """NeuroSim's: towards a bound beyond the hard one at which the curve stops, or away from it."""
    rate = p[2] if abs(p[2]) > 1e-6 else 1e-6
    return np.minimum(p[0] + p[1] * -np.expm1(np.clip(-rate * x, -30, 30)) / rate, p[3])


def _power(p: Array, x: Array) -> Array:
    """Steps as a power of the distance to a bound."""
    power, away = 1 + np.exp(np.clip(p[2], -6, 3)), np.maximum(p[1] - p[0], 1e-6)
    rate = np.exp(np.clip(p[3], -12, 12))
    return p[1] - (away ** (1 - power) + (power - 1) * rate * x) ** (1 / (1 - power))


def _exponential_step(p: Array, x: Array) -> Array:
    """Steps ``s (1 - exp(k (g - bound)))``: constant far from the bound, none at it."""
    steep = np.exp(np.clip(p[2], -4, 6))
    start = np.expm1(np.clip(steep * (p[1] - p[0]), 1e-9, 600))
    decay = np.exp(np.clip(p[3], -9, 6)) * steep * x
    return p[1] - np.log1p(np.exp(np.log(start) - decay)) / steep


def _piecewise(p: Array, x: Array) -> Array:
    """Steps from a table over the state: any monotonic curve that the nodes resolve."""
    table = np.exp(np.clip(p[1:], -12, 8))
    places = np.linspace(-0.02, 1.02, table.size)
    fine = np.linspace(-0.1, 1.1, 1201)
    time = np.concatenate([[0], np.cumsum(np.diff(fine) / np.interp(fine[:-1], places, table))])
    return np.interp(x + np.interp(p[0], fine, time), time, fine)


CURVES: Mapping[str, tuple[Curve, tuple[tuple[float, ...], ...]]] = {
    "constant step": (_constant, ((0.0, 1.0),)),
    "soft bounds": (_soft_bounds, ((0.0, 1.1, 0.7), (0.0, 1.0, 2.0))),
    "power": (_power, ((0.0, 1.2, -1.0, 0.7), (0.0, 1.1, 0.0, 1.0))),
    "exponential step": (_exponential_step, ((0.0, 1.0, 1.0, 0.3), (0.0, 1.0, 3.0, 1.0))),
    "NeuroSim-type": (_cut_exponential, ((0.0, 1.5, 1.0, 1.1), (0.0, 0.5, -1.0, 1.1))),
    "piecewise": (_piecewise, ((0.0, *np.zeros(_NODES)), (0.0, *np.linspace(2, -1, _NODES)))),
}
"""By name: curve, and where to start from."""
