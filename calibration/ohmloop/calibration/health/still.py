"""Noise of readings, from stretches over which nothing is done to a cell.

It is what readings of a stretch leave of their mean, or of a straight line where there are enough
of them for one, so that slow drift is no noise. Differences of successive readings tell less: of 8
readings they are worth 4.9 degrees of freedom, and a line leaves 6 (von Neumann, Ann. Math. Stat.
12:367, 1941).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.spread import robust_std

from .outliers import FEWEST, Array, Mask

_FOR_A_LINE = 6
"""Readings of a stretch from which on it may have a slope."""


_SHARES = np.linspace(0, 0.98, 15)
"""Of noise that goes with the reading; never all of it, as a dark cell is read with some noise."""


class ReadNoise(NamedTuple):
    """Noise of a reading, each ``(cells,)``.

    Attributes:
        std: standard deviation, S; not-a-number where no reading was repeated.
        free: its degrees of freedom.
        level: mean of the readings that it was found in, S.
    """

    std: Array
    free: Array
    level: Array


def read_noise(readings: Array, pulses: NDArray[np.int32], starts: NDArray[np.bool_]) -> ReadNoise:
    """Noise of one reading.

    Args:
        readings: ``(steps, cells)``, S; not-a-number where a cell was not read.
        pulses: before each.
        starts: of trajectories, ``(steps,)``.
    """
    steps, cells = readings.shape
    stretch = np.cumsum((pulses != 0) | starts[:, None], axis=0)
    seen = np.isfinite(readings)
    which = (stretch * cells + np.arange(cells))[seen]
    stretches = int(stretch.max()) + 1

    def total(values: Array) -> Array:
        return np.bincount(which, values, stretches * cells).astype(float)

    count = total(np.ones(which.size))
    some = np.maximum(count, 1)
    at = np.broadcast_to(np.arange(steps, dtype=float)[:, None], readings.shape)
    mean = total(readings[seen]) / some
    x, y = at[seen] - (total(at[seen]) / some)[which], readings[seen] - mean[which]
    xx, xy = total(x * x), total(x * y)
    line = count >= _FOR_A_LINE
    explained = np.where(line, xy**2 / np.maximum(xx, 1e-300), 0.0)
    left = np.maximum(total(y * y) - explained, 0.0).reshape(-1, cells).sum(axis=0)
    each = np.maximum(count - 1 - line, 0)
    free, level = (v.reshape(-1, cells).sum(axis=0) for v in (each, each * np.abs(mean)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return ReadNoise(np.sqrt(left / free), free, level / free)


def beside_usual(noise: ReadNoise, sound: Mask) -> Array:
    """Noise of cells over what sound ones have at the same reading, up to a factor.

    Noise may be the meter's, the same at all readings, or the cells', a share of them, or both: as
    much of each as makes sound cells most alike.
    """
    known = sound & (noise.std > 0) & np.isfinite(noise.level)
    if known.sum() < FEWEST:
        return noise.std
    usual = np.median(noise.level[known])
    tried = [
        noise.std / np.sqrt((1 - share) * usual**2 + share * noise.level**2) for share in _SHARES
    ]
    return min(tried, key=lambda ratio: float(robust_std(np.log(ratio[known]))))
