"""The filter of ``reference``, compiled: instance by instance, pulse by pulse.

``p`` is a named tuple of parameters whose type tells the response function, as in the kernels of
the twin, whose ``laws`` these are.
"""

from __future__ import annotations

from math import erf, exp, sqrt
from typing import Any

import numpy as np

from ohmloop.sim_backend.engine.kernel_noise import compiled
from ohmloop.sim_backend.engine.laws import q_down, q_up

from .reference import FAR, RARE, SLOPE_STEP
from .robust import LIMIT

_ROOT_2, _DENSITY = sqrt(2.0), 1 / sqrt(2 * np.pi)
_TINY = 1e-300


@compiled
def prediction_errors(
    p: Any, noise: Any, seen: Any, starts: Any, held: Any, first: Any, out: Any
) -> None:
    """Errors and variances of instances ``first`` and on, into ``out``.

    Args:
        p: parameters, float64 ``(instances,)`` or ``(instances, nodes)``.
        noise: dg_std, dg_add, read_std, read_add, each ``(instances,)``.
        seen: readings float64 and pulses int32, ``(cells, steps)``.
        starts: bool ``(steps,)``.
        held: bool ``(steps,)``.
        first: first instance and the first that is somebody else's.
        out: errors and variances, ``(instances, steps)``.
    """
    readings, pulses = seen
    errors, variances = out
    cells, steps = readings.shape
    for i in range(first[0], first[1]):
        c = i % cells
        std, add, read_std, read_add = noise[0][i], noise[1][i], noise[2][i], noise[3][i]
        mean, variance, known = 0.0, 0.0, False
        for t in range(steps):
            if starts[t]:
                known = False
            reading, count = readings[c, t], pulses[c, t]
            if known and count != 0:
                mean, variance = _pulses(p, i, mean, variance, std, add, count)
            errors[i, t], variances[i, t] = 0.0, 1.0
            if not np.isfinite(reading):
                continue
            if not known:
                mean, known = reading, True
                variance = (read_std * mean) ** 2 + read_add**2
                continue
            total = variance + (read_std * mean) ** 2 + read_add**2 + _TINY
            error = reading - mean
            errors[i, t], variances[i, t] = error, total
            if not held[t]:
                limit, size = LIMIT * sqrt(total), abs(error)
                gain = variance / total * (limit / size if size > limit else 1.0)
                left = 0.5 * max(size - limit, 0.0) if std + add > 0.0 else 0.0
                mean, variance = mean + gain * error, variance * (1 - gain) + left * left


@compiled
def _pulses(p: Any, i: Any, mean: Any, variance: Any, std: Any, add: Any, count: Any) -> Any:
    """Moments after a run of pulses."""
    low, high = p[0][i], p[1][i]
    nudge = SLOPE_STEP * (high - low)
    for _ in range(abs(count)):
        place = min(max(mean, low), high)
        beside = place - nudge if place + nudge > high else place + nudge
        if count > 0:
            q, near, way = q_up(p, i, place), q_up(p, i, beside), 1.0
        else:
            q, near, way = q_down(p, i, place), q_down(p, i, beside), -1.0
        slope = (near - q) / (beside - place)
        s = std * q + add
        before, known = mean, variance
        mean += way * q
        variance = ((1 + way * slope) ** 2 + (std * slope) ** 2) * variance + s * s
        if _near(high - mean, variance):
            lost, share = _cut(high - mean, variance, high - before, known)
            mean, variance = min(mean - lost, high), variance * share
        if _near(mean - low, variance):
            lost, share = _cut(mean - low, variance, before - low, known)
            mean, variance = max(mean + lost, low), variance * share
    return mean, variance


@compiled
def _near(distance: Any, variance: Any) -> Any:
    """Whether a bound matters."""
    return distance < 0 or distance * distance < FAR * FAR * variance


@compiled
def _cut(distance: Any, variance: Any, before: Any, known: Any) -> Any:
    """What a bound takes of a mean, and the share of the variance that it leaves.

    Where the normal before the pulse was beyond the bound too, no state was: that part is taken
    off.
    """
    lost, share = _beyond(distance, variance)
    if _near(before, known):
        earlier, kept = _beyond(before, known)
        return max(lost - earlier, 0.0), min(share / max(kept, _TINY), 1.0)
    return lost, share


@compiled
def _beyond(distance: Any, variance: Any) -> Any:
    """Of a normal cut off at a distance: the mean it loses, and the share of variance it keeps."""
    s = sqrt(max(variance, _TINY))
    z = distance / s
    if z <= -FAR:
        return -distance, 0.0
    density, below = exp(-z * z / 2) * _DENSITY, 0.5 * (1 + erf(z / _ROOT_2))
    h = z * below + density
    common = below * (1 + RARE) / (below + RARE)
    return s * h - distance, common * max((1 + z * z) * below + z * density - h * h, 0.0)
