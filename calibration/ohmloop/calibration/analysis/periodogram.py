"""Power of series of readings over frequency, averaged in bands, for all cells at once.

Readings come at nearly even intervals, with gaps where a measurement was interrupted: each piece
between gaps has a periodogram of its own, and bands average over the pieces (Bartlett, Biometrika
37:1, 1950). A piece is tapered by half a sine, so that its ends do not spill power of slow noise
over all frequencies. An ordinate is exponential about the spectrum, and correlated with its two
neighbours, 1/4 each: m of them, in one band or in several, are worth ``m / (1 + 2/4)`` that are
independent (Percival and Walden, Spectral Analysis for Physical Applications, 1993, chapter 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

Array = NDArray[np.float64]

LEAST = 8
"""Readings that a piece between two gaps must have."""
_GAPS = (3.0, 10.0, 30.0)
"""Median intervals from which on it is a gap: longer ones where otherwise no piece is long enough,
as a busy host reads fast instruments unevenly."""


@dataclass(frozen=True)
class Bands:
    """A spectrum of each cell, averaged in bands that widen with the frequency.

    Attributes:
        frequency: middle of each band, Hz, ``(bands,)``.
        power: one-sided density relative to the mean squared, 1/Hz, ``(bands, cells)``.
        degrees: of freedom of each band, in exponential variables, ``(bands,)``.
        interval: median time between two readings, s.
        readings: that the spectrum is of, over all pieces.
    """

    frequency: Array
    power: Array
    degrees: Array
    interval: float
    readings: int


def pieces(times: Array, starts: NDArray[np.bool_] | None = None) -> list[slice]:
    """Parts of a series without gaps, of at least ``LEAST`` readings each.

    Args:
        times: of the readings, s, ``(n,)``, ascending.
        starts: True where a new series begins, whatever the times, ``(n,)``.

    Raises:
        BadInputError: times that do not ascend, or no part that is long enough.
    """
    steps = np.diff(times)
    if not (np.isfinite(times).all() and (steps > 0).all()):
        raise BadInputError(
            "the times of the readings do not ascend: a clock was set, or has not run; a spectrum"
            " needs the time of every reading"
        )
    longest = 0
    for gap in _GAPS:
        gaps = steps > gap * np.median(steps) if steps.size else np.zeros(0, bool)
        if starts is not None:
            gaps = gaps | starts[1:]
        ends = [0, *(np.flatnonzero(gaps) + 1), len(times)]
        found = [slice(int(a), int(b)) for a, b in pairwise(ends) if b - a >= LEAST]
        if found:
            return found
        longest = int(np.diff(ends).max())
    raise BadInputError(
        f"no {LEAST} readings follow one another without a gap: a spectrum needs more; the"
        f" longest series has {longest}"
    )


def bands(
    readings: Array, times: Array, starts: NDArray[np.bool_] | None = None, per_octave: int = 4
) -> Bands:
    """Spectra of all cells.

    Args:
        readings: ``(n, cells)``, in any unit; a cell with one that is no number has no spectrum.
        times: s, ``(n,)``.
        starts: as for ``pieces``.
        per_octave: bands in a doubling of the frequency.

    Raises:
        BadInputError: as for ``pieces``.
    """
    parts = pieces(times, starts)
    interval = float(np.median(np.concatenate([np.diff(times[part]) for part in parts])))
    found = [_ordinates(readings[part], interval) for part in parts]
    frequency = np.concatenate([f for f, _ in found])
    power = np.concatenate([p for _, p in found])
    return _averaged(frequency, power, interval, sum(p.stop - p.start for p in parts), per_octave)


def _ordinates(series: Array, interval: float) -> tuple[Array, Array]:
    """Frequencies between 0 and Nyquist's, and the density there, one-sided.

    Without the lowest, into which the mean, which is taken away, reaches by the taper.
    """
    n = len(series)
    taper = np.sin(np.pi * (np.arange(n) + 0.5) / n)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = series / series.mean(axis=0) - 1
    relative = relative - (taper * relative).sum(axis=0) / taper.sum()
    transform: Any = np.fft.rfft(np.sqrt(2) * taper * relative, axis=0)
    kept = slice(2, (n + 1) // 2)  # Nyquist's own has half the degrees of freedom
    density = 2 * interval / n * np.abs(transform[kept]) ** 2
    frequency: Array = np.fft.rfftfreq(n, interval)[kept].astype(np.float64)
    return frequency, density


def _averaged(
    frequency: Array, power: Array, interval: float, readings: int, per_octave: int
) -> Bands:
    lowest = frequency.min()
    place = np.floor(np.log2(frequency / lowest) * per_octave + 1e-9).astype(int)
    _, band, counts = np.unique(place, return_inverse=True, return_counts=True)
    sums = np.zeros((counts.size, power.shape[1]))
    np.add.at(sums, band, power)
    middle = np.exp(np.bincount(band, np.log(frequency)) / counts)
    return Bands(middle, sums / counts[:, None], counts / 1.5, interval, readings)
