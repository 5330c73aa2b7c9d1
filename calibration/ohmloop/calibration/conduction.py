"""Which cells and lines do not conduct, always conduct, or cannot be read.

A cell is open where its current cannot be told from no current; the threshold is such that among
all cells that truly are open, one is taken for connected in less than ``FALSE_ALARMS`` of checks.
A conducting cell is never called open by chance, as long as its current is twice the threshold.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.units import with_unit

from .finding import Finding, Wrong
from .noise_floor import NoiseFloor
from .survey import Array, Survey
from .whole_lines import places

FALSE_ALARMS = 1e-3
"""Per check of a whole crossbar, and per kind of finding."""
_AT_LIMIT = 0.98
"""Share of the current limit from which a source is taken to be at it."""

Mask = NDArray[np.bool_]
Evidence = Callable[[Mask], str]


def conduction(survey: Survey, floor: NoiseFloor) -> tuple[list[Finding], Mask]:
    """Find what is open, shorted or unreadable.

    Args:
        survey: the currents.
        floor: of the meter.

    Returns:
        Findings, whole lines before single cells; and which cells are as they should be.
    """
    with np.errstate(invalid="ignore"):
        current = survey.readings.mean(axis=0) - floor.offset
        size = np.abs(current)
        least = floor.least(FALSE_ALARMS / size.size, survey.voltage)
        is_open = size <= least
        at_limit = np.abs(survey.readings).max(axis=0) >= _AT_LIMIT * survey.limit
    unread = ~np.isfinite(current)
    reported = np.zeros_like(unread)
    for cell in survey.reported:
        reported[cell] = unread[cell]
    shorted = at_limit | (unread & ~reported)
    if is_open.all():
        evidence = _open_evidence(size, least, floor)(is_open)
        return [Finding(Wrong.NOTHING_CONDUCTS, (), (), evidence)], ~is_open
    found = _lines(is_open, _OPEN, _open_evidence(size, least, floor))
    found += _lines(shorted, _SHORTED, _short_evidence(survey))
    found += _lines(reported, _UNREADABLE, _short_evidence(survey))
    return found, ~(is_open | shorted | unread)


_OPEN = (Wrong.OPEN_ROW, Wrong.OPEN_COLUMN, Wrong.OPEN_CELL)
_SHORTED = (Wrong.SHORTED_ROW, Wrong.SHORTED_COLUMN, Wrong.SHORTED_CELL)
_UNREADABLE = (Wrong.UNREADABLE_ROW, Wrong.UNREADABLE_COLUMN, Wrong.UNREADABLE_CELL)


def _lines(bad: Mask, kinds: tuple[Wrong, Wrong, Wrong], evidence: Evidence) -> list[Finding]:
    """Whole rows and columns, then the cells left over."""
    found = []
    for (rows, columns), cells in places(bad):
        kind = kinds[2] if rows and columns else kinds[0] if rows else kinds[1]
        found.append(Finding(kind, rows, columns, evidence(cells)))
    return found


def _open_evidence(size: Array, least: float, floor: NoiseFloor) -> Evidence:
    def say(cells: Mask) -> str:
        of = "" if cells.sum() == 1 else f"largest of {cells.sum()} currents "
        measured = "" if floor.measured else " (not measured at 0 V)"
        most = with_unit(float(size[cells].max()), "A")
        return (
            f"{of}{most}, not above {with_unit(least, 'A')};"
            f" noise floor {with_unit(floor.noise, 'A')}{measured}"
        )

    return say


def _short_evidence(survey: Survey) -> Evidence:
    def say(cells: Mask) -> str:
        volts = with_unit(survey.voltage, "V")
        currents = np.abs(survey.readings[:, cells])
        told = [survey.problems[c] for c in map(tuple, np.argwhere(cells)) if c in survey.problems]
        if told:
            return f"no reading at {volts}: {told[0]}"
        return (
            f"{with_unit(float(currents.min()), 'A')} at {volts}, at the current limit of"
            f" {with_unit(survey.limit, 'A')}"
        )

    return say
