"""Fitting a response function and its noise to trajectories: robust likelihood, all cells at once.

The parameters of a cell maximise the robust likelihood (``robust``) of the filter's prediction
errors (``reference``), by Fisher scoring (``scoring``). Noises are corrected for the means that
were fitted, and share what the chip tells of them (``noises``), in a few rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bounds import at_the_ends, pinned_at, pins_of, with_bounds
from .corrections import excess, restriction
from .families import Family
from .likelihood import Problem
from .noises import FEWEST, NoiseModel, population
from .problem import precision_of, problem_of
from .reference import Noise
from .retry import retried
from .scoring import EXACT, ROUGH, Optimum, likelier, maximise
from .start import Frame
from .trajectories import Array, Trajectories

_ROUNDS, _ALONE = 12, 3
"""How often noises are corrected at most: of a chip until they settle, of a few cells."""
_SETTLED = 0.02
"""Of the logarithms of the chip's noises, between rounds."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit works with, before it is said in the parameters' own units.

    Attributes:
        family: coordinates of the response function.
        noise: coordinates of the noises.
        frame: of the cells.
        best: where the scoring ended.
        scatter: of the scores about it, ``(cells, x, x)``; the information, where they are normal.
        problem: what was maximised.
    """

    family: Family
    noise: NoiseModel
    frame: Frame
    best: Optimum
    scatter: Array
    problem: Problem

    @property
    def parameters(self) -> tuple[Array, ...]:
        """Of the response function."""
        return self.family.natural(self.best.x[: self.family.size], self.frame)

    @property
    def noises(self) -> Noise:
        """In their units."""
        return self.noise.natural(self.best.x[self.family.size :], self.frame)


def fit_good(
    traj: Trajectories,
    frame: Frame,
    family: Family,
    noise: NoiseModel,
    rounds: int = _ROUNDS,
    first: Fitted | None = None,
    iterations: int = 60,
) -> Fitted:
    """Fit cells that can be.

    Args:
        traj: of these cells.
        frame: of them.
        family: coordinates of the response function.
        noise: those of the noises.
        rounds: how often noises are corrected, and shared over the chip, at most.
        first: a fit to start from, where something better is known than the family's start.
        iterations: of each maximisation, at most.
    """
    k = family.size
    problem, start = problem_of(traj, frame, family, noise)
    low, high = problem.low, problem.high
    if first is not None:
        problem = pinned_at(problem, pins_of(first.problem))
    enough = ROUGH if rounds else EXACT
    best = maximise(problem, start if first is None else first.best.x, iterations, enough)
    dwells = first is None and family.bounded and family.hard
    if dwells:
        best = likelier(problem, best, maximise(problem, at_the_ends(start), iterations, ROUGH))
        problem, best = with_bounds(problem, (low, high), best, iterations)
    if not noise.steps and (first is None or not best.converged.all()):
        shot = shooting(traj, frame, family, noise, iterations)
        best = likelier(problem, best, maximise(problem, shot, iterations, enough))
    for done in range(1, rounds + 1):
        before, problem = problem, _better(problem, best, family, k)
        best = maximise(problem, best.x, iterations)
        if dwells and done == 1:  # with noises that the chip knows better than a cell
            problem, best = with_bounds(problem, (low, high), best, iterations)
        change = np.abs(problem.prior[k:] - before.prior[k:]).max()
        if done >= _ALONE and change < _SETTLED:
            break
    if not rounds:
        return Fitted(family, noise, frame, best, best.information, problem)
    best = retried(problem, best, start, iterations)
    return Fitted(family, noise, frame, best, scatter_of(problem, best), problem)


def scatter_of(problem: Problem, best: Optimum) -> Array:
    """How much the scores of cells scatter about a maximum, ``(cells, x, x)``."""
    root = np.sqrt(excess(problem, best))
    more = root[:, :, None] * root[:, None, :] - 1
    scatter: Array = best.information + more * (best.information - problem.precision)
    return scatter


_WIDE = float(np.log(0.1))


def shooting(
    traj: Trajectories, frame: Frame, family: Family, noise: NoiseModel, iterations: int
) -> Array:
    """Coordinates from which to look for a path without noise of steps.

    A path errs by all that its steps were wrong before, so from afar no slope leads to the right
    one. With noise of steps errors are of single stretches, as in multiple shooting (Bock and
    Plitt, Proc. 9th IFAC World Congress, 1984), and such a fit gets near it. Noise of readings
    starts so wide that none is an outlier.
    """
    noisy = NoiseModel(("dg_std",), noise.additive_read)
    x = fit_good(traj, frame, family, noisy, 0, None, iterations).best.x
    return np.concatenate([x[: family.size], np.full((1, x.shape[1]), _WIDE)])


def _better(problem: Problem, best: Optimum, family: Family, k: int) -> Problem:
    """With the restricted likelihood's term, and the chip's own noises for a prior."""
    prior, precision = problem.prior.copy(), problem.precision
    if int(best.converged.sum()) >= FEWEST:
        centre, width = population(problem, best, k)
        prior[k:], precision = centre[:, None], precision_of(family, width)
    tilt = restriction(problem, best, k)
    return Problem(problem.model, problem.steps, problem.low, problem.high, prior, precision, tilt)


def inverse_information(best: Optimum) -> tuple[Array, NDArray[np.bool_]]:
    """Covariance of the coordinates ``(cells, x, x)``, and where there is one."""
    solid: NDArray[np.bool_] = np.asarray(np.isfinite(best.information).all(axis=(1, 2)))
    scale = np.sqrt(np.maximum(np.einsum("cii->ci", best.information), 1e-12))
    scaled = best.information / scale[:, :, None] / scale[:, None, :]
    solid = solid & (np.linalg.cond(np.where(solid[:, None, None], scaled, 1.0)) < 1e14)
    safe = np.where(solid[:, None, None], scaled, np.eye(len(best.x)))
    return np.linalg.inv(safe) / scale[:, :, None] / scale[:, None, :], solid
