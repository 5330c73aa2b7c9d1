"""The evidence for what is wrong with cells, in words and units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ohmloop.drivers.units import with_unit

from .codes import Health
from .measured import Readings
from .outliers import Array, Mask, typical
from .steps import Steps


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured of every cell, each ``(cells,)``.

    Attributes:
        chip: readings.
        found: steps.
        noise: of one reading, S.
        sound: cells that the others are held against.
        times: how many times the typical cell's scatter each has.
        change: over the longest time without pulses, S.
    """

    chip: Readings
    found: Steps
    noise: Array
    sound: Mask
    times: Array
    change: Array

    def __call__(self, code: Health, cells: Mask) -> str:
        """Of some cells ``(rows, columns)`` that have the same trouble."""
        at = np.flatnonzero(cells)
        many = f"typical of {at.size} cells: " if at.size > 1 else ""
        return many + self._of(code, at)

    def _of(self, code: Health, at: np.ndarray) -> str:
        if code is Health.UNREADABLE:
            missing = int((~np.isfinite(self.chip.readings[:, at])).sum(axis=0).max())
            return f"{missing} of {len(self.chip.readings)} readings are missing"
        with np.errstate(invalid="ignore"):
            level = float(np.nanmedian(self.chip.readings[:, at]))
        move, usual = float(np.median(self.found.move[at])), typical(self.found.move, self.sound)
        error = float(np.median(self.found.error[at]))
        step = (
            f"up and down pulses together move it by {with_unit(move, 'S')} +-"
            f" {with_unit(error, 'S')}, sound cells by {with_unit(usual, 'S')}"
        )
        reads = f"reads {with_unit(level, 'S')}"
        if code is Health.NOISY:
            times = float(np.median(self.times[at]))
            noise = with_unit(float(np.median(self.noise[at])), "S")
            much = f"{times:.3g} times the typical scatter; " if times else ""
            return f"{much}noise of a reading {noise}, {reads}"
        if code is Health.DRIFTING:
            return f"changed by {with_unit(float(np.median(self.change[at])), 'S')}, {reads}"
        if code in (Health.OPEN, Health.NOT_CONVERGED):
            return reads
        return f"{reads}; {step}"
