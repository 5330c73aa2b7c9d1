"""Pulses on cells that differ in how they take one, or that have to be formed first.

Whole programs go to the engine within where all cells take them alike; else they go to it cell by
cell, in each cell's order of time, and what forms or breaks a cell is done here. So cells that know
of none of this have the engine within alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import PulseProgram, PulseRuns
from ohmloop.sim_backend.effects import Forming
from ohmloop.sim_backend.pulse_strength import Strength, Stress

from .engine import Engine, Strengths
from .state import CellState

FORMED, PRISTINE, BROKEN = range(3)
"""What a cell may be."""


class StressedEngine:
    """An engine around another one.

    Args:
        within: what moves cells that are formed.
        forming: of each cell; None where all of them are formed.
        shape: rows and columns.

    Attributes:
        stage: ``FORMED``, ``PRISTINE`` or ``BROKEN``, flat; empty where no cell has to be formed.
    """

    def __init__(self, within: Engine, forming: Forming | None, shape: tuple[int, int]) -> None:
        self.within, self.stage = within, np.zeros(0, np.uint8)
        if forming is not None:
            flat = {
                name: np.broadcast_to(getattr(forming, name), shape).ravel()
                for name in ("voltage", "margin", "start", "short")
            }
            self._forms_at, self._start, self._short = (
                flat["voltage"],
                flat["start"],
                flat["short"],
            )
            self._breaks_at = flat["voltage"] + flat["margin"]
            self.stage = np.where(flat["voltage"] > 0, PRISTINE, FORMED).astype(np.uint8)

    def ready(self, state: CellState) -> None:
        """The engine within."""
        self.within.ready(state)

    def program(self, state: CellState, program: PulseProgram, strengths: Strengths) -> int:
        """Apply a program; returns the pulses that had any strength."""
        even = self._even(strengths)
        if even is not None:
            return self.within.program(state, program, even)
        return self._one_by_one(state, program.runs, strengths)

    def runs(self, state: CellState, runs: PulseRuns, strengths: Strengths) -> int:
        """Apply a lowered program; returns the pulses that had any strength."""
        even = self._even(strengths)
        if even is not None:
            return self.within.runs(state, runs, even)
        return self._one_by_one(state, runs, strengths)

    def train(
        self, state: CellState, cell: int, up: bool, strength: Strength, count: int, most: float
    ) -> list[float]:
        """Equal pulses on one cell, up to the first at a conductance above ``most``, S.

        Returns:
            Its conductance before each pulse that was given, S.
        """
        before: list[float] = []
        while len(before) < count and self._special(cell, strength):
            g = float(state.g[cell])
            if g > most:
                return before
            before.append(g)
            self._do_special(state, cell, strength)
        size = strength.of(cell) if isinstance(strength, Stress) else strength
        left = count - len(before)
        return before + self.within.train(state, cell, up, size, left, most) if left else before

    def read(self, state: CellState, cells: Any) -> Any:
        """Readings of ``cells``, S, float64."""
        return self.within.read(state, cells)

    def _even(self, strengths: Strengths) -> tuple[float, float] | None:
        """One number each for up and down, where every cell is to take them as such."""
        if (self.stage != FORMED).any():
            return None
        found = []
        for strength in strengths:
            if isinstance(strength, Stress):
                if strength.forms or strength.strengths.size > 1:
                    return None
                strength = strength.of(0)
            found.append(strength)
        return found[0], found[1]

    def _one_by_one(self, state: CellState, runs: PulseRuns, strengths: Strengths) -> int:
        up, down = strengths
        given = 0
        for cell, count in zip(runs.cells.tolist(), runs.counts.tolist(), strict=True):
            strength = up if count > 0 else down
            own = strength.of(cell) or strength.forms if isinstance(strength, Stress) else strength
            if own:
                given -= int(state.pulses[cell])
                self.train(state, cell, count > 0, strength, abs(count), np.inf)
                given += int(state.pulses[cell])
        return given

    def _special(self, cell: int, strength: Strength) -> bool:
        """Whether the next pulse is not one of the engine within."""
        if not self.stage.size:
            return False
        if self.stage[cell] != FORMED:
            return True
        return self._reaches(cell, strength, self._breaks_at)

    def _reaches(self, cell: int, strength: Strength, voltages: NDArray[np.float32]) -> bool:
        if not isinstance(strength, Stress) or not strength.up or not self._forms_at[cell]:
            return False
        return bool(np.float32(strength.voltage) >= voltages[cell])

    def _do_special(self, state: CellState, cell: int, strength: Strength) -> None:
        """One pulse that forms the cell, breaks it, or does nothing to it."""
        state.pulses[cell] += 1
        if self.stage[cell] == BROKEN:
            return
        if self._reaches(cell, strength, self._breaks_at):
            self.stage[cell] = BROKEN
            state.g[cell] = float(self._short[cell])
        elif self._reaches(cell, strength, self._forms_at):
            self.stage[cell] = FORMED
            low, high = (float(values[cell]) for values in state.parameters[:2])
            state.g[cell] = low + float(self._start[cell]) * (high - low)
