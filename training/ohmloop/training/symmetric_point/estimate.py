"""From readings under alternating pulses to symmetric points, and how wrong they may be.

A pulse keeps ``rho = 1 - rate`` of a cell's distance to its symmetric point and adds noise of its
own: an autoregression of first order from a known start. So of the start ``rho^n`` is left after n
pulses, two readings n pulses apart differ by ``2 walk (1 - rho^n) + 2 read^2`` in the mean square,
``walk = noise^2 / (1 - rho^2)``, and readings at n and m pulses covary by
``walk (rho^|n - m| - rho^(n + m))``. The noises are what the cells themselves show, pooled, in
units of their granularity. The rate is that of a straight response, and may be off: a fifth of what
is taken off for the start counts as an error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ohmloop.training.tiles.mapping import Map

from .theory import left_after

_UNSURE = 0.2
_LAGS = (2, 4, 6, 8)  # even: between readings after a pulse in the same direction


@dataclass(frozen=True, slots=True)
class Estimate:
    """Maps over the cells, ``(cells,)``, S.

    Attributes:
        point: symmetric point.
        stderr: its standard error.
        unsure: the part of that which is common to all cells.
    """

    point: Map
    stderr: Map
    unsure: Map


def estimate(start: Map, readings: Map, per_reading: int, rate: Map, dg_min: Map) -> Estimate:
    """Symmetric points, from the second half of the readings.

    Args:
        start: readings before the first pulse ``(cells,)``, S.
        readings: ``(readings, cells)``, S; a multiple of 4, one after an up pulse and one after a
            down pulse in turn.
        per_reading: pulses before each.
        rate: share of the distance that a pulse goes, ``(cells,)``.
        dg_min: granularity, ``(cells,)``, S.
    """
    half = len(readings) // 2
    late = readings[half:]
    given: Map = per_reading * np.arange(half + 1, len(readings) + 1, dtype=np.float64)
    left = left_after(given[:, None], rate[None])
    share = left.mean(axis=0)
    rest = np.maximum(1 - share, 0.05)
    mean = late.mean(axis=0)
    taken_off = share * (start - mean) / rest
    point = mean - taken_off
    noise, read = _noises((late - left * (start - point)) / dg_min, per_reading, rate)
    rho = 1 - np.minimum(rate, 1.0)
    apart, both = np.abs(given[:, None] - given[None]), given[:, None] + given[None]
    covary = np.mean(
        [rho**a - rho**b for a, b in zip(apart.ravel(), both.ravel(), strict=True)], axis=0
    )
    walk = noise**2 / (1 - rho**2)
    random = dg_min * np.sqrt(walk * covary + read**2 * (1 / len(late) + share**2)) / rest
    unsure = _UNSURE * np.abs(taken_off)
    return Estimate(point, np.hypot(random, unsure), unsure)


def _noises(steps: Map, per_reading: int, rate: Map) -> tuple[float, float]:
    """Noise of a pulse and of a reading, in granularities, from ``(readings, cells)`` of them."""
    rho = 1 - np.minimum(rate, 1.0)
    lags = [lag for lag in _LAGS if lag <= len(steps) // 2]
    seen = np.array([np.mean((steps[lag:] - steps[:-lag]) ** 2) for lag in lags])
    grow = np.array([np.mean(2 * (1 - rho ** (lag * per_reading)) / (1 - rho**2)) for lag in lags])
    if len(lags) > 1:
        slope, rest = np.polyfit(grow, seen, 1)
        if slope > 0 and rest >= 0:
            return float(np.sqrt(slope)), float(np.sqrt(rest / 2))
    return float(np.sqrt(np.mean(seen / grow))), 0.0
