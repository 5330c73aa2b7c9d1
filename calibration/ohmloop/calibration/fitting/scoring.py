"""Fisher scoring with Levenberg-Marquardt damping, for many small problems at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from .cores import share
from .likelihood import Problem, blocks, derivatives, prior_of, value_of
from .trajectories import Array

EXACT, ROUGH, _CLOSE = 1e-4, 1e-2, 0.05
"""Log-likelihood that a full step would still gain: to stop, to stop where maxima are only looked
for and compared, and to pass where time is up. 0.05 is a third of a standard error at most."""
_KINK, _STUCK = 0.5, 1e4
"""The same where no step however small gains anything, with damping beyond this: the maximum is on
a kink, where an error is just about to count as an outlier and no slope is 0."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where the scoring ended.

    Attributes:
        x: ``(parameters, cells)``.
        information: ``(cells, parameters, parameters)``, prior included.
        converged: ``(cells,)``.
        value: of the robust log-likelihood, without prior and tilt, ``(cells,)``.
    """

    x: Array
    information: Array
    converged: NDArray[np.bool_]
    value: Array

    def put(self, cells: NDArray[np.intp], found: Optimum) -> Optimum:
        """The same, some cells replaced by those of another, in order."""
        x, information = self.x.copy(), self.information.copy()
        converged, value = self.converged.copy(), self.value.copy()
        x[:, cells], information[cells] = found.x, found.information
        converged[cells], value[cells] = found.converged, found.value
        return Optimum(x, information, converged, value)

    def of(self, cells: NDArray[np.intp]) -> Optimum:
        """Of some cells."""
        return Optimum(
            self.x[:, cells], self.information[cells], self.converged[cells], self.value[cells]
        )


def maximise(problem: Problem, start: Array, iterations: int = 60, done: float = EXACT) -> Optimum:
    """Climb from ``start`` ``(parameters, cells)``, block of cells by block of cells.

    Args:
        problem: what to maximise.
        start: from where.
        iterations: at most.
        done: log-likelihood that a full step would still gain, to stop.
    """

    def climb(block: NDArray[np.intp]) -> Optimum:
        return _climb(problem, start[:, block], block, iterations, done)

    with threadpool_limits(1):  # matrices are small: threads would only wait for each other
        parts = share(climb, blocks(problem))
    return Optimum(
        np.concatenate([p.x for p in parts], axis=1),
        np.concatenate([p.information for p in parts]),
        np.concatenate([p.converged for p in parts]),
        np.concatenate([p.value for p in parts]),
    )


def likelier(problem: Problem, one: Optimum, other: Optimum, by: float = 0.0) -> Optimum:
    """Cell by cell that of two maxima about which there is more probability.

    Height times volume (Laplace's approximation; Tierney and Kadane, JASA 81:82, 1986): a high but
    narrow peak may be worth less than a wide plain, such as that of a bound that was not reached.

    Args:
        problem: whose maxima these are.
        one: the first.
        other: the second.
        by: so much the logarithm of the second must be above the first's.
    """
    first, second = (_evidence(problem, at) for at in (one, other))
    higher = (second > first + by) | ~np.isfinite(first)
    return Optimum(
        np.where(higher, other.x, one.x),
        np.where(higher[:, None, None], other.information, one.information),
        np.where(higher, other.converged, one.converged),
        np.where(higher, other.value, one.value),
    )


def _evidence(problem: Problem, at: Optimum) -> Array:
    away, pull, tilt = prior_of(problem, at.x, np.arange(at.x.shape[1]))
    height = at.value - 0.5 * (away * pull).sum(axis=0) + (tilt * away).sum(axis=0)
    diagonal = 1e-9 * np.eye(len(at.x))
    size = np.linalg.slogdet(np.nan_to_num(at.information) + diagonal)[1]
    return np.where(np.isfinite(height), height - 0.5 * size, -np.inf)


def _climb(
    problem: Problem, start: Array, cells: NDArray[np.intp], iterations: int, enough: float
) -> Optimum:
    """Iterate; a cell leaves when a full step would gain next to nothing."""
    low, high = problem.low[:, cells], problem.high[:, cells]
    x = np.clip(start, low, high)
    k, count = x.shape
    info, damping = np.zeros((count, k, k)), np.full(count, 1e-2)
    likelihood, converged = np.full(count, -np.inf), np.zeros(count, bool)
    active = np.arange(count)
    derived: tuple[Array, Array, Array, Array] | None = None
    for _ in range(iterations):
        here, block = x[:, active], cells[active]
        derived = derivatives(problem, here, block)
        value, score, information, likelihood[active] = derived
        info[active] = information
        lo, hi = low[:, active], high[:, active]
        free = ~((here <= lo) & (score < 0) | (here >= hi) & (score > 0))
        gain = 0.5 * np.einsum("kc,kc->c", score, solve(information, score, free, 0.0))
        done = gain < enough
        stuck = damping[active] > _STUCK
        converged[active] = (gain < np.where(stuck, _KINK, _CLOSE)) & np.isfinite(value)
        done |= stuck
        move = solve(information, score, free, damping[active])
        there = np.clip(here + move, lo, hi)
        better = (value_of(problem, there, block) >= value) & ~done
        x[:, active[better]] = there[:, better]
        damping[active] = np.clip(damping[active] * np.where(better, 0.2, 8.0), 1e-7, 1e9)
        active = active[~done]
        if not active.size:
            break
    return Optimum(x, info, converged, likelihood)


def solve(
    information: Array, score: Array, free: NDArray[np.bool_], damping: Array | float
) -> Array:
    """Damped scoring step ``(parameters, cells)``; parameters that are not free stay."""
    k = score.shape[0]
    index = np.arange(k)
    both = free.T[:, :, None] & free.T[:, None, :]
    matrix = np.nan_to_num(np.where(both, information, 0.0))
    diagonal = matrix[:, index, index]
    scale = np.where(free.T & (diagonal > 0), diagonal, 1.0)
    extra = np.asarray(damping)[..., None] * scale if np.ndim(damping) else damping * scale
    matrix[:, index, index] = scale * (1 + 1e-10) + extra
    given = np.nan_to_num(np.where(free, score, 0.0)).T[:, :, None]
    step: Array = np.linalg.solve(matrix, given)[:, :, 0].T
    return step
