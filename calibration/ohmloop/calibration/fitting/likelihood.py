"""The robust likelihood of prediction errors, its slopes, and its expected information.

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

from .cores import cores
from .robust import CONSISTENCY, log_density, weight
from .trajectories import Array

Model = Callable[[Array, NDArray[np.intp]], tuple[Array, Array]]
"""``model(x, cells)``: x ``(parameters, variants, cells)`` to errors and variances
``(variants, cells, steps)``."""

_STEP = 1e-7
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
    away, pull, tilt = prior_of(problem, x, cells)
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


def prior_of(problem: Problem, x: Array, cells: NDArray[np.intp]) -> tuple[Array, Array, Array]:
    """Away from the prior's centre, how it pulls, and the tilt; ``(parameters, cells)`` each."""
    away = x - problem.prior[:, cells]
    return away, problem.precision @ away, problem.tilt[:, cells]


def value_of(problem: Problem, x: Array, cells: NDArray[np.intp]) -> Array:
    """What is maximised, ``(cells,)``; -inf where a path runs away."""
    errors, variances = problem.model(x[:, None, :], cells)
    away, pull, tilt = prior_of(problem, x, cells)
    value = log_density(errors[0] / np.sqrt(variances[0]), variances[0]).sum(axis=1)
    value = value - 0.5 * (away * pull).sum(axis=0) + (tilt * away).sum(axis=0)
    return np.where(np.isfinite(value), value, -np.inf)
