"""How well a twin predicts its chip, on pulses that it was not fitted to.

Every cell's own random sequence is repeated R times. Write ``e[r, k]`` for the reading at position
k of repeat r, less the twin's mean prediction from the *measured start of that repeat*. Then::

    rmse^2          = mean over r, k, cells of          e[r, k]^2
    repeatability^2 = mean over r, k, cells of R/(R-1) (e[r, k] - mean_r e[., k])^2
    rmse_over_noise = rmse / repeatability

Repeats start where the same preconditioning left them, alike but not equal, and a step depends on
the state. So each repeat is compared with its own start, in both figures alike: noise of the start
reading is in both, and differences of the starts in neither. What the twin gets wrong in common to
all repeats drops out of the repeatability: bounds and steps do, entirely. Of the twin it knows only
how fast starts are forgotten, and that multiplies small differences of starts. Hence the expected
``rmse^2 - repeatability^2`` is the twin's mean squared bias: a perfect twin has a ratio of 1, a
twin that is off by as much as the chip's own noise has 1.41.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import ChipFileError
from ohmloop.sim_backend import Population
from ohmloop.sim_backend.responses import ResponseFunction

from .fitting.trajectories import Array
from .raw import HELD_OUT, START, flat, steps_of

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, slots=True)
class Prediction:
    """Held-out sequences, measured and predicted.

    Attributes:
        measured: ``(repeats, positions + 1, rows, columns)``, S; position 0 is the start.
        predicted: the twin's mean, from the measured start of each repeat; same shape.
        usable: cells that count, ``(rows, columns)``.
    """

    measured: Array
    predicted: Array
    usable: NDArray[np.bool_]

    @property
    def errors(self) -> Array:
        """Measured less predicted, ``(repeats, positions, usable cells)``, S."""
        errors: Array = (self.measured - self.predicted)[:, 1:, self.usable]
        return errors

    @property
    def deviations(self) -> Array:
        """Errors less their mean over repeats, times sqrt(R/(R-1)); shape of ``errors``, S."""
        repeats = self.measured.shape[0]
        centred = self.errors - self.errors.mean(axis=0)
        deviations: Array = np.sqrt(repeats / (repeats - 1)) * centred
        return deviations

    @property
    def rmse(self) -> float:
        """Root mean square error of the twin's prediction, S."""
        return _rms(self.errors)

    @property
    def repeatability(self) -> float:
        """Root mean square deviation of the chip from itself, S."""
        return _rms(self.deviations)

    @property
    def rmse_over_noise(self) -> float:
        """Their ratio; 1 for a perfect twin."""
        noise = self.repeatability
        return self.rmse / noise if noise > 0 else float("nan")

    @property
    def stderr(self) -> float:
        """Standard error of ``rmse_over_noise``: cells are taken to be independent."""
        own, noise = (np.mean(v**2, axis=(0, 1)) for v in (self.errors, self.deviations))
        if own.size < 2 or not noise.mean() > 0:
            return float("nan")
        ratio = own.mean() / noise.mean()
        error = (own - ratio * noise).std(ddof=1) / np.sqrt(own.size) / noise.mean()
        return float(0.5 * error / np.sqrt(ratio))

    def by_position(self) -> tuple[Array, Array]:
        """``rmse`` and ``repeatability`` of each position, ``(positions,)``, S."""
        return (
            np.sqrt((self.errors**2).mean(axis=(0, 2))),
            np.sqrt((self.deviations**2).mean(axis=(0, 2))),
        )


def predict(raw: xr.Dataset, population: Population, usable: NDArray[np.bool_]) -> Prediction:
    """Predict the held-out sequences of raw data.

    Args:
        raw: raw data with held-out sequences.
        population: the twin's cells.
        usable: cells that count, ``(rows, columns)``.

    Raises:
        ChipFileError: the data hold fewer than two complete repeats, or are of another shape.
    """
    steps = steps_of(raw, START, HELD_OUT)
    readings, pulses = flat(raw, steps)
    repeat = raw["repeat"].to_numpy()[steps]
    length = int((repeat == 0).sum())
    whole = [r for r in np.unique(repeat) if (repeat == r).sum() == length]
    if len(whole) < 2 or length < 2:
        raise ChipFileError("the raw data hold fewer than two held-out repeats; measure again")
    if raw["conductance"].shape[1:] != population.shape:
        raise ChipFileError(
            f"the raw data are of {raw['conductance'].shape[1:]}, the twin is {population.shape}"
        )
    kept = np.isin(repeat, whole)
    shape = (len(whole), length, *population.shape)
    measured, counts = readings[kept].reshape(shape), pulses[kept].reshape(shape)
    finite = np.isfinite(measured).all(axis=(0, 1))
    return Prediction(measured, _means(population.response, measured, counts), usable & finite)


def _means(response: ResponseFunction, measured: Array, counts: NDArray[np.int32]) -> Array:
    predicted = measured.copy()
    for k in range(1, measured.shape[1]):
        up, down = np.maximum(counts[:, k], 0), np.maximum(-counts[:, k], 0)
        predicted[:, k] = response.after(predicted[:, k - 1], up, down)
    return predicted


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")
