"""Fitting soft-bounds cells to trajectories: quasi-maximum likelihood, all cells at once.

Six parameters a cell (``PARAMETERS``) maximise the likelihood of the filter's prediction errors
(``kalman``). Means (bounds and slopes) stand alone for every cell. The two noises of a cell are
poorly known from some dozens of readings, so after a first fit their logarithms get a normal prior
whose centre and width are those of the chip (empirical Bayes; Efron and Morris, JASA 70:311, 1975).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.sim_backend.responses import SoftBounds

from .health import Health, judge, screen
from .kalman import PARAMETERS, Array, Cells, prediction_errors
from .scoring import Optimum, Problem, maximise, unbiased
from .start import first_guess

_MEANS, _NOISES = 4, slice(4, 6)
_LOW = np.array([0.0, 1e-6, np.log(1e-5), np.log(1e-5), np.log(1e-3), np.log(1e-4)])[:, None]
_HIGH = np.array([20.0, 20.0, np.log(0.9), np.log(0.9), np.log(10.0), np.log(1.0)])[:, None]
_NARROWEST = 0.1
"""Least width of the noises' prior: cells are never taken to be exactly alike."""


@dataclass(frozen=True, slots=True)
class CellFit:
    """Fitted cells, flat; a cell that is not OK holds numbers without meaning.

    Attributes:
        cells: parameters, each ``(cells,)``.
        covariance: of the parameters, ``(cells, 6, 6)``, in their units.
        health: ``Health`` codes ``(cells,)``.
    """

    cells: Cells
    covariance: Array
    health: NDArray[np.int8]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Cells that could be fitted."""
        usable: NDArray[np.bool_] = self.health == Health.OK
        return usable

    @property
    def response(self) -> SoftBounds:
        """Response functions."""
        c = self.cells
        return SoftBounds(c.g_min, c.g_max, c.slope_up, c.slope_down)

    def stderr(self) -> Mapping[str, Array]:
        """Standard errors of all parameters, of ``symmetric_point`` and ``dg_min`` (delta)."""
        index = range(len(PARAMETERS))
        errors = {
            n: _root(self.covariance[:, i, i]) for i, n in zip(index, PARAMETERS, strict=True)
        }
        point, step = gradients(self.response)
        return errors | {
            "symmetric_point": self._delta(point),
            "dg_min": self._delta(step),
        }

    def _delta(self, gradient: Array) -> Array:
        block = self.covariance[:, :4, :4]
        return _root(np.einsum("ic,cij,jc->c", gradient, block, gradient))


def gradients(response: SoftBounds) -> tuple[Array, Array]:
    """Derivatives of symmetric point and ``dg_min`` by g_min, g_max, slope_up, slope_down.

    With u, d the slopes and R the range, ``SP = (u g_max + d g_min) / (u + d)`` and
    ``dg_min = u d R / (u + d)``.

    Returns:
        Two arrays ``(4, cells)``.
    """
    u, d = response.slope_up, response.slope_down
    reach, both = response.g_max - response.g_min, u + d
    point = np.stack([d / both, u / both, d * reach / both**2, -u * reach / both**2])
    share = u * d / both
    step = np.stack([-share, share, reach * (d / both) ** 2, reach * (u / both) ** 2])
    return point, step


def fit_cells(readings: Array, pulses: NDArray[np.int32]) -> CellFit:
    """Fit every cell.

    Args:
        readings: ``(steps, cells)``, S; the first must be a reading, NaN later is a step not read.
        pulses: signed counts before each reading, ``(steps, cells)``. Steps at the start without
            pulses are the repeated readings.

    Returns:
        Parameters, covariance and health of all cells, in order.
    """
    seen: NDArray[np.bool_] = np.asarray(
        np.isfinite(readings).any(axis=1)
    )  # whole steps not read; a cell missing is ill
    health = screen(readings[seen], _gather(pulses, seen))
    good = np.flatnonzero(health == Health.OK)
    count = readings.shape[1]
    theta, covariance = np.full((6, count), np.nan), np.full((count, 6, 6), np.nan)
    if good.size:
        found, part, converged = _fit(readings[seen][:, good], _gather(pulses, seen)[:, good])
        theta[:, good], covariance[good] = found, part
        fitted = CellFit(Cells(*found), part, health[good])
        health[good] = judge(health[good], converged, *_relative_errors(fitted))
    return CellFit(Cells(*theta), covariance, health)


def _gather(pulses: NDArray[np.int32], seen: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Counts of steps that were read; those between must not mix directions."""
    group = np.r_[0, np.cumsum(seen)[:-1]]
    total = np.zeros((int(seen.sum()), pulses.shape[1]), np.int32)
    inside = group < total.shape[0]
    np.add.at(total, group[inside], pulses[inside])
    return total


