"""What an engine does."""

from __future__ import annotations

from typing import Any, Protocol

from ohmloop.drivers import PulseProgram, PulseRuns

from .state import CellState

Strengths = tuple[Any, Any]
"""Of an up and of a down pulse; 1 at the modelled conditions, 0 leaves cells and noise alone.

Numbers; to a ``StressedEngine`` they may come as ``Stress``.
"""


class Engine(Protocol):
    """Moves and reads the cells of a ``CellState``; all engines to the same bits."""

    def ready(self, state: CellState) -> None:
        """Do now what the first pulse, train or reading would wait for, compiling above all."""

    def program(self, state: CellState, program: PulseProgram, strengths: Strengths) -> int:
        """Apply a program; returns the pulses that had any strength."""

    def runs(self, state: CellState, runs: PulseRuns, strengths: Strengths) -> int:
        """Apply a lowered program; returns the pulses that had any strength."""

    def train(
        self, state: CellState, cell: int, up: bool, strength: Any, count: int, most: float
    ) -> list[float]:
        """Equal pulses on one cell, up to the first at a conductance above ``most``, S.

        Returns:
            Its conductance before each pulse that was given, S.
        """

    def read(self, state: CellState, cells: Any) -> Any:
        """Readings of ``cells``, S, float64; each reading of a cell draws anew."""
