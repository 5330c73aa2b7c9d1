"""Rows and columns that are one node, told from the readings of a calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ohmloop.calibration.alike import lines_together
from ohmloop.calibration.finding import Finding, Wrong
from ohmloop.calibration.noise_floor import NoiseFloor

from .measured import Readings
from .outliers import Array, Mask

if TYPE_CHECKING:
    from collections.abc import Iterator


def together(chip: Readings, noise: Array, good: Mask) -> tuple[list[Finding], list[str]]:
    """Find lines that agree in all cells, as no two lines of this chip do by chance.

    Of all maps that were read, the one is taken in which cells differ most: calibrations begin and
    end with cells apart, and those of a chip that was reset first are all alike.

    Args:
        chip: readings.
        noise: of one reading of every cell, S, ``(cells,)``.
        good: cells that conduct.

    Returns:
        Findings; and why nothing can be told of some lines.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.nanstd(np.where(good, chip.readings, np.nan), axis=1)
        relative = noise[good] / np.abs(np.nanmean(chip.readings[:, good], axis=0))
    if good.sum() < 4 or not np.isfinite(spread).any():
        return [], []
    current = chip.readings[int(np.nanargmax(spread))].reshape(chip.shape) * chip.voltage
    share = float(np.median(relative[np.isfinite(relative)])) if relative.size else 0.0
    floor = NoiseFloor(0.0, 0.0, 0.0, share, 1, int(good.sum()), measured=False)
    found, notes = [], []
    for wrong, lines, cells in _both(current, good.reshape(chip.shape)):
        part, note = lines_together(lines, cells & np.isfinite(lines), floor, wrong)
        found += part
        notes += [note] if note else []
    return found, notes


def _both(current: Array, good: Mask) -> Iterator[tuple[Wrong, Array, Mask]]:
    yield Wrong.ROWS_TOGETHER, current, good
    yield Wrong.COLUMNS_TOGETHER, current.T, good.T
