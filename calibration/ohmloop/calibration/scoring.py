"""Fisher scoring with Levenberg-Marquardt damping, for many small problems at once.

Each cell is a problem of its own: a Gaussian likelihood of prediction errors with a few parameters
and a (weak) Gaussian prior. The expected information of such a likelihood needs first derivatives
only (Harvey, Forecasting, structural time series models, 1989, section 3.4)::

    I_ij = sum_t  dv_i dv_j / S  +  dS_i dS_j / (2 S^2)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .kalman import Array, log_likelihood

Model = Callable[[Array, NDArray[np.intp]], tuple[Array, Array]]
"""``model(x, cells)``: x ``(parameters, variants, cells)`` to errors and variances
``(steps, variants, cells)``."""

_STEP = 1e-7
_DONE, _CLOSE = 1e-4, 0.05
"""Log-likelihood that a full step would still gain: to stop, and to pass where time is up.
0.05 is a third of a standard error at most."""
_BLOCK = 1024  # cells worked on together, so that their arrays stay in cache


@dataclass(frozen=True, slots=True)
class Problem:
    """What to maximise, over ``x`` of shape ``(parameters, cells)``, each of order 1.

    Attributes:
        model: prediction errors.
        low: lower bounds, ``(parameters, 1)`` or ``(parameters, cells)``.
        high: upper bounds.
        prior: centre of the prior, ``(parameters, cells)``.
        precision: of the prior; 0 for none, ``(parameters, cells)``.
    """

    model: Model
    low: Array
    high: Array
    prior: Array
    precision: Array


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where the scoring ended.

    Attributes:
        x: ``(parameters, cells)``.
        information: ``(cells, parameters, parameters)``, prior included.
        converged: ``(cells,)``.
    """

    x: Array
    information: Array
    converged: NDArray[np.bool_]