def _fit(readings: Array, pulses: NDArray[np.int32]) -> tuple[Array, Array, NDArray[np.bool_]]:
    moved: NDArray[np.bool_] = np.asarray(pulses.any(axis=1))
    still = np.arange(max(2, int(moved.argmax()) if moved.any() else len(moved)))
    scale = np.maximum(np.abs(readings).max(axis=0), 1e-15)
    guess = first_guess(readings, pulses, still)
    start = _inner(guess, scale)

    def model(x: Array, block: NDArray[np.intp]) -> tuple[Array, Array]:
        errors, variances = prediction_errors(
            Cells(*_outer(x)), readings[:, block] / scale[block], pulses[:, block]
        )
        return errors, variances

    prior, precision = np.zeros_like(start), np.zeros_like(start)
    prior[_NOISES] = np.median(start[_NOISES], axis=1, keepdims=True)
    precision[_NOISES] = 0.25  # weak: a factor e^2 either way; keeps a noise of 0 from running off
    weak = Problem(model, _LOW, _HIGH, prior, precision)
    first = unbiased(weak, maximise(weak, start), _MEANS)
    prior, precision = np.zeros_like(start), np.zeros_like(start)
    prior[_NOISES], precision[_NOISES] = _population(first)
    problem = Problem(model, _LOW, _HIGH, prior, precision)
    best = unbiased(problem, maximise(problem, first.x), _MEANS)
    return _natural(best, scale)


def _population(first: Optimum) -> tuple[Array, Array]:
    """Centre and precision of the noises over the chip; the fit's own error is taken off."""
    noises = first.x[_NOISES][:, first.converged]
    if noises.shape[1] < 8:
        return first.x[_NOISES], np.full_like(first.x[_NOISES], 1e-6)
    spread = 1.4826 * np.median(np.abs(noises - np.median(noises, axis=1)[:, None]), axis=1)
    errors = np.linalg.pinv(first.information[first.converged], hermitian=True)
    own = np.median(errors[:, [4, 5], [4, 5]], axis=0)
    width = np.sqrt(np.maximum(spread**2 - own, _NARROWEST**2))
    centre = np.median(noises, axis=1)
    shape = (2, first.x.shape[1])
    return np.broadcast_to(centre[:, None], shape), np.broadcast_to(width[:, None] ** -2, shape)


def _natural(best: Optimum, scale: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """From scaled logarithms to parameters in their units, with their covariance."""
    theta = _outer(best.x)
    jacobian = np.concatenate([np.broadcast_to(scale, (2, scale.size)), theta[2:]]).T
    theta[:2] *= scale
    information = best.information
    solid = np.linalg.cond(information) < 1e15
    safe = np.where(solid[:, None, None], information, np.eye(6))
    covariance = np.linalg.inv(safe) * jacobian[:, :, None] * jacobian[:, None, :]
    return theta, covariance, best.converged & solid & (theta[0] < theta[1])


def _relative_errors(fitted: CellFit) -> tuple[Array, Array]:
    reach = fitted.cells.g_max - fitted.cells.g_min
    both = fitted.covariance[:, 0, 0] + fitted.covariance[:, 1, 1]
    both = both - 2 * fitted.covariance[:, 0, 1]
    with np.errstate(divide="ignore", invalid="ignore"):  # what is not a number is judged poor
        return fitted.stderr()["dg_min"] / fitted.response.dg_min, _root(both) / reach


def _inner(cells: Cells, scale: Array) -> Array:
    theta = np.stack(cells)
    theta[:2] /= scale
    theta[2:] = np.log(np.maximum(theta[2:], 1e-12))
    return theta


def _outer(x: Array) -> Array:
    return np.concatenate([x[:2], np.exp(x[2:])])


def _root(variance: Array) -> Array:
    root: Array = np.sqrt(np.maximum(variance, 0.0))
    return root
