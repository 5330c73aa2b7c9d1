"""A chip of many cells: some hundred tell what the chip is like, the others are fitted knowing it.

The centre and the widths of the noises are as well known from ``LEARNT`` cells as they have to be,
and so is where fits end beside where they start. Other cells start there, with the chip's noises
for a prior from the beginning, so each needs one climb where a cell that knows nothing needs many.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .bounds import at_the_ends, with_bounds
from .corrections import restriction
from .entries import filter_of
from .families import Family
from .likelihood import Problem
from .maximum import Fitted, fit_good, scatter_of, shooting
from .noises import NoiseModel
from .problem import model_of, problem_of
from .retry import retried
from .scoring import ROUGH, Optimum, likelier, maximise
from .start import Frame
from .trajectories import Array, Trajectories

LEARNT = 512
"""Cells from which the others learn: noises of a fifth each are known to 1 % as a whole."""
_ITERATIONS = 60


def fit_chip(traj: Trajectories, frame: Frame, family: Family, noise: NoiseModel) -> Fitted:
    """Fit cells that can be, however many there are.

    Args:
        traj: of these cells.
        frame: of them.
        family: coordinates of the response function.
        noise: those of the noises.
    """
    if traj.cells < 2 * LEARNT:
        return fit_good(traj, frame, family, noise)
    picked = np.unique(np.linspace(0, traj.cells - 1, LEARNT).astype(np.intp))
    others = np.setdiff1d(np.arange(traj.cells), picked)
    learnt = fit_good(traj.of(picked), frame.of(picked), family, noise)
    rest = _fit_like(learnt, traj.of(others), frame.of(others), family, noise)
    return _together(traj, frame, ((picked, learnt), (others, rest)))


def _fit_like(
    like: Fitted, traj: Trajectories, frame: Frame, family: Family, noise: NoiseModel
) -> Fitted:
    """Fit cells of a chip of which others are known."""
    k = family.size
    problem, start = problem_of(traj, frame, family, noise)
    prior, tilt = problem.prior, problem.tilt
    prior[k:] = like.problem.prior[k:, :1]
    tilt[k:] = np.median(like.problem.tilt[k:], axis=1, keepdims=True)
    problem = replace(problem, prior=prior, tilt=tilt, precision=like.problem.precision)
    first = np.clip(_usual(like, start, family), problem.low, problem.high)
    best = maximise(problem, first, _ITERATIONS, ROUGH)
    if not noise.steps:
        shot = shooting(traj, frame, family, noise, _ITERATIONS)
        best = likelier(problem, best, maximise(problem, shot, _ITERATIONS, ROUGH))
    if family.bounded and family.hard:
        problem, best = with_bounds(problem, (problem.low, problem.high), best, _ITERATIONS)
    problem = replace(problem, tilt=restriction(problem, best, k))
    best = maximise(problem, best.x, _ITERATIONS)
    best = retried(problem, best, start, _ITERATIONS)
    return Fitted(family, noise, frame, best, scatter_of(problem, best), problem)


def _usual(like: Fitted, start: Array, family: Family) -> Array:
    """Where fits usually end, beside where these cells start; noises are the chip's own."""
    k, sound = family.size, like.best.converged
    x = start.copy()
    if sound.any():
        away = like.best.x[:k, sound] - family.start(like.frame)[:, sound]
        x[:k] += np.median(away, axis=1, keepdims=True)
    x[k:] = like.problem.prior[k:, :1]
    return at_the_ends(x) if family.bounded and family.hard else x


def _together(
    traj: Trajectories, frame: Frame, parts: tuple[tuple[NDArray[np.intp], Fitted], ...]
) -> Fitted:
    """All cells in order."""
    one = parts[0][1]
    family, noise, size = one.family, one.noise, len(one.best.x)
    count = traj.cells
    arrays = {n: np.empty((size, count)) for n in ("low", "high", "prior", "tilt")}
    scatter, x = np.empty((count, size, size)), np.empty((size, count))
    best = Optimum(x, scatter, np.zeros(count, bool), np.empty(count))
    for cells, part in parts:
        best = best.put(cells, part.best)
        scatter[cells] = part.scatter
        for name, whole in arrays.items():
            whole[:, cells] = getattr(part.problem, name)
    model = model_of(filter_of(family.response), traj, frame, family, noise)
    problem = Problem(model, traj.steps, precision=one.problem.precision, **arrays)
    return Fitted(family, noise, frame, best, scatter, problem)
