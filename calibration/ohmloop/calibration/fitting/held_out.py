"""How well a response function forecasts readings that its fit did not see.

Trains are cut into short blocks, of which every fifth is held out in turn. The fit sees the pulses
of a held-out block but not its readings; the forecast starts from the state that the filter knows
at the block's start, and goes through the whole block without looking.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .entries import filter_of
from .families import Family
from .maximum import Fitted, fit_good, inverse_information
from .noises import NoiseModel
from .problem import model_of
from .robust import log_density, weight
from .start import Frame
from .trajectories import Array, Trajectories

FOLDS = 5
_SHORTEST, _PARTS = 3, 20
"""Steps of a block at least, and blocks of a train at most: so few that a forecast goes far enough
for a wrong response function, or noise of steps that is none, to show."""
_ITERATIONS = 25
_NUDGE = 1e-6


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Forecasts of held-out readings.

    Attributes:
        errors: measured less forecast, ``(cells, steps)``, S; nan where nothing was compared.
        variances: forecast, S^2.
        blocks: number of the block of each step, ``(steps,)``.
        pulses: as measured, ``(steps, cells)``.
    """

    errors: Array
    variances: Array
    blocks: NDArray[np.intp]
    pulses: NDArray[np.int32]

    @property
    def scores(self) -> Array:
        """Robust log-density of every block, per reading, ``(cells, blocks)``; nan where none."""
        seen = np.isfinite(self.errors)
        safe = np.where(seen, self.variances, 1.0)
        density = log_density(np.where(seen, self.errors, 0.0) / np.sqrt(safe), safe)
        columns = []
        for block in np.unique(self.blocks):
            inside = seen & (self.blocks == block)
            count = inside.sum(axis=1)
            total = np.where(inside, density, 0.0).sum(axis=1)
            columns.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
        return np.stack(columns, axis=1)

    def rmse(self, way: int = 0) -> Array:
        """Root mean square error of each cell, S, ``(cells,)``; robust against outliers.

        Args:
            way: 1 for steps of up pulses alone, -1 for down, 0 for all.
        """
        used = np.isfinite(self.errors)
        if way:
            used &= np.sign(self.pulses.T) == way
        errors = np.where(used, self.errors, 0.0)
        count = np.maximum(used.sum(axis=1), 1)
        first = np.sqrt((errors**2).sum(axis=1) / count)
        for _ in range(5):  # an outlier counts as one of LIMIT standard deviations
            scale = np.maximum(first, 1e-300)[:, None]
            first = np.sqrt((weight(errors / scale) * errors**2).sum(axis=1) / count)
        found: Array = np.where(used.any(axis=1), first, np.nan)
        return found

    @property
    def calibration(self) -> float:
        """Root mean square of error over forecast standard deviation; 1 where both are right."""
        z = self.errors / np.sqrt(self.variances)
        z = z[np.isfinite(z)]
        return float(np.sqrt(np.mean(weight(z) * z**2))) if z.size else float("nan")


def blocks_of(traj: Trajectories) -> NDArray[np.intp]:
    """Number of the block of each step.

    Trains are cut into 20 parts, of at least 3 steps. Where every cell has a sequence of its
    own, the whole is cut into twice as many blocks as there are folds.
    """
    way = np.sign(traj.pulses.sum(axis=1, dtype=np.int64))
    if (np.sign(traj.pulses) != way[:, None]).mean() > 0.1:
        size = max(_SHORTEST, -(-traj.steps // (2 * FOLDS)))
        return np.arange(traj.steps) // size
    fresh = np.r_[True, (np.diff(way) != 0)] | traj.starts
    edges = np.flatnonzero(fresh)
    found, number = np.zeros(traj.steps, np.intp), 0
    for start, stop in zip(edges, np.r_[edges[1:], traj.steps], strict=True):
        parts = np.array_split(
            np.arange(start, stop), max(1, min(_PARTS, (stop - start) // _SHORTEST))
        )
        for part in parts:
            found[part] = number
            number += 1
    return found


def hold_out(traj: Trajectories, frame: Frame, family: Family, noise: NoiseModel) -> HeldOut:
    """Fit without each fifth of the blocks, and forecast them.

    Every cell alone; each fit climbs from where one with all readings ended, to save time.
    """
    blocks = blocks_of(traj)
    errors = np.full((traj.cells, traj.steps), np.nan)
    variances = np.ones_like(errors)
    run = filter_of(family.response)
    first = fit_good(traj, frame, family, noise, rounds=0)
    for fold in range(FOLDS):
        held = blocks % FOLDS == fold
        held &= blocks > 0 if blocks[0] == fold else True
        if not held.any():
            continue
        seen = traj.without(held)
        fitted = fit_good(seen, frame, family, noise, 0, first, _ITERATIONS)
        v, s = run(fitted.parameters, fitted.noises, traj, held)
        compared = held & (s != 1.0)
        s = s + _by_parameters(fitted, traj, held)
        errors[compared], variances[compared] = v[compared], s[compared]
    return HeldOut(errors, variances, blocks, traj.pulses)


def _by_parameters(fitted: Fitted, traj: Trajectories, held: NDArray[np.bool_]) -> Array:
    """Variance of forecasts that comes of parameters not being known, ``(cells, steps)``, S^2."""
    family, frame, k = fitted.family, fitted.frame, fitted.family.size
    model = model_of(filter_of(family.response), traj, frame, family, fitted.noise, held)
    x, everywhere = fitted.best.x, np.arange(traj.cells)
    steps = _NUDGE * np.eye(len(x) + 1)[1:, : k + 1]
    errors, _ = model(x[:, None, :] + steps[:, :, None], everywhere)
    slopes = (errors[1:] - errors[0]) / _NUDGE
    covariance, solid = inverse_information(fitted.best)
    found = np.einsum("ics,cij,jcs->cs", slopes, covariance[:, :k, :k], slopes)
    variance: Array = np.where(solid[:, None], found, 0.0) * frame.span[:, None] ** 2
    return variance
