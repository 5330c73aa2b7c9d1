"""Held-out errors of a fitted response function, by the protocol of the yardstick (``direct``).

Blocks of 50 pulses are dealt out to 5 folds. A fit sees all pulses of both directions at once, but
not the readings of a fold; two predictions of those are held against them:

- *held-out*: what the fitted cell expects of them given all other readings. A curve fitted to these
  has just the same to go by, so this is what compares with the yardstick.
- *path*: the mean path of the response function through the whole train, from one start. No noise
  model helps here: where a device wanders, the path is off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.fitting import Trajectories, fit_trajectories
from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.responses import ResponseFunction

from .direct import FOLDS, folds
from .smoother import expected_readings

Array = NDArray[np.float64]
UP, DOWN = 1, -1
_GRID = 101


@dataclass(frozen=True, slots=True)
class HeldOutErrors:
    """Errors of held-out readings of one device, first its up and then its down train.

    Attributes:
        held_out: expected less reading, ``(pulses,)``.
        spread: standard deviations expected of those.
        path: mean path less reading.
        ways: direction of the train of each, 1 or -1.
    """

    held_out: Array
    spread: Array
    path: Array
    ways: NDArray[np.int64]

    def rmse(self, errors: Array, way: int) -> float:
        """Root mean square of some errors in one direction."""
        return float(np.sqrt(np.mean(errors[self.ways == way] ** 2)))

    @property
    def coverage(self) -> float:
        """Share of held-out readings within 1.96 of the standard deviations expected."""
        return float((np.abs(self.held_out) < 1.96 * self.spread).mean())


def held_out_errors(
    traj: Trajectories, family: str, steps: tuple[str, ...] = ("dg_std",)
) -> HeldOutErrors:
    """Fit five times without a fifth, and predict it.

    Args:
        traj: one cell, an up train and then a down train, one pulse a step.
        family: name of what is fitted.
        steps: noises of steps that are fitted with it.
    """
    ways = np.sign(traj.pulses[:, 0]).astype(np.int64)
    fold = np.concatenate([folds(int((ways == way).sum())) for way in (UP, DOWN)])
    predictions = np.empty((3, traj.steps))
    for k in range(FOLDS):
        held = fold == k
        seen = traj.without(held)
        fit = fit_trajectories(seen, family, steps=steps)
        if not fit.usable.all() and not np.isfinite(fit.read_add).all():
            raise BadInputError(f"{family}: the cell cannot be fitted with a fifth held out")
        path = mean_path(fit.response, seen)
        # without noise of steps nothing wanders, and nothing but a start is to be found
        wanders = bool(fit.dg_std[0] or fit.dg_add[0])
        expected = expected_readings(fit, seen) if wanders else (path, fit.read_add[0] + 0 * path)
        predictions[:, held] = np.stack([*expected, path])[:, held]
    within, spread, path = predictions
    readings = traj.readings[:, 0]
    return HeldOutErrors(within - readings, spread, path - readings, ways)


def mean_path(response: ResponseFunction, traj: Trajectories) -> Array:
    """The mean of one cell through its trains, each from the best start, ``(steps,)``."""
    ways = np.sign(traj.pulses[:, 0])
    found = np.empty(traj.steps)
    for way in (UP, DOWN):
        train = ways == way
        found[train] = _best_path(response, traj.readings[train, 0], way)
    return found


def _best_path(response: ResponseFunction, readings: Array, way: int) -> Array:
    """From the first reading that was seen on, where it fits the others best; before it, back.

    A fit starts there too. What of the train came before was not seen, and may have begun beyond
    the bounds that the fit knows; the yardstick's start is not bounded either.
    """
    low, high = float(response.g_min[0]), float(response.g_max[0])
    seen = int(np.isfinite(readings).argmax())
    later = readings[seen:]
    known = np.isfinite(later)
    first, width = (low + high) / 2, (high - low) / 2
    for _ in range(4):  # ever finer grids about the best
        starts = np.clip(np.linspace(first - width, first + width, _GRID), low, high)
        paths = _paths(response, starts, later.size, way)
        best = int(np.argmin(((paths[known] - later[known, None]) ** 2).sum(axis=0)))
        first, width = float(starts[best]), width / 20
    return np.concatenate([states_before(response, first, seen, way), paths[:, best]])


def states_before(response: ResponseFunction, state: float, count: int, way: int) -> Array:
    """States of one cell before each of ``count`` pulses that led to a state, ``(count,)``.

    Where a pulse leads from nowhere within the bounds to what came of it, the bound it comes from.
    """
    low, high = float(response.g_min[0]), float(response.g_max[0])
    states = np.empty(count)
    for k in range(count - 1, -1, -1):
        below, above = low, high
        for _ in range(40):  # the state after a pulse grows with the state before it
            middle = (below + above) / 2
            after = float(_after(response, np.array([middle]), way)[0])
            below, above = (middle, above) if after < state else (below, middle)
        state = states[k] = (below + above) / 2
    return states


def _after(response: ResponseFunction, g: Array, way: int) -> Array:
    after: Array = g + (response.q_up(g) if way > 0 else -response.q_down(g))
    return np.clip(after, response.g_min, response.g_max)


def _paths(response: ResponseFunction, starts: Array, count: int, way: int) -> Array:
    kind = type(response)
    # one cell from many starts: as many cells that are alike
    cells = kind(*(np.repeat(np.asarray(v), starts.size, axis=0) for v in response.parameters()))
    paths = np.empty((count, starts.size))
    paths[0] = starts
    for k in range(1, count):
        paths[k] = _after(cells, paths[k - 1], way)
    return paths
