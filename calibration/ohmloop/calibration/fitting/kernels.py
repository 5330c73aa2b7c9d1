"""The filter of ``reference``, compiled: pulse by pulse, ``LANES`` neighbouring instances at once.

A pulse waits for the one before it, so one instance alone leaves most of a processor idle; lanes
that get the same run of pulses go through it side by side. Where lanes differ, each goes alone.

``p`` is a named tuple of parameters whose type tells the response function, as in the kernels of
the twin, whose ``laws`` these are.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from ohmloop.sim_backend.engine.kernel_noise import compiled, inlined

from .kernel_bounds import cut_at, near
from .kernel_lanes import LANES, fill, q_down, q_up, rows
from .reference import SLOPE_STEP
from .robust import LIMIT

_TINY = 1e-300
_MEAN, _VARIANCE, _EARLIER, _KNOWN, _KNOWS = (k * LANES for k in range(5))
"""Where lanes have their moments, those before the pulse, and whether they know any."""
_STD, _ADD, _READ_STD, _READ_ADD, _ERROR, _TOTAL, _Q, _ASIDE = (k * LANES for k in range(5, 13))
"""Their noises, what became of a reading, and steps at the mean and beside it."""
_FIRST = 14 * LANES  # the row before it is for tables


@compiled
def prediction_errors(
    p: Any, noise: Any, seen: Any, starts: Any, held: Any, first: Any, out: Any
) -> None:
    """Errors and variances of instances ``first`` and on, into ``out``.

    Args:
        p: parameters, float64 ``(instances,)`` or ``(instances, nodes)``.
        noise: dg_std, dg_add, read_std, read_add, each ``(instances,)``.
        seen: readings float64 and pulses int32, ``(steps, cells)``.
        starts: bool ``(steps,)``.
        held: bool ``(steps,)``.
        first: first instance and the first that is somebody else's.
        out: errors and variances, ``(instances, steps)``.
    """
    readings, pulses = seen
    errors, variances = out
    cells, i = readings.shape[1], first[0]
    x = np.zeros(_FIRST + rows(p) * LANES)
    while i < first[1]:
        c = i % cells
        w = min(LANES, first[1] - i, cells - c)  # neighbours of one block of instances
        fill(p, i, w, x, _FIRST)
        for j in range(w):
            x[_STD + j], x[_ADD + j] = noise[0][i + j], noise[1][i + j]
            x[_READ_STD + j], x[_READ_ADD + j] = noise[2][i + j], noise[3][i + j]
        for t in range(len(readings)):
            if starts[t]:
                x[_KNOWS : _KNOWS + LANES] = 0.0
            if _alike(pulses, t, c, x, w):
                _run(p, x, 0, w, pulses[t, c])
            else:
                for j in range(w):
                    _run(p, x, j, j + 1, pulses[t, c + j] if x[_KNOWS + j] > 0.0 else 0)
            for j in range(w):
                _read(x, readings[t, c + j], j, held[t])
            for j in range(w):
                errors[i + j, t], variances[i + j, t] = x[_ERROR + j], x[_TOTAL + j]
        i += w


@compiled
def _alike(pulses: Any, t: Any, c: Any, x: Any, w: Any) -> Any:
    """Whether all lanes get the same pulses."""
    same = True
    for j in range(w):
        same &= (x[_KNOWS + j] > 0.0) & (pulses[t, c + j] == pulses[t, c])
    return same


@compiled
def _run(p: Any, x: Any, first: Any, stop: Any, count: Any) -> None:
    """A run of pulses on neighbouring lanes."""
    way = 1.0 if count > 0 else -1.0
    for _ in range(abs(count)):
        if count > 0:
            for j in range(first, stop):
                x[_Q + j] = q_up(p, x, j, _FIRST, _place(x, j))
                x[_ASIDE + j] = q_up(p, x, j, _FIRST, _beside(x, j))
        else:
            for j in range(first, stop):
                x[_Q + j] = q_down(p, x, j, _FIRST, _place(x, j))
                x[_ASIDE + j] = q_down(p, x, j, _FIRST, _beside(x, j))
        reached = 0
        for j in range(first, stop):
            reached += _moved(x, j, way)
        if reached:
            for j in range(first, stop):
                _cut(x, j)


@inlined
def _place(x: Any, j: Any) -> Any:
    """Where the step is taken."""
    return min(max(x[_MEAN + j], x[_FIRST + j]), x[_FIRST + LANES + j])


@inlined
def _beside(x: Any, j: Any) -> Any:
    """And where once more, for its slope."""
    low, high, place = x[_FIRST + j], x[_FIRST + LANES + j], _place(x, j)
    nudge = SLOPE_STEP * (high - low)
    return place - nudge if place + nudge > high else place + nudge


@inlined
def _moved(x: Any, j: Any, way: Any) -> Any:
    """Moments after a pulse, bounds aside; 1 where one matters."""
    low, high, std = x[_FIRST + j], x[_FIRST + LANES + j], x[_STD + j]
    mean, variance, q = x[_MEAN + j], x[_VARIANCE + j], x[_Q + j]
    slope = (x[_ASIDE + j] - q) / (_beside(x, j) - _place(x, j))
    s, kept = std * q + x[_ADD + j], 1.0 + way * slope
    after = (kept * kept + (std * slope) * (std * slope)) * variance + s * s
    x[_EARLIER + j], x[_KNOWN + j] = mean, variance
    moved = mean + way * q
    x[_MEAN + j], x[_VARIANCE + j] = moved, after
    return np.int64(near(high - moved, after) | near(moved - low, after))


@compiled
def _cut(x: Any, j: Any) -> None:
    """Cut the moments of a lane off at its bounds."""
    low, high = x[_FIRST + j], x[_FIRST + LANES + j]
    x[_MEAN + j], x[_VARIANCE + j] = cut_at(
        low, high, x[_MEAN + j], x[_VARIANCE + j], x[_EARLIER + j], x[_KNOWN + j]
    )


@inlined
def _read(x: Any, reading: Any, j: Any, held: Any) -> None:
    """Compare a reading of a lane, and learn from it; nothing where there is none."""
    mean, variance, knows = x[_MEAN + j], x[_VARIANCE + j], x[_KNOWS + j] > 0.0
    seen = np.isfinite(reading)
    own = (x[_READ_STD + j] * (mean if knows else reading)) ** 2 + x[_READ_ADD + j] ** 2
    total, error = variance + own + _TINY, reading - mean
    compared, first, learns = seen & knows, seen & (not knows), seen & knows & (not held)
    x[_ERROR + j], x[_TOTAL + j] = error if compared else 0.0, total if compared else 1.0
    limit, size = LIMIT * sqrt(total), abs(error)
    gain = variance / total * (limit / size if size > limit else 1.0)
    far = 0.5 * (size - limit) if size > limit else 0.0
    left = far if x[_STD + j] + x[_ADD + j] > 0.0 else 0.0
    after, rest = mean + gain * error, variance * (1 - gain) + left * left
    x[_MEAN + j] = after if learns else (reading if first else mean)
    x[_VARIANCE + j] = rest if learns else (own if first else variance)
    x[_KNOWS + j] = 1.0 if seen | knows else 0.0
