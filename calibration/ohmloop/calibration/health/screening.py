"""Which cells cannot be fitted at all, and what the fit of the others is worth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from .codes import Health
from .criteria import HealthCriteria
from .outliers import Array, Mask, limits, typical
from .steps import Steps

PRECISION = 0.5
"""Largest relative standard error of ``dg_min``, and of the range, of a cell that is usable."""
OPEN = 0.01
"""A cell that never reads above this share of the chip's median highest reading is open, unless
sound cells read as little."""


class Screened(NamedTuple):
    """What screening found.

    Attributes:
        codes: OK, UNREADABLE, OPEN, STUCK or UNCERTAIN of every cell.
        slow: cells that move, but less than the others.
        weak: cells that cannot be told to move, nor to stay.
    """

    codes: NDArray[np.int8]
    slow: Mask
    weak: Mask


def screened(
    readings: Array, found: Steps, criteria: HealthCriteria, seen: float = 0.5
) -> Screened:
    """Find cells that cannot be fitted at all, without a model.

    Two questions are asked of every cell, each wrong for one cell in ``1 / criteria.alpha``
    (Student's t): does it surely move, and does it surely move less than a tenth of what is
    typical? It is stuck where only the second is so. Where neither is, it is stuck if what it moves
    stands out as small among the chip's cells, and else uncertain.

    Args:
        readings: ``(steps, cells)``, S; not-a-number where a cell was not read.
        found: what the cells do in a step.
        criteria: thresholds.
        seen: share of the steps read at all at which a cell must have been read.
    """
    known = np.isfinite(readings)
    ever = known.any(axis=1)
    readable = known[ever].mean(axis=0) >= seen if ever.any() else known.any(axis=0)
    margin = stats.t.isf(criteria.alpha, found.freedom) * found.error
    moves = readable & (found.move > margin)
    usual = typical(found.move, moves)
    with np.errstate(invalid="ignore"):
        hardly = found.move + margin < criteria.still * usual
    slow = found.move < min(limits(found.move, moves, criteria.z)[0], criteria.slow * usual)
    slow &= np.isfinite(found.error)
    codes = np.where(moves, Health.OK, Health.UNCERTAIN)
    codes = np.where(~moves & (hardly | slow | (usual == 0)), Health.STUCK, codes)
    codes = np.where(_open(np.where(known, readings, 0.0), moves & ~hardly), Health.OPEN, codes)
    codes = np.where(readable, codes, Health.UNREADABLE).astype(np.int8)
    slow = (slow | (moves & hardly)) & (codes == Health.OK)
    return Screened(codes, slow, readable & ~moves & ~hardly & (usual > 0))


def judge(
    codes: NDArray[np.int8], converged: NDArray[np.bool_], step_error: Array, range_error: Array
) -> NDArray[np.int8]:
    """Add what the fit found to the screening.

    Args:
        codes: of the screening.
        converged: whether the fit reached an optimum.
        step_error: relative standard error of ``dg_min``.
        range_error: standard error of the range, relative to the range.
    """
    poor = ~((step_error < PRECISION) & (range_error < PRECISION))  # not-a-number is poor too
    found = np.where(converged, np.where(poor, Health.UNCERTAIN, Health.OK), Health.NOT_CONVERGED)
    return np.where(codes == Health.OK, found, codes).astype(np.int8)


def _open(readings: Array, sound: Mask) -> Mask:
    highest = np.abs(readings).max(axis=0)
    usual = np.median(highest[sound]) if sound.any() else np.median(highest)
    faint: Mask = highest < OPEN * usual
    if sound.any():  # where sound cells are as dark as that, an open one cannot be told from them
        faint &= highest < np.quantile(np.abs(readings[:, sound]).min(axis=0), 0.01)
    return faint
