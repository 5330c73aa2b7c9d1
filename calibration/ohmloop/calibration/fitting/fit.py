"""Fitting a response function and its noise to trajectories: robust likelihood, all cells at once.

The parameters of a cell maximise the robust likelihood (``robust``) of the filter's prediction
errors (``reference``), by Fisher scoring (``scoring``). Noises are corrected for the means that
were fitted, and share what the chip tells of them (``noises``), in a few rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.health import Health, judge

from .bounds import at_the_ends, pinned_at, pins_of, with_bounds
from .cell_fit import CellFit
from .entries import filter_of
from .families import Candidate, Family, family_of
from .noises import FEWEST, WEAK, NoiseModel, population
from .reference import Filter, Noise
from .retry import retried
from .scoring import Model, Optimum, Problem, excess, likelier, maximise, restriction
from .screening import screen
from .start import Frame, frame_of
from .trajectories import Array, Trajectories

_ROUNDS, _ALONE = 12, 3
"""How often noises are corrected at most: of a chip until they settle, of a few cells."""
_SETTLED = 0.02
"""Of the logarithms of the chip's noises, between rounds."""
_NUDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit works with, before it is said in the parameters' own units.

    Attributes:
        family: coordinates of the response function.
        noise: coordinates of the noises.
        frame: of the cells.
        best: where the scoring ended.
        scatter: of the scores about it, ``(cells, x, x)``; the information, where they are normal.
        pinned: bounds that no reading tells of, ``(2, cells)``; they are not fitted.
    """

    family: Family
    noise: NoiseModel
    frame: Frame
    best: Optimum
    scatter: Array
    pinned: NDArray[np.bool_]

    @property
    def parameters(self) -> tuple[Array, ...]:
        """Of the response function."""
        return self.family.natural(self.best.x[: self.family.size], self.frame)

    @property
    def noises(self) -> Noise:
        """In their units."""
        return self.noise.natural(self.best.x[self.family.size :], self.frame)


def fit_trajectories(
    traj: Trajectories,
    family: str | Candidate,
    *,
    steps: tuple[str, ...] = ("dg_std",),
) -> CellFit:
    """Fit every cell.

    Args:
        traj: what was measured.
        family: which response function, by name or class (``families.FAMILIES``).
        steps: which noises of steps are fitted, of ``dg_std`` and ``dg_add``.

    Returns:
        Parameters, covariance and health of all cells, in order.

    Raises:
        BadInputError: nobody offers the family.
    """
    kind, noise = family_of(family), NoiseModel.of(traj, steps)
    frame = frame_of(traj)
    health = screen(traj, frame, kind.size + noise.size)
    good = np.flatnonzero(health == Health.OK)
    if not good.size:
        return _empty(kind, noise, health)
    fitted = fit_good(traj.of(good), frame.of(good), kind, noise)
    return in_units(fitted, health, good)


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
    model = model_of(filter_of(family.response), traj, frame, family, noise)
    start = np.concatenate([family.start(frame), noise.start(frame)])
    low, high = (
        np.concatenate(pair) for pair in zip(family.box(frame), noise.box(frame), strict=True)
    )
    start = np.clip(start, low, high)
    prior = start.copy()
    prior[k:] = np.median(start[k:], axis=1, keepdims=True)
    width = np.full(noise.size, WEAK)
    problem = Problem(
        model, traj.steps, low, high, prior, _precision(family, width), np.zeros_like(start)
    )
    if first is not None:
        problem = pinned_at(problem, first.pinned)
    best = maximise(problem, start if first is None else first.best.x, iterations)
    dwells = first is None and family.bounded and family.hard
    if dwells:
        best = likelier(problem, best, maximise(problem, at_the_ends(start), iterations))
        problem, best = with_bounds(problem, (low, high), best, iterations)
    if not noise.steps and (first is None or not best.converged.all()):
        shot = _shooting(traj, frame, family, noise, iterations)
        best = likelier(problem, best, maximise(problem, shot, iterations))
    for done in range(1, rounds + 1):
        before, problem = problem, _better(problem, best, family, k)
        best = maximise(problem, best.x, iterations)
        if dwells and done == 1:  # with noises that the chip knows better than a cell
            problem, best = with_bounds(problem, (low, high), best, iterations)
        change = np.abs(problem.prior[k:] - before.prior[k:]).max()
        if done >= _ALONE and change < _SETTLED:
            break
    if not rounds:
        return Fitted(family, noise, frame, best, best.information, pins_of(problem))
    best = retried(problem, best, start, iterations)
    root = np.sqrt(excess(problem, best))
    more = root[:, :, None] * root[:, None, :] - 1
    scatter = best.information + more * (best.information - problem.precision)
    return Fitted(family, noise, frame, best, scatter, pins_of(problem))


_WIDE = float(np.log(0.1))


def _shooting(
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
        prior[k:], precision = centre[:, None], _precision(family, width)
    tilt = restriction(problem, best, k)
    return Problem(problem.model, problem.steps, problem.low, problem.high, prior, precision, tilt)


def _precision(family: Family, width: Array) -> Array:
    k = family.size
    whole = np.zeros((k + width.size, k + width.size))
    whole[:k, :k] = family.precision()
    whole[k:, k:] = np.diag(width**-2.0)
    return whole


def inverse_information(best: Optimum) -> tuple[Array, NDArray[np.bool_]]:
    """Covariance of the coordinates ``(cells, x, x)``, and where there is one."""
    solid: NDArray[np.bool_] = np.asarray(np.isfinite(best.information).all(axis=(1, 2)))
    scale = np.sqrt(np.maximum(np.einsum("cii->ci", best.information), 1e-12))
    scaled = best.information / scale[:, :, None] / scale[:, None, :]
    solid = solid & (np.linalg.cond(np.where(solid[:, None, None], scaled, 1.0)) < 1e14)
    safe = np.where(solid[:, None, None], scaled, np.eye(len(best.x)))
    return np.linalg.inv(safe) / scale[:, :, None] / scale[:, None, :], solid


def model_of(
    run: Filter,
    traj: Trajectories,
    frame: Frame,
    family: Family,
    noise: NoiseModel,
    held: NDArray[np.bool_] | None = None,
) -> Model:
    """Prediction errors, in measured ranges, as a function of coordinates.

    Steps ``held`` (steps,) are compared, but not learnt from.
    """
    k, skipped = family.size, np.zeros(traj.steps, bool) if held is None else held

    def model(x: Array, cells: NDArray[np.intp]) -> tuple[Array, Array]:
        some, own = traj.of(cells), frame.of(cells)
        parameters = family.natural(x[:k], own)
        noises = noise.natural(x[k:], own)
        flat = [_flat(v, x.shape[1:]) for v in parameters]
        errors, variances = run(
            flat, Noise(*(_flat(v, x.shape[1:]) for v in noises)), some, skipped
        )
        shape = (*x.shape[1:], traj.steps)
        scale = own.span[:, None]
        seen = variances.reshape(shape) != 1.0
        errors = errors.reshape(shape) / scale
        return errors, np.where(seen, variances.reshape(shape) / scale**2, 1.0)

    return model


def _flat(values: Array, shape: tuple[int, ...]) -> Array:
    """Variants and cells on one axis."""
    nodes = values.shape[len(shape) :]
    return np.broadcast_to(values, (*shape, *nodes)).reshape(-1, *nodes)


def in_units(fitted: Fitted, health: NDArray[np.int8], good: NDArray[np.intp]) -> CellFit:
    """Parameters in their units, with covariances and verdicts, among all cells."""
    family, noise, frame, best = fitted.family, fitted.noise, fitted.frame, fitted.best
    count = health.size
    values, jacobian = _jacobian(fitted)
    inner, solid = inverse_information(best)
    inner = inner @ np.nan_to_num(fitted.scatter) @ inner
    part = jacobian @ inner @ jacobian.transpose(0, 2, 1)
    fixed = (jacobian == 0).all(axis=(0, 2))
    part[:, fixed, :] = part[:, :, fixed] = np.nan
    off = family.unresolved(fitted.parameters)
    own = np.arange(len(off))
    part[:, own, own] += off.T**2
    names = (*family.names, *noise.names)
    covariance = np.full((count, len(names), len(names)), np.nan)
    covariance[good] = part
    parameters = [_spread(v, good, count) for v in fitted.parameters]
    noises = Noise(*(_spread(v, good, count) for v in fitted.noises))
    half = _spread(frame.span / 2, good, count)
    relative = noises.read_add / half if noise.additive_read else noises.read_std
    likelihood = _spread(best.value, good, count)
    fit = CellFit(
        family.name, family.response(*parameters), noises.dg_std, noises.dg_add, relative,
        noises.read_add, names, covariance, health.copy(), likelihood,
    )  # fmt: skip
    return _judged(fit, best.converged & solid & (values[0] < values[1]), good, family)


def _judged(
    fit: CellFit, converged: NDArray[np.bool_], good: NDArray[np.intp], family: Family
) -> CellFit:
    some = fit.of(good)
    reach = np.asarray(some.response.g_max) - np.asarray(some.response.g_min)
    with np.errstate(all="ignore"):
        step = some.stderr()["dg_min"] / np.asarray(some.response.dg_min)
        both = some.covariance[:, 0, 0] + some.covariance[:, 1, 1] - 2 * some.covariance[:, 0, 1]
        wide = np.sqrt(np.maximum(both, 0.0)) / reach if family.bounded else np.zeros_like(reach)
    fit.health[good] = judge(fit.health[good], converged, step, wide)
    return fit


def _jacobian(fitted: Fitted) -> tuple[Array, Array]:
    """Parameters ``(names, cells)`` and their derivatives by coordinates ``(cells, names, x)``."""
    x, k = fitted.best.x, fitted.family.size
    variants = (
        x[:, None, :]
        + _NUDGE * np.concatenate([np.eye(len(x)), -np.eye(len(x))], axis=1)[:, :, None]
    )
    parameters = fitted.family.natural(variants[:k], fitted.frame)
    noises = fitted.noise.natural(variants[k:], fitted.frame)
    rows = [_rows(v, variants.shape[1:]) for v in parameters]
    rows += [_rows(getattr(noises, n), variants.shape[1:]) for n in fitted.noise.names]
    values = np.concatenate(rows)
    more, less = values[:, : len(x)], values[:, len(x) :]
    slopes = (more - less) / (2 * _NUDGE)
    return (more[:, 0] + less[:, 0]) / 2, slopes.transpose(2, 0, 1)


def _rows(values: Array, shape: tuple[int, ...]) -> Array:
    values = np.broadcast_to(values, (*shape, *values.shape[len(shape) :]))
    return values[None] if values.ndim == len(shape) else np.moveaxis(values, -1, 0)


def _spread(values: Array, good: NDArray[np.intp], count: int) -> Array:
    whole = np.full((count, *np.shape(values)[1:]), np.nan)
    whole[good] = values
    return whole


def _empty(family: Family, noise: NoiseModel, health: NDArray[np.int8]) -> CellFit:
    nothing, names = np.full(health.size, np.nan), (*family.names, *noise.names)
    nodes = getattr(family, "nodes", 0)
    tables = np.full((health.size, nodes), np.nan)
    units = family.response.units
    values = [tables if n.startswith("table_") and nodes else nothing for n in units]
    return CellFit(
        family.name, family.response(*values), nothing, nothing, nothing, nothing, names,
        np.full((health.size, len(names), len(names)), np.nan), health, nothing,
    )  # fmt: skip
