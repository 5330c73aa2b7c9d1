"""Which cells can be used, and why the others cannot."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESPONSE = 5.0
"""Fewest standard errors between the mean steps of up and down pulses of a cell that responds."""
PRECISION = 0.5
"""Largest relative standard error of ``dg_min``, and of the range, of a cell that is usable."""
OPEN = 0.01
"""A cell that never reads above this share of the chip's median highest reading is open."""


class Health(IntEnum):
    """State of a cell; anything but OK is not usable."""

    OK = 0
    UNREADABLE = 1
    OPEN = 2
    STUCK = 3
    NOT_CONVERGED = 4
    UNCERTAIN = 5

    @property
    def meaning(self) -> str:
        """For people."""
        return _MEANING[self]


_MEANING = {
    Health.OK: "usable",
    Health.UNREADABLE: "a reading is missing or not a number",
    Health.OPEN: "hardly conducts, after any pulses",
    Health.STUCK: "does not respond to pulses above its noise",
    Health.NOT_CONVERGED: "responds, but the fit found no optimum",
    Health.UNCERTAIN: "responds, but too weakly to fit",
}


def screen(readings: Array, pulses: NDArray[np.int32]) -> NDArray[np.int8]:
    """Find cells that cannot be fitted at all, without a model.

    In a cell that responds, readings change by more after up than after down pulses. The change is
    regressed on the state, for each direction, as steps shrink towards a bound; the difference of
    the two lines at the mean state is compared with its standard error.

    Args:
        readings: ``(steps, cells)``, S.
        pulses: signed counts before each, ``(steps, cells)``.

    Returns:
        ``Health`` codes ``(cells,)``: OK, UNREADABLE, OPEN or STUCK.
    """
    readable = np.isfinite(readings).all(axis=0)
    known = np.where(readable, readings, 0.0)
    change, state, count = np.diff(known, axis=0), known[:-1], pulses[1:]
    state = state - state.mean(axis=0)
    up, up_error = _at_mean_state(change, state, count > 0)
    down, down_error = _at_mean_state(change, state, count < 0)
    error = np.sqrt(up_error**2 + down_error**2)
    moves = up - down > RESPONSE * error
    highest = known.max(axis=0)
    typical = np.median(highest[moves]) if moves.any() else np.median(highest)
    codes = np.where(moves, Health.OK, Health.STUCK)
    codes = np.where(highest < OPEN * typical, Health.OPEN, codes)
    return np.where(readable, codes, Health.UNREADABLE).astype(np.int8)


def judge(
    codes: NDArray[np.int8], converged: NDArray[np.bool_], step_error: Array, range_error: Array
) -> NDArray[np.int8]:
    """Add what the fit found to the screening.

    Args:
        codes: of ``screen``.
        converged: whether the fit reached an optimum.
        step_error: relative standard error of ``dg_min``.
        range_error: standard error of the range, relative to the range.
    """
    poor = ~((step_error < PRECISION) & (range_error < PRECISION))  # not-a-number is poor too
    found = np.where(converged, np.where(poor, Health.UNCERTAIN, Health.OK), Health.NOT_CONVERGED)
    return np.where(codes == Health.OK, found, codes).astype(np.int8)


def _at_mean_state(change: Array, state: Array, used: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Line of change against state, over the first axis where used: value at 0, standard error."""
    count = np.maximum(used.sum(axis=0), 3)
    x0 = np.where(used, state, 0.0).sum(axis=0) / count
    y0 = np.where(used, change, 0.0).sum(axis=0) / count
    x, y = np.where(used, state - x0, 0.0), np.where(used, change - y0, 0.0)
    sxx = np.maximum((x**2).sum(axis=0), 1e-300)
    slope = (x * y).sum(axis=0) / sxx
    variance = ((y - slope * x) ** 2).sum(axis=0) / (count - 2)
    return y0 - slope * x0, np.sqrt(variance * (1 / count + x0**2 / sxx))
