"""Random telegraph noise, cell by cell: is there a trap, what does it take, how long does it stay?

A cell's readings jump between two levels. A hidden Markov chain of two levels is fitted and must
beat two others: white noise, by a margin that white noise itself reaches in fewer than 1 of 1,000
cells (found by simulation, because the fit has more than one way to please noise), and normal noise
with a memory, so that 1/f noise and drift are not taken for a trap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from .two_levels import fit_two_levels, slow_normal

Array = NDArray[np.float64]

LEAST_GAIN = 11.0
"""Log likelihood over white noise from which on two levels are believed."""
LEAST_LEAD = 3.0
"""Log likelihood over normal noise with a memory."""
LEAST_MOVES = 3.0
"""Moves between levels, fewer of which are a step or an accident."""
_GUESSES: Array = np.array([[0.5, 0.2], [0.15, 0.4], [0.85, 0.4], [0.5, 0.02]])
_ROUNDS = 10
_MEMORY: Array = np.array([0.3, 0.6, 0.8, 0.9, 0.96, 0.99])
_SHARE: Array = np.array([0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.999])


@dataclass(frozen=True)
class Traps:
    """What was found; one entry a cell, NaN where there is no trap.

    Attributes:
        found: whether there is one.
        amplitude: share of the upper level that is missing in the lower one.
        amplitude_stderr: its standard error.
        filled: mean time in the lower level, s.
        filled_stderr: its standard error.
        empty: mean time in the upper level, s.
        empty_stderr: its standard error.
        gain: log likelihood over white noise; 0 of cells that look white at first sight.
        lead: log likelihood over normal noise with a memory, likewise.
        low: probability of the lower level at each reading, ``(n, cells)``.
    """

    found: NDArray[np.bool_]
    amplitude: Array
    amplitude_stderr: Array
    filled: Array
    filled_stderr: Array
    empty: Array
    empty_stderr: Array
    gain: Array
    lead: Array
    low: Array


def find_traps(readings: Array, interval: float, starts: NDArray[np.bool_]) -> Traps:
    """Look at every cell.

    Args:
        readings: ``(n, cells)``, S; a cell with one that is no number has no trap.
        interval: between two readings, s.
        starts: True where the readings before and after do not follow one another, ``(n,)``.
    """
    n, cells = readings.shape
    mean, std = readings.mean(axis=0), readings.std(axis=0)
    usable = np.isfinite(mean) & (std > 0)
    series = np.where(usable, readings - mean, 0) / np.where(usable, std, 1)
    odd = usable & not_white(series)
    white = -0.5 * n * (np.log(2 * np.pi) + 1)
    fit, low = np.tile([white, -1, 1, 1, 0.5, 0.5, 0, 0], (cells, 1)), np.zeros((n, cells))
    slow = np.full(cells, white)
    some = np.ascontiguousarray(series[:, odd])
    fits, lows, slows = np.zeros((some.shape[1], 8)), np.zeros(some.shape), np.zeros(some.shape[1])
    fit_two_levels(some, np.sort(some, axis=0), starts, _GUESSES, _ROUNDS, fits, lows)
    slow_normal(some, starts, _MEMORY, _SHARE, slows)
    fit[odd], low[:, odd], slow[odd] = fits, lows, slows
    gain, lead = fit[:, 0] - white, fit[:, 0] - np.maximum(slow, white)
    moves = fit[:, 6] + fit[:, 7]
    found = odd & (gain > LEAST_GAIN) & (lead > LEAST_LEAD) & (moves >= LEAST_MOVES)
    (amplitude, filled, empty), errors = _described(fit, low, mean, std, interval, found)
    return Traps(found, amplitude, errors[0], filled, errors[1], empty, errors[2], gain, lead, low)


def not_white(series: Array) -> NDArray[np.bool_]:
    """Which series are worth a closer look: those that 1 in 10 of white normal noise are like.

    By correlations at lags up to 8 (Ljung and Box, Biometrika 65:297, 1978) or by skewness and
    kurtosis (Jarque and Bera, Econ. Lett. 6:255, 1980), 1 in 20 each.

    Args:
        series: ``(n, cells)``, each of mean 0 and standard deviation 1.
    """
    n = len(series)
    lags = range(1, min(8, n - 1) + 1)
    correlations = [(series[k:] * series[:-k]).sum(axis=0) / n for k in lags]
    together = n * (n + 2) * sum(r**2 / (n - k) for k, r in zip(lags, correlations, strict=True))
    shape = n * ((series**3).mean(axis=0) ** 2 / 6 + ((series**4).mean(axis=0) - 3) ** 2 / 24)
    found: NDArray[np.bool_] = (together > chi2.isf(0.05, len(lags))) | (shape > chi2.isf(0.05, 2))
    return found


def _described(
    fit: Array, low: Array, mean: Array, std: Array, interval: float, found: NDArray[np.bool_]
) -> tuple[list[Array], list[Array]]:
    """Amplitudes, times filled and times empty, and then their errors.

    Chances to move at the next reading become rates of a chain in continuous time: a trap may have
    moved and come back in between.
    """
    _, lower, upper, noise, leave_low, leave_up, downs, ups = fit.T
    top = mean + std * upper
    in_low = np.maximum(low.sum(axis=0), 1)
    in_up = np.maximum(low.shape[0] - in_low, 1)
    error = std * noise * np.sqrt(1 / in_low + 1 / in_up)
    both = np.minimum(leave_low + leave_up, 1 - 1e-6)
    rate = -np.log(1 - both) / interval
    with np.errstate(divide="ignore", invalid="ignore"):
        filled, empty = both / (leave_low * rate), both / (leave_up * rate)
        amplitude = std * (upper - lower) / top
        values = (amplitude, filled, empty)
        errors = (
            error / top,
            filled / np.sqrt(np.maximum(ups, 1)),
            empty / np.sqrt(np.maximum(downs, 1)),
        )
    blank = [[np.where(found, v, np.nan) for v in part] for part in (values, errors)]
    return blank[0], blank[1]
