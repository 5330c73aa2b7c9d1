"""Lines that are shorted together: they read alike, cell by cell, as no two lines do by chance.

Two rows on one node both show the sum of both rows' cells, so that all their currents agree within
noise. Whether two lines could agree by chance is asked of the chip itself: how often do two of its
cells, one of each line, agree, that need not? Where that happens so often that all cells of a line
could, nothing can be told, and that is what is said.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from ohmloop.drivers.units import with_unit

from .conduction import FALSE_ALARMS, Mask
from .finding import Finding, Wrong
from .noise_floor import NoiseFloor
from .survey import Array

_WIRES = 0.005
"""Relative difference that wires of different lengths may make."""
_MARGIN = 1.5
"""Cells differ in their read noise; so much more than the typical one is still noise."""


def lines_together(
    current: Array, good: Mask, floor: NoiseFloor, wrong: Wrong
) -> tuple[list[Finding], str]:
    """Find lines that are one node.

    Args:
        current: mean currents without offset, ``(lines, cells of a line)``, A.
        good: cells that conduct and are not shorted.
        floor: of the meter.
        wrong: ``ROWS_TOGETHER`` or ``COLUMNS_TOGETHER``.

    Returns:
        Findings, one for each group of lines; and why nothing can be told of some lines, or
        nothing. Of ``FALSE_ALARMS`` of sound chips at most, one pair is found.
    """
    lines = current.shape[0]
    known = np.where(good, current, np.nan)
    error = np.where(good, floor.error(current) ** 2 + (_WIRES * current) ** 2, np.nan)
    pairs, unknown = [], 0
    for a in range(lines):
        for b in range(a + 1, lines):
            alike, chance = _compare(known[[a, b]], error[[a, b]])
            if not alike:
                continue
            if chance * lines * (lines - 1) / 2 <= FALSE_ALARMS:
                pairs.append((a, b))
            else:
                unknown += 1
    groups = _groups(pairs)
    found = [_finding(group, known, floor, wrong) for group in groups]
    what = wrong.value.partition(" ")[0]
    why = (
        f"{unknown} pairs of {what} read alike, but so might {what} that are apart: their cells"
        " differ too little from each other, against the noise, to tell"
    )
    return found, why if unknown else ""


def _compare(two: Array, error: Array) -> tuple[bool, float]:
    """Whether two lines agree in all cells, and how likely that would be by chance."""
    both = np.isfinite(two).all(axis=0)
    count = int(both.sum())
    if count < 2:
        return False, 1.0
    a, b = two[:, both]
    error_a, error_b = error[:, both]
    z = _MARGIN * float(stats.norm.isf(FALSE_ALARMS / (2 * count)))
    if (np.abs(a - b) > z * np.sqrt(error_a + error_b)).any():
        return False, 1.0
    agree = np.abs(a[:, None] - b) <= z * np.sqrt(error_a[:, None] + error_b)
    others = agree[~np.eye(count, dtype=bool)]
    share = (float(others.sum()) + 1) / (others.size + 1)
    return True, share**count


def _groups(pairs: list[tuple[int, int]]) -> list[list[int]]:
    groups: list[set[int]] = []
    for pair in pairs:
        joined = set(pair)
        for group in [g for g in groups if g & joined]:
            groups.remove(group)
            joined |= group
        groups.append(joined)
    return sorted(sorted(group) for group in groups)


def _finding(group: list[int], known: Array, floor: NoiseFloor, wrong: Wrong) -> Finding:
    lines = known[group]
    lines = lines[:, np.isfinite(lines).all(axis=0)]
    apart = float(np.sqrt(np.mean((lines - lines.mean(axis=0)) ** 2)))
    spread = float(lines.mean(axis=0).std())
    noise = float(np.median(floor.error(lines)))
    evidence = (
        f"{lines.shape[1]} cells agree to {with_unit(apart, 'A')}, noise is"
        f" {with_unit(noise, 'A')}, cells spread over {with_unit(spread, 'A')}"
    )
    rows = tuple(group) if wrong is Wrong.ROWS_TOGETHER else ()
    return Finding(wrong, rows, () if rows else tuple(group), evidence)
