"""Held-out errors of a fitted response function, by the protocol of the yardstick (``direct``).

Blocks of 50 pulses are dealt out to 5 folds. A fit sees all pulses, but not the readings of a fold,
of both directions at once; its mean path through each train, from the start that suits the readings
it saw, is held against those it did not. Beside it the forecast: what the fitted filter says of a
block from the readings before it, not looking at any inside. A path must hold over the whole train;
a forecast knows where the block begins, and where a device wanders it is better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.fitting import CellFit, Trajectories, fit_trajectories
from ohmloop.calibration.fitting.entries import filter_of
from ohmloop.calibration.fitting.reference import Noise
from ohmloop.sim_backend.responses import ResponseFunction

from .direct import FOLDS, folds

Array = NDArray[np.float64]
UP, DOWN = 1, -1
_GRID = 101


@dataclass(frozen=True, slots=True)
class HeldOutErrors:
    """Errors of held-out readings of one device, first its up and then its down train.

    Attributes:
        path: mean path less reading, ``(pulses,)``.
        forecast: forecast less reading.
        spread: standard deviations that the forecast gave itself.
        ways: direction of the train of each, 1 or -1.
    """

    path: Array
    forecast: Array
    spread: Array
    ways: NDArray[np.int64]

    def rmse(self, errors: Array, way: int) -> float:
        """Root mean square of some errors in one direction."""
        return float(np.sqrt(np.nanmean(errors[self.ways == way] ** 2)))

    @property
    def coverage(self) -> float:
        """Share of held-out readings within 1.96 of the forecast's standard deviations."""
        known = np.isfinite(self.forecast)
        inside = np.abs(self.forecast[known]) < 1.96 * self.spread[known]
        return float(inside.mean())


def held_out_errors(traj: Trajectories, family: str) -> HeldOutErrors:
    """Fit five times without a fifth, and predict it.

    Args:
        traj: one cell, an up train and then a down train, one pulse a step.
        family: name of what is fitted.
    """
    ways = np.sign(traj.pulses[:, 0]).astype(np.int64)
    fold = np.concatenate([folds(int((ways == way).sum())) for way in (UP, DOWN)])
    path, forecast, spread = (np.full(traj.steps, np.nan) for _ in range(3))
    for k in range(FOLDS):
        held = fold == k
        fit = fit_trajectories(traj.without(held), family)
        path[held] = (mean_path(fit.response, traj.without(held)) - traj.readings[:, 0])[held]
        error, variance = _forecast(fit, traj, held)
        known = held & (variance != 1.0)
        forecast[known], spread[known] = -error[known], np.sqrt(variance[known])
    return HeldOutErrors(path, forecast, spread, ways)


def mean_path(response: ResponseFunction, traj: Trajectories) -> Array:
    """The mean of one cell through its trains, each from the start that suits best, ``(steps,)``."""
    ways = np.sign(traj.pulses[:, 0])
    found = np.empty(traj.steps)
    for way in (UP, DOWN):
        train = ways == way
        found[train] = _best_path(response, traj.readings[train, 0], way)
    return found


def _best_path(response: ResponseFunction, readings: Array, way: int) -> Array:
    low, high = float(response.g_min[0]), float(response.g_max[0])
    known = np.isfinite(readings)
    first = float(readings[known][:20].mean())
    width = 0.2 * float(np.ptp(readings[known]))
    for _ in range(3):  # ever finer grids about the best
        starts = np.clip(np.linspace(first - width, first + width, _GRID), low, high)
        paths = _paths(response, starts, readings.size, way)
        best = int(np.argmin(((paths[known] - readings[known, None]) ** 2).sum(axis=0)))
        first, width = float(starts[best]), width / 20
    best_path: Array = paths[:, best]
    return best_path


def _paths(response: ResponseFunction, starts: Array, count: int, way: int) -> Array:
    kind = type(response)
    # one cell from many starts: as many cells that are alike
    cells = kind(*(np.repeat(np.asarray(v), starts.size, axis=0) for v in response.parameters()))
    paths = np.empty((count, starts.size))
    paths[0] = starts
    for k in range(1, count):
        g = paths[k - 1]
        step = cells.q_up(g) if way > 0 else -cells.q_down(g)
        paths[k] = np.clip(g + step, cells.g_min, cells.g_max)
    return paths


def _forecast(fit: CellFit, traj: Trajectories, held: NDArray[np.bool_]) -> tuple[Array, Array]:
    noise = Noise(fit.dg_std, fit.dg_add, fit.read_std, fit.read_add)
    if traj.signed:  # said over half the range as well, which would count twice
        noise = noise._replace(read_std=np.zeros_like(fit.read_std))
    run = filter_of(type(fit.response))
    errors, variances = run(fit.response.parameters(), noise, traj, held)
    return errors[0], variances[0]
