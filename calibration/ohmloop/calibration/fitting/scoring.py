"""Fisher scoring with Levenberg-Marquardt damping, for many small problems at once.

Each cell is a problem of its own: a robust likelihood (``robust``) of prediction errors v with
variances S, a Gaussian prior, and a tilt, linear in the parameters. The expected information of
such a likelihood needs first derivatives only (Harvey, Forecasting, structural time series models,
1989, section 3.4); outliers count by their weight w::

    I_ij = sum_t  w (dv_i dv_j / S  +  dS_i dS_j / (2 S^2))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from .cores import cores, share
from .robust import CONSISTENCY, log_density, weight
from .trajectories import Array

Model = Callable[[Array, NDArray[np.intp]], tuple[Array, Array]]
"""``model(x, cells)``: x ``(parameters, variants, cells)`` to errors and variances
``(variants, cells, steps)``."""

_STEP = 1e-7
EXACT, ROUGH, _CLOSE = 1e-4, 1e-2, 0.05
"""Log-likelihood that a full step would still gain: to stop, to stop where maxima are only looked
for and compared, and to pass where time is up. 0.05 is a third of a standard error at most."""
_KINK, _STUCK = 0.5, 1e4
"""The same where no step however small gains anything, with damping beyond this: the maximum is on
a kink, where an error is just about to count as an outlier and no slope is 0."""
_NUDGE = 1e-2
"""Of the logarithm of a noise, for differences."""
_MOST_EXCESS = 9.0
_NUMBERS = 4_000_000
"""Errors worked on at once: so many that they stay in memory that is near."""
_PARTS, _FEW = 4, 128
"""Blocks a core, as some climb longer than others; and cells of a block at least, if there are
more."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What to maximise, over ``x`` of shape ``(parameters, cells)``, each of order 1.

    Attributes:
        model: prediction errors.
        steps: how many each cell has, for the size of blocks.
        low: lower bounds, ``(parameters, cells)``.
        high: upper bounds.
        prior: centre of the prior, ``(parameters, cells)``.
        precision: of the prior, ``(parameters, parameters)``; 0 for none.
        tilt: gradient added everywhere, ``(parameters, cells)``.
    """

    model: Model
    steps: int
    low: Array
    high: Array
    prior: Array
    precision: Array
    tilt: Array


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


@dataclass(frozen=True, slots=True)
class Slopes:
    """Errors and how they change, of some cells.

    Attributes:
        z: standardised errors ``(cells, steps)``.
        variances: ``(cells, steps)``.
        mean: dv/sqrt(S), ``(cells, parameters, steps)``.
        spread: dS/S, ``(cells, parameters, steps)``.
    """

    z: Array
    variances: Array
    mean: Array
    spread: Array


def blocks(problem: Problem) -> list[NDArray[np.intp]]:
    """Cells worked on together."""
    k, count = problem.prior.shape
    size = max(1, _NUMBERS // ((k + 1) * problem.steps))
    parts = max(-(-count // size), min(_PARTS * cores(), count // _FEW))
    return np.array_split(np.arange(count), parts)


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
    away, pull, tilt = _prior(problem, at.x, np.arange(at.x.shape[1]))
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
        better = (_value(problem, there, block) >= value) & ~done
        x[:, active[better]] = there[:, better]
        damping[active] = np.clip(damping[active] * np.where(better, 0.2, 8.0), 1e-7, 1e9)
        active = active[~done]
        if not active.size:
            break
    return Optimum(x, info, converged, likelihood)


def derivatives(
    problem: Problem, x: Array, cells: NDArray[np.intp]
) -> tuple[Array, Array, Array, Array]:
    """What is maximised ``(cells,)``, its gradient, the information, and the likelihood alone."""
    s = slopes(problem, x, cells)
    w = weight(s.z)
    score = 0.5 * np.einsum("ckt,ct->kc", s.spread, w * s.z**2 - CONSISTENCY)
    score -= np.einsum("ckt,ct->kc", s.mean, w * s.z)
    by_weight = s.mean * w[:, None]
    information = by_weight @ s.mean.transpose(0, 2, 1)
    by_weight = s.spread * (0.5 * w[:, None])
    with np.errstate(over="ignore"):  # where a path runs away: no step from there
        information += by_weight @ s.spread.transpose(0, 2, 1)
    information += problem.precision
    likelihood: Array = log_density(s.z, s.variances).sum(axis=1)
    away, pull, tilt = _prior(problem, x, cells)
    value = likelihood - 0.5 * (away * pull).sum(axis=0) + (tilt * away).sum(axis=0)
    return value, score - pull + tilt, information, likelihood


def slopes(problem: Problem, x: Array, cells: NDArray[np.intp]) -> Slopes:
    """Errors of x, and forward differences."""
    k = x.shape[0]
    steps = _STEP * np.eye(k + 1)[1:]  # variant 0 is x itself, variant i + 1 moves parameter i
    errors, variances = problem.model(x[:, None, :] + steps[:, :, None], cells)
    v, s = errors[0], variances[0]
    root = np.sqrt(s)
    mean, spread = (errors[1:] - v) / (_STEP * root), (variances[1:] - s) / (_STEP * s)
    return Slopes(v / root, s, mean.transpose(1, 0, 2), spread.transpose(1, 0, 2))


def excess(problem: Problem, best: Optimum) -> Array:
    """By how much the scores of a cell vary more than its information says, ``(cells, x)``.

    Errors that are not quite normal, as near a hard bound, tell less than the expected information
    says; then the sum of squared scores is larger than it. At least 1: a cell whose scores happen
    to vary less is not better known for it (variance by both: White, Econometrica 50:1, 1982).

    Args:
        problem: what was maximised.
        best: its maximum.
    """
    found = np.ones(best.x.T.shape)

    def of(cells: NDArray[np.intp]) -> None:
        s = slopes(problem, best.x[:, cells], cells)
        w = weight(s.z)[:, None]
        z = s.z[:, None]
        score = 0.5 * s.spread * (w * z**2 - CONSISTENCY) - s.mean * w * z
        told = (w * (s.mean**2 + 0.5 * s.spread**2)).sum(axis=2)
        ratio = np.nan_to_num((score**2).sum(axis=2) / np.maximum(told, 1e-300), nan=1.0)
        found[cells] = np.clip(ratio, 1.0, _MOST_EXCESS)

    share(of, blocks(problem))
    return found


def restriction(problem: Problem, best: Optimum, means: int) -> Array:
    """Gradient of the term by which the restricted likelihood differs, ``(parameters, cells)``.

    Likelihood finds noise too small, as it divides by n and not by n - p; ``-log det(I_means) / 2``
    mends that (Patterson and Thompson, Biometrika 58:545, 1971; with all information on the means,
    that in the variances too: Cox and Reid, J. R. Stat. Soc. B 49:1, 1987). Its gradient is found
    by differences, as noises decide how much the filter learns, hence what errors say of means.

    Args:
        problem: what was maximised.
        best: its maximum.
        means: the first so many parameters are means; the others are of the variance.
    """
    extra = np.zeros_like(best.x)

    def of(cells: NDArray[np.intp]) -> None:
        x = best.x[:, cells]
        for k in range(means, len(x)):
            moved = np.zeros((len(x), 1))
            moved[k] = _NUDGE
            more, less = (_volume(problem, x + way * moved, cells, means) for way in (1, -1))
            gradient = np.nan_to_num(-0.25 * (more - less) / _NUDGE)
            extra[k, cells] = np.clip(gradient, -means, means)

    share(of, blocks(problem))
    return extra


def _volume(problem: Problem, x: Array, cells: NDArray[np.intp], means: int) -> Array:
    """``log det`` of the information on the means."""
    s = slopes(problem, x, cells)
    w = np.sqrt(weight(s.z))[:, None]
    mean, spread = s.mean[:, :means] * w, s.spread[:, :means] * (w / np.sqrt(2))
    information = mean @ mean.transpose(0, 2, 1) + spread @ spread.transpose(0, 2, 1)
    information += problem.precision[:means, :means] + 1e-9 * np.eye(means)
    volume: Array = np.linalg.slogdet(np.nan_to_num(information))[1]
    return volume


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


def _prior(problem: Problem, x: Array, cells: NDArray[np.intp]) -> tuple[Array, Array, Array]:
    away = x - problem.prior[:, cells]
    return away, problem.precision @ away, problem.tilt[:, cells]


def _value(problem: Problem, x: Array, cells: NDArray[np.intp]) -> Array:
    errors, variances = problem.model(x[:, None, :], cells)
    away, pull, tilt = _prior(problem, x, cells)
    value = log_density(errors[0] / np.sqrt(variances[0]), variances[0]).sum(axis=1)
    value = value - 0.5 * (away * pull).sum(axis=0) + (tilt * away).sum(axis=0)
    return np.where(np.isfinite(value), value, -np.inf)