def maximise(problem: Problem, start: Array, iterations: int = 100) -> Optimum:
    """Climb from ``start`` ``(parameters, cells)``, block of cells by block of cells."""
    blocks = np.array_split(np.arange(start.shape[1]), max(1, start.shape[1] // _BLOCK))
    parts = [_climb(problem, start[:, block], block, iterations) for block in blocks]
    return Optimum(
        np.concatenate([p.x for p in parts], axis=1),
        np.concatenate([p.information for p in parts]),
        np.concatenate([p.converged for p in parts]),
    )


def _climb(problem: Problem, start: Array, cells: NDArray[np.intp], iterations: int) -> Optimum:
    """Iterate; a cell leaves when a full step would gain next to nothing."""
    low, high = (_some(bound, cells) for bound in (problem.low, problem.high))
    x = np.clip(start, low, high)
    k, count = x.shape
    info, damping = np.zeros((count, k, k)), np.full(count, 1e-2)
    active, converged = np.arange(count), np.zeros(count, bool)
    for _ in range(iterations):
        here = x[:, active]
        value, score, information = derivatives(problem, here, cells[active])
        info[active] = information
        lo, hi = _some(low, active), _some(high, active)
        free = ~((here <= lo) & (score < 0) | (here >= hi) & (score > 0))
        gain = 0.5 * np.einsum("kc,kc->c", score, solve(information, score, free, 0.0))
        done = gain < _DONE
        converged[active] = gain < _CLOSE
        move = solve(information, score, free, damping[active])
        there = np.clip(here + move, lo, hi)
        better = (_value(problem, there, cells[active]) >= value) & ~done
        x[:, active[better]] = there[:, better]
        damping[active] = np.clip(damping[active] * np.where(better, 0.2, 8.0), 1e-7, 1e9)
        active = active[~done]
        if not active.size:
            break
    return Optimum(x, info, converged)


def derivatives(problem: Problem, x: Array, cells: NDArray[np.intp]) -> tuple[Array, Array, Array]:
    """Log-posterior ``(cells,)``, its gradient ``(parameters, cells)`` and the information."""
    v, s, w, r = _slopes(problem, x, cells)
    z = v / np.sqrt(s)
    score = np.einsum("ckt,tc->kc", r, 0.5 * (z**2 - 1)) - np.einsum("ckt,tc->kc", w, z)
    information = w @ w.transpose(0, 2, 1) + 0.5 * (r @ r.transpose(0, 2, 1))
    away, precision = x - _some(problem.prior, cells), _some(problem.precision, cells)
    index = np.arange(x.shape[0])
    information[:, index, index] += precision.T
    value = log_likelihood(v, s) - 0.5 * (precision * away**2).sum(axis=0)
    return value, score - precision * away, information


def unbiased(problem: Problem, best: Optimum, means: int) -> Optimum:
    """Take off the first-order bias of variance parameters, which pay for fitted means.

    Likelihood finds noise too small, as it divides by n and not by n - p. One scoring step on the
    gradient of the restricted likelihood's extra term, ``-log det(I_means) / 2``, mends that
    (Patterson and Thompson, Biometrika 58:545, 1971; as a step: Firth, Biometrika 80:27, 1993).

    Args:
        problem: what was maximised.
        best: its maximum.
        means: the first so many parameters are means; the others are of the variance.
    """
    count = best.x.shape[1]
    moved = best.x.copy()
    for cells in np.array_split(np.arange(count), max(1, count // _BLOCK)):
        _, _, w, r = _slopes(problem, best.x[:, cells], cells)
        mean = w[:, :means]
        inverse = np.linalg.pinv(mean @ mean.transpose(0, 2, 1), hermitian=True)
        leverage = np.einsum("cit,cij,cjt->ct", mean, inverse, mean)
        extra = np.zeros((best.x.shape[0], cells.size))
        extra[means:] = 0.5 * np.einsum("ct,ckt->kc", leverage, r[:, means:])
        step = solve(best.information[cells], extra, np.ones_like(extra, bool), 0.0)
        moved[means:, cells] += np.clip(step[means:], -0.5, 0.5)
    return _at(problem, np.clip(moved, problem.low, problem.high), best.converged)


def _at(problem: Problem, x: Array, converged: NDArray[np.bool_]) -> Optimum:
    """The information belongs to the noises as corrected."""
    blocks = np.array_split(np.arange(x.shape[1]), max(1, x.shape[1] // _BLOCK))
    parts = [derivatives(problem, x[:, block], block)[2] for block in blocks]
    return Optimum(x, np.concatenate(parts), converged)


def _slopes(
    problem: Problem, x: Array, cells: NDArray[np.intp]
) -> tuple[Array, Array, Array, Array]:
    """Errors, variances ``(steps, cells)``; dv/sqrt(S), dS/S ``(cells, parameters, steps)``."""
    k = x.shape[0]
    steps = _STEP * np.eye(k + 1)[1:]  # variant 0 is x itself, variant i + 1 moves parameter i
    errors, variances = problem.model(x[:, None, :] + steps[:, :, None], cells)
    v, s = errors[:, 0], variances[:, 0]
    dv, ds = (errors[:, 1:] - v[:, None]) / _STEP, (variances[:, 1:] - s[:, None]) / _STEP
    whitened, relative = dv / np.sqrt(s)[:, None], ds / s[:, None]
    return v, s, whitened.transpose(2, 1, 0), relative.transpose(2, 1, 0)


def solve(
    information: Array, score: Array, free: NDArray[np.bool_], damping: Array | float
) -> Array:
    """Damped scoring step ``(parameters, cells)``; parameters that are not free stay."""
    k = score.shape[0]
    index = np.arange(k)
    both = free.T[:, :, None] & free.T[:, None, :]
    matrix = np.where(both, information, 0.0)
    diagonal = matrix[:, index, index]
    scale = np.where(free.T & (diagonal > 0), diagonal, 1.0)
    extra = np.asarray(damping)[..., None] * scale if np.ndim(damping) else damping * scale
    matrix[:, index, index] = scale * (1 + 1e-10) + extra
    step: Array = np.linalg.solve(matrix, np.where(free, score, 0.0).T[:, :, None])[:, :, 0].T
    return step


def _value(problem: Problem, x: Array, cells: NDArray[np.intp]) -> Array:
    errors, variances = problem.model(x[:, None, :], cells)
    away = x - _some(problem.prior, cells)
    penalty = 0.5 * (_some(problem.precision, cells) * away**2).sum(axis=0)
    value = log_likelihood(errors[:, 0], variances[:, 0]) - penalty
    return np.where(np.isfinite(value), value, -np.inf)


def _some(values: Array, cells: NDArray[np.intp]) -> Array:
    return values if values.shape[1] == 1 else values[:, cells]
