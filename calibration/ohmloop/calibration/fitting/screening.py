"""Cells that cannot be fitted at all, told without a model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.health import Health

from .start import Frame
from .trajectories import Trajectories

RESPONSE = 5.0
"""Fewest standard errors between the mean steps of up and down pulses of a cell that responds."""
OPEN = 0.01
"""A cell that never reads above this share of the chip's median highest reading is open."""


def screen(traj: Trajectories, frame: Frame, parameters: int) -> NDArray[np.int8]:
    """Which cells to fit.

    In a cell that responds, readings change by more after up than after down pulses, by
    ``RESPONSE`` standard errors.

    Args:
        traj: what was measured.
        frame: of its cells.
        parameters: how many a fit has; a cell must have 2 readings more than that.

    Returns:
        ``Health`` codes ``(cells,)``: OK, UNREADABLE, OPEN or STUCK.
    """
    known = np.isfinite(traj.readings)
    read: NDArray[np.bool_] = np.asarray(known.any(axis=1))
    seen = known.sum(axis=0)
    readable = (seen == read.sum()) if read.sum() < 2 * parameters else (seen >= 0.9 * read.sum())
    readable = readable & (seen >= parameters + 2)
    moves = frame.moves > RESPONSE
    highest = frame.low + frame.span
    typical = np.median(highest[moves]) if moves.any() else np.median(highest)
    codes = np.where(moves, Health.OK, Health.STUCK)
    if not traj.signed:
        codes = np.where(highest < OPEN * typical, Health.OPEN, codes)
    return np.where(readable, codes, Health.UNREADABLE).astype(np.int8)
