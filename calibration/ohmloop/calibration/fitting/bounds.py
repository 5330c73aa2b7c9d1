"""Hard bounds: where readings end, or outside of them.

Only cells that dwelt at a hard bound tell where it is. There the likelihood has a peak, and outside
a plain on which nothing tells; a little of a peak is always at the highest of many readings. From
the plain a climb slides to the peak, however slightly that is higher, although there is far more
probability in the plain. So the plain is looked at with the bound held there, and where it is
likelier, height times volume, the bound stays held: it is known from its prior alone, and lies at
the mean of what of that is outside.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .likelihood import Problem
from .retry import part_of
from .scoring import ROUGH, Optimum, likelier, maximise
from .trajectories import Array

_DOUBT = 3.0
"""Of the logarithm of a probability, by which a bound must be likelier where readings end than
outside."""
_MEAN = float(np.sqrt(2 / np.pi))
"""Of half a normal distribution, in standard deviations of the whole."""
_NEAR = 0.02
"""Of the measured range: a bound so near the end of the readings is at it."""


def with_bounds(
    problem: Problem, box: tuple[Array, Array], best: Optimum, iterations: int
) -> tuple[Problem, Optimum]:
    """Bounds one by one where they are likelier.

    Args:
        problem: whose first two coordinates are bounds, lower and upper; some may be pinned.
        box: lowest and highest coordinates ``(parameters, cells)`` where none is.
        best: where a climb ended.
        iterations: of each climb, at most.

    Returns:
        The problem with bounds pinned that no reading tells of, and its maximum.
    """
    for bound in (0, 1):
        problem, best = _at_the_end(problem, box, best, bound, iterations)
        problem, best = _outside(problem, best, bound, iterations)
    return problem, best


def at_the_ends(x: Array) -> Array:
    """The same coordinates, with both bounds where readings end."""
    ends = x.copy()
    ends[0], ends[1] = 0.0, 1.0
    return ends


def _at_the_end(
    problem: Problem, box: tuple[Array, Array], best: Optimum, bound: int, iterations: int
) -> tuple[Problem, Optimum]:
    """Bounds that are outside of all readings, looked for where these end."""
    way = 1 if bound else -1
    cells = np.flatnonzero(way * (best.x[bound] - bound) > _NEAR)
    if not cells.size:
        return problem, best
    low, high = problem.low.copy(), problem.high.copy()
    low[bound], high[bound] = box[0][bound], box[1][bound]
    first = best.x[:, cells]
    first[bound] = bound
    free = replace(problem, low=low, high=high)
    there = best.put(cells, maximise(part_of(free, cells), first, iterations, ROUGH))
    chosen = likelier(problem, best, there, _DOUBT)
    stays = chosen.x[bound] == best.x[bound]
    for mine, given in ((low, problem.low), (high, problem.high)):
        mine[bound] = np.where(stays, given[bound], mine[bound])
    return free, chosen


def _outside(
    problem: Problem, best: Optimum, bound: int, iterations: int
) -> tuple[Problem, Optimum]:
    """Bounds that are where readings end, pinned outside of them where that is as good."""
    way = 1 if bound else -1
    cells = np.flatnonzero(way * (problem.prior[bound] - best.x[bound]) > 0)
    if not cells.size:
        return problem, best
    pinned = np.zeros((2, best.x.shape[1]), bool)
    pinned[bound, cells] = True
    there = pinned_at(problem, pinned)
    held = maximise(part_of(there, cells), best.x[:, cells], iterations, ROUGH)
    chosen = likelier(problem, best, best.put(cells, held), -_DOUBT)
    pinned[bound] &= chosen.x[bound] == there.low[bound]
    return pinned_at(problem, pinned), chosen


def pinned_at(problem: Problem, pinned: NDArray[np.bool_]) -> Problem:
    """The same with some bounds ``(2, cells)`` held outside of all readings."""
    if not pinned.any():
        return problem
    away = _MEAN / np.sqrt(np.diag(problem.precision)[:2, None]) * [[-1], [1]]
    place = np.clip(problem.prior[:2] + away, problem.low[:2], problem.high[:2])
    low, high = problem.low.copy(), problem.high.copy()
    for box in (low, high):
        box[:2] = np.where(pinned, place, box[:2])
    return replace(problem, low=low, high=high)


def pins_of(problem: Problem) -> NDArray[np.bool_]:
    """Which of the first two coordinates are held, ``(2, cells)``."""
    pins: NDArray[np.bool_] = problem.low[:2] == problem.high[:2]
    return pins
