"""White noise and 1/f noise told apart: ``S(f) = W + A f^-alpha``, by likelihood.

Ordinates of a periodogram are exponential about the spectrum (Whittle, Ark. Mat. 2:423, 1953), so
bands of them are gamma, and with identity link the two amplitudes are a weighted linear regression,
repeated with weights of its own result (Fisher scoring). The exponent is profiled on a grid: once
for each cell, and once for all cells together, whose likelihoods add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma
from scipy.stats import binom

from .periodogram import Bands

Array = NDArray[np.float64]

ALPHAS: Array = np.round(np.arange(0.3, 2.41, 0.05), 2)
"""Exponents that are tried."""
_ONE = int(np.argmin(np.abs(ALPHAS - 1)))
_FALSE = 1e-3
_FIRST, _ROUNDS = 12, 30  # of the regression, on the grid and in the end
_TINY = 1e-300


@dataclass(frozen=True)
class Spectrum:
    """What a fit found; one entry a cell, NaN where a cell could not be fitted.

    Attributes:
        white: density of white noise, relative, 1/Hz.
        white_stderr: its standard error.
        flicker: density of the other part at ``at``, relative, 1/Hz.
        flicker_stderr: its standard error.
        at: the frequency, Hz.
        alpha: exponent that serves all cells; NaN where no cell has 1/f noise.
        alpha_stderr: its standard error.
        cell_alpha: exponent of each cell; NaN where its 1/f noise does not stand out.
        cell_alpha_stderr: its standard error.
        significance: twice the gain in log likelihood by the 1/f part.
        corner: where both parts are equal, Hz; NaN where one is not there.
        corner_stderr: its standard error.
        relative_error: standard error of the total noise over it, from the spectrum.
    """

    white: Array
    white_stderr: Array
    flicker: Array
    flicker_stderr: Array
    at: float
    alpha: float
    alpha_stderr: float
    cell_alpha: Array
    cell_alpha_stderr: Array
    significance: Array
    corner: Array
    corner_stderr: Array
    relative_error: Array

    def density(self, frequency: Array) -> Array:
        """The fit of each cell, ``(frequencies, cells)``, 1/Hz."""
        shape = (frequency / self.at) ** -(1.0 if np.isnan(self.alpha) else self.alpha)
        found: Array = self.white + self.flicker * shape[:, None]
        return found


STANDS_OUT = 9.55
"""Twice the log likelihood that white noise alone gains by a 1/f part in 1 of 1,000 cells: half of
them get 0, the others chi-squared of one degree (Self and Liang, J. Am. Stat. Assoc. 82:605,
1987)."""


def fit_spectrum(bands: Bands) -> Spectrum:
    """Fit all cells.

    Args:
        bands: their spectra.
    """
    usable = np.isfinite(bands.power).all(axis=0) & (bands.power > 0).all(axis=0)
    power, m = bands.power[:, usable], bands.degrees[:, None]
    at = float(np.sqrt(bands.frequency[0] * bands.frequency[-1]))
    shapes = (bands.frequency / at)[:, None] ** -ALPHAS[None]
    fits = [_amplitudes(power, m, shapes[:, [k]], _FIRST) for k in range(ALPHAS.size)]
    scores = np.stack([_score(power, m, w + a * shapes[:, [k]]) for k, (w, a) in enumerate(fits)])
    white_only = _score(power, m, (m * power).sum(axis=0) / m.sum() + 0 * power)
    # Of the exponent only cells speak that have 1/f noise, and only if they are no false alarms.
    chosen = 2 * (scores[_ONE] - white_only) > STANDS_OUT
    pooled = np.where(chosen, scores, 0).sum(axis=1)
    some = bool(chosen.sum() > binom.isf(_FALSE, max(chosen.size, 1), _FALSE))
    alpha, alpha_stderr = _peak(pooled[:, None]) if some else (np.array([np.nan]),) * 2
    shape = (bands.frequency / at)[:, None] ** -(float(alpha[0]) if some else 1.0)
    white, flicker = _amplitudes(power, m, shape)
    gain = 2 * (_score(power, m, white + flicker * shape) - white_only)
    errors, covariance = _errors(white + flicker * shape, m, shape)
    cell_alpha, cell_alpha_stderr = _peak(scores)
    clear = gain > STANDS_OUT
    value = float(alpha[0])
    corner, corner_stderr = _corner(white, flicker, errors, covariance, value, at)
    total = m * (white + flicker * shape)

    def spread(values: Array, where: NDArray[np.bool_] | None = None) -> Array:
        found = np.full(usable.size, np.nan)
        found[usable] = values if where is None else np.where(where, values, np.nan)
        return found

    return Spectrum(
        white=spread(white),
        white_stderr=spread(errors[0]),
        flicker=spread(flicker),
        flicker_stderr=spread(errors[1]),
        at=at,
        alpha=value,
        alpha_stderr=float(alpha_stderr[0]),
        cell_alpha=spread(cell_alpha, clear),
        cell_alpha_stderr=spread(cell_alpha_stderr, clear),
        significance=spread(gain),
        corner=spread(corner, clear),
        corner_stderr=spread(corner_stderr, clear),
        relative_error=spread(
            np.sqrt((total**2 / m).sum(axis=0)) / np.maximum(total.sum(axis=0), _TINY) / 2
        ),
    )


def _amplitudes(power: Array, m: Array, shape: Array, rounds: int = _ROUNDS) -> tuple[Array, Array]:
    """White and other density of each cell, neither below 0."""
    level = (m * power).sum(axis=0) / m.sum()
    white, other = level / 2, (m * power).sum(axis=0) / (m * shape).sum() / 2
    for _ in range(rounds):
        fit = np.maximum(white + other * shape, _TINY)
        w = m / fit**2
        s00, s01, s11 = w.sum(axis=0), (w * shape).sum(axis=0), (w * shape**2).sum(axis=0)
        b0, b1 = (w * power).sum(axis=0), (w * shape * power).sum(axis=0)
        det = np.maximum(s00 * s11 - s01**2, _TINY)
        new_white, new_other = (s11 * b0 - s01 * b1) / det, (s00 * b1 - s01 * b0) / det
        only_white, only_other = new_other < 0, new_white < 0
        new_white = np.where(only_white, b0 / s00, np.where(only_other, 0, new_white))
        new_other = np.where(only_white, 0, np.where(only_other, b1 / s11, new_other))
        # Half a step each time: whole ones may go to and fro.
        white, other = (white + new_white) / 2, (other + new_other) / 2
    # What has been halved all the time was to be 0.
    return np.where(white < level * 1e-6, 0, white), np.where(other < level * 1e-6, 0, other)


def _score(power: Array, m: Array, fit: Array) -> Array:
    fit = np.maximum(fit, _TINY)
    found: Array = -(m * (np.log(fit) + power / fit)).sum(axis=0)
    return found


def _peak(scores: Array) -> tuple[Array, Array]:
    """Where a parabola through the best three grid points has its top, and its width."""
    k = np.clip(scores.argmax(axis=0), 1, ALPHAS.size - 2)
    cell = np.arange(scores.shape[1])
    left, middle, right = (scores[k + i, cell] for i in (-1, 0, 1))
    step = ALPHAS[1] - ALPHAS[0]
    bend = np.maximum(2 * middle - left - right, 1e-12)
    shift = np.clip((right - left) / (2 * bend), -1, 1)
    return ALPHAS[k] + step * shift, step / np.sqrt(bend)


def _errors(fit: Array, m: Array, shape: Array) -> tuple[tuple[Array, Array], Array]:
    """Standard errors of both amplitudes, and their covariance."""
    w = m / np.maximum(fit, _TINY) ** 2
    s00, s01, s11 = w.sum(axis=0), (w * shape).sum(axis=0), (w * shape**2).sum(axis=0)
    det = np.maximum(s00 * s11 - s01**2, _TINY)
    return (np.sqrt(s11 / det), np.sqrt(s00 / det)), -s01 / det


def _corner(
    white: Array,
    flicker: Array,
    errors: tuple[Array, Array],
    covariance: Array,
    alpha: float,
    at: float,
) -> tuple[Array, Array]:
    """``f`` of ``W = A (f/at)^-alpha``; the exponent's own error is left out."""
    both = (white > 0) & (flicker > 0)
    w, a = np.where(both, white, 1), np.where(both, flicker, 1)
    corner = at * (a / w) ** (1 / alpha)
    variance = (errors[0] / w) ** 2 + (errors[1] / a) ** 2 - 2 * covariance / (w * a)
    stderr = corner * np.sqrt(np.maximum(variance, 0)) / alpha
    return np.where(both, corner, np.nan), np.where(both, stderr, np.nan)


def apparent_slope(bands: Bands) -> tuple[Array, Array]:
    """Slope of the whole spectrum on two logarithmic axes, white noise and all, and its error.

    The mean and variance of the logarithm of a gamma variable are digamma and trigamma.

    Returns:
        Slope and standard error, each ``(cells,)``; NaN where a cell has no spectrum.
    """
    m = bands.degrees[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log(bands.power) - digamma(m) + np.log(m)
    x, w = np.log(bands.frequency)[:, None], 1 / polygamma(1, m)
    x = x - (w * x).sum() / w.sum()
    strength = float((w * x**2).sum())
    slope = (w * x * y).sum(axis=0) / strength
    usable = np.isfinite(slope)
    return np.where(usable, slope, np.nan), np.where(usable, strength**-0.5, np.nan)
