"""Given numbers of pulses as rank-one updates, so that any tile and any limit takes them.

A column is a one-hot input. A cell that gets n pulses fires in the first n of its column's
samples; with trains of a single slot and odds of 1 nothing about it is random.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.training.update.stochastic import PulseSettings

ONE_PULSE = PulseSettings(desired_bl=1, update_management=False, bl_management=False)
"""With rate dw_min, inputs of 1 and errors of -1, 0, 1: exactly one pulse up, none, one down."""


def one_hot(columns: NDArray[np.intp], width: int) -> NDArray[np.float64]:
    """Inputs ``(columns, width)`` that pick one column each."""
    picked = np.zeros((columns.size, width))
    picked[np.arange(columns.size), columns] = 1.0
    return picked


def unary(
    columns: NDArray[np.intp], counts: NDArray[np.int64], width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inputs and errors that give cells so many pulses each, column after column.

    Args:
        columns: which, ``(columns,)``.
        counts: pulses ``(out, columns)``, positive up.
        width: columns in all.

    Returns:
        x ``(samples, width)`` and d ``(samples, out)``; no sample is all 0.
    """
    most = int(np.abs(counts).max(initial=0))
    fires = np.abs(counts.T)[:, None, :] > np.arange(most)[:, None]
    errors = np.where(fires, -np.sign(counts.T)[:, None, :], 0).astype(np.float64)
    used = fires.any(axis=2)
    which, _ = np.nonzero(used)
    return one_hot(columns[which], width), errors[used]
