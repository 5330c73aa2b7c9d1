"""What readings say about a cell without any model: its steps, its noise, its trend.

Readings are ``(steps, cells)``, S, not-a-number where a cell was not read; pulses are the signed
counts given before each; ``starts`` marks readings before which something else happened.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .outliers import Array, Mask

_ENOUGH = 4
"""Changes in each direction from which a line and its error can be had."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps of every cell at its own mean state, each ``(cells,)``.

    Attributes:
        move: mean step of an up pulse and mean size of that of a down pulse together, S; positive
            in a cell that responds.
        error: its standard error, S; infinite where it was pulsed too little.
        freedom: degrees of freedom of that error.
        scatter: standard deviation of a change between two readings about its mean, S.
    """

    move: Array
    error: Array
    freedom: Array
    scatter: Array


def steps(readings: Array, pulses: NDArray[np.int32], starts: NDArray[np.bool_]) -> Steps:
    """Regress the change between two readings on pulses, and on pulses times state.

    For each direction, as steps shrink towards a bound; both lines are taken at the mean state.
    """
    change, usable = _changes(readings, starts)
    with np.errstate(invalid="ignore"):
        mean = np.nanmean(np.where(np.isfinite(readings), readings, np.nan), axis=0)
    state = np.where(usable, readings[:-1] - mean, 0.0)
    count = pulses[1:].astype(float)
    up, up_error, up_left, up_free = _line(change, count, state, usable & (count > 0))
    down, down_error, down_left, down_free = _line(change, count, state, usable & (count < 0))
    free = up_free + down_free
    scatter = np.sqrt((up_left + down_left) / np.maximum(free, 1))
    return Steps(up + down, np.hypot(up_error, down_error), free, scatter)


def trend(
    readings: Array, pulses: NDArray[np.int32], starts: NDArray[np.bool_], time: Array
) -> tuple[Array, Array, Array]:
    """Change over a cell's longest stretch of readings without a pulse.

    A straight line over the logarithm of the time since the stretch began, as relaxation slows;
    the second reading tells from when on.

    Args:
        readings: ``(steps, cells)``, S.
        pulses: before each.
        starts: of trajectories.
        time: of each reading, s or in steps, ``(steps,)``.

    Returns:
        Change over the stretch, S; in its own standard errors (0 with fewer than five readings);
        degrees of freedom; each ``(cells,)``.
    """
    first, last = _longest(pulses, starts)
    index = np.arange(readings.shape[0])[:, None]
    inside = (index >= first) & (index <= last) & np.isfinite(readings)
    since = np.maximum(time[:, None] - time[first], 0.0)
    second = np.minimum(first + 1, last)
    unit = np.where(time[second] > time[first], time[second] - time[first], 1.0)
    x = np.log1p(since / unit)
    count = inside.sum(axis=0)
    some = np.maximum(count, 1)
    x = np.where(inside, x - np.where(inside, x, 0.0).sum(axis=0) / some, 0.0)
    y = np.where(inside, readings, 0.0)
    y = np.where(inside, y - y.sum(axis=0) / some, 0.0)
    sxx = np.maximum((x**2).sum(axis=0), 1e-300)
    slope = (x * y).sum(axis=0) / sxx
    free = np.maximum(count - 2, 1)
    error = np.sqrt(((y - slope * x) ** 2).sum(axis=0) / free / sxx)
    enough = count >= 5
    t = np.divide(slope, error, out=np.zeros_like(slope), where=enough & (error > 0))
    reach = np.log1p((time[last] - time[first]) / unit)
    return np.where(enough, slope * reach, 0.0), t, free.astype(float)


def _changes(readings: Array, starts: NDArray[np.bool_]) -> tuple[Array, Mask]:
    """Change from one reading to the next, 0 where unknown; and where it is known."""
    change = np.diff(readings, axis=0)
    usable = np.isfinite(change) & ~starts[1:, None]
    return np.where(usable, change, 0.0), usable


def _line(
    change: Array, count: Array, state: Array, used: Mask
) -> tuple[Array, Array, Array, Array]:
    """``change = count (a + b state)``: a, its error, sum of squares left, degrees of freedom.

    Counts have a sign, so that a is positive for both directions.

    Where a cell was always found in the same state, b is left out.
    """
    n = np.where(used, count, 0.0)
    s, y = n * state, np.where(used, change, 0.0)
    nn, ns, ss = (n * n).sum(axis=0), (n * s).sum(axis=0), (s * s).sum(axis=0)
    ny, sy = (n * y).sum(axis=0), (s * y).sum(axis=0)
    determinant = nn * ss - ns**2
    tilted = determinant > 1e-9 * nn * ss
    safe = np.where(tilted, determinant, 1.0)
    flat = ny / np.maximum(nn, 1e-300)
    a = np.where(tilted, (ss * ny - ns * sy) / safe, flat)
    b = np.where(tilted, (nn * sy - ns * ny) / safe, 0.0)
    left = ((y - a * n - b * s) ** 2).sum(axis=0)
    free = used.sum(axis=0) - 1.0 - tilted
    variance = left / np.maximum(free, 1) * np.where(tilted, ss / safe, 1 / np.maximum(nn, 1e-300))
    enough = used.sum(axis=0) >= _ENOUGH
    error = np.where(enough, np.sqrt(variance), np.inf)
    return np.where(enough, a, 0.0), error, left, np.maximum(free, 1.0)


def _longest(
    pulses: NDArray[np.int32], starts: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last step of every cell's longest stretch without pulses."""
    count, cells = pulses.shape
    first = np.zeros(cells, np.intp)
    best_first, best_last = first.copy(), first.copy()
    for step in range(count):
        broken = (pulses[step] != 0) | starts[step]
        first = np.where(broken, step, first)
        longer = step - first > best_last - best_first
        best_first = np.where(longer, first, best_first)
        best_last = np.where(longer, step, best_last)
    return best_first, best_last
