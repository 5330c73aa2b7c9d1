"""Wiring that is not as the bench file says, and cells that do not conduct or always do.

All instruments see the chip through its cells, by row and column of the bench file. So whatever
is wrong between a terminal and the chip is a change of which of the chip's cells lie between two
terminals: none (a line is open), several in parallel (two lines touch), or others than named
(lines are swapped). It holds for every family of instruments, and for reads and pulses alike.

What it leaves out: of two shorted lines that are driven to different voltages at once, the chip
sees both pulses, where real drivers would fight; lines that float carry nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from ohmloop.drivers import PulseRuns
from ohmloop.drivers.units import Siemens, within
from ohmloop.drivers.validation import Record
from ohmloop.sim_backend.arrays import Arrays
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.population import Population
from ohmloop.sim_backend.pulse_strength import Strength

Line = Annotated[int, Field(ge=0, strict=True)]
Pair = Annotated[list[Line], Field(min_length=2, max_length=2)]


class WiringFaults(Record):
    """The ``emulation.faults`` of a bench file; rows and columns count from 0.

    Attributes:
        crossbar: whose chip; the first one's where nothing is said.
        open_rows: rows that lead nowhere.
        open_columns: columns that lead nowhere.
        open_cells: ``[row, column]`` of cells that never conduct.
        shorted_cells: ``[row, column]`` of cells that always do.
        short: conductance of a shorted cell, S.
        shorted_rows: pairs of rows that touch.
        shorted_columns: pairs of columns that touch.
        swapped_rows: pairs of rows that are each wired as the other.
        swapped_columns: pairs of columns that are each wired as the other.
    """

    crossbar: str = ""
    open_rows: list[Line] = Field(default_factory=list)
    open_columns: list[Line] = Field(default_factory=list)
    open_cells: list[Pair] = Field(default_factory=list)
    shorted_cells: list[Pair] = Field(default_factory=list)
    short: Annotated[Siemens, within("S", 1e-9, 1e3)] = 0.1
    shorted_rows: list[Pair] = Field(default_factory=list)
    shorted_columns: list[Pair] = Field(default_factory=list)
    swapped_rows: list[Pair] = Field(default_factory=list)
    swapped_columns: list[Pair] = Field(default_factory=list)

    @field_validator("shorted_rows", "shorted_columns", "swapped_rows", "swapped_columns")
    @classmethod
    def _two_lines(cls, pairs: list[list[int]]) -> list[list[int]]:
        for a, b in pairs:
            if a == b:
                raise ValueError(f"[{a}, {b}] is one line, not two")
        return pairs

    @field_validator("swapped_rows", "swapped_columns")
    @classmethod
    def _swapped_once(cls, pairs: list[list[int]]) -> list[list[int]]:
        lines = [line for pair in pairs for line in pair]
        twice = [line for line in lines if lines.count(line) > 1]
        if twice:
            raise ValueError(f"line {twice[0]} is swapped twice")
        return pairs

    def beyond(self, shape: tuple[int, int]) -> tuple[str, str] | None:
        """The first key, and what is wrong, where a line is not one of ``shape``."""
        rows, columns = shape
        for key, most in (
            ("open_rows", (rows,)),
            ("open_columns", (columns,)),
            ("open_cells", (rows, columns)),
            ("shorted_cells", (rows, columns)),
            ("shorted_rows", (rows, rows)),
            ("shorted_columns", (columns, columns)),
            ("swapped_rows", (rows, rows)),
            ("swapped_columns", (columns, columns)),
        ):
            for entry in getattr(self, key):
                lines = entry if isinstance(entry, list) else [entry]
                if any(line >= end for line, end in zip(lines, most, strict=True)):
                    return key, f"{entry} is beyond a crossbar of {rows} x {columns}"
        return None


class WiredCells(CellArray):
    """A chip behind faulty wiring: addressed as the bench file says, answered as it is wired.

    Args:
        population: the chip's cells.
        seed: of the device noise.
        faults: what is wrong.
        arrays: where the state lives.
        clock: the bench's time.
        read_voltage: at which conductances are what they are said to be, V.
    """

    direct: ClassVar[bool] = False

    def __init__(
        self,
        population: Population,
        seed: int,
        faults: WiringFaults,
        arrays: Arrays | None = None,
        clock: VirtualClock | None = None,
        read_voltage: float = 0.1,
    ) -> None:
        super().__init__(population, seed, arrays, clock=clock, read_voltage=read_voltage)
        rows, columns = self.shape
        row_sets = _reached(rows, faults.open_rows, faults.shorted_rows, faults.swapped_rows)
        column_sets = _reached(
            columns, faults.open_columns, faults.shorted_columns, faults.swapped_columns
        )
        self._behind = [
            [r * columns + c for r in row_set for c in column_set]
            for row_set in row_sets
            for column_set in column_sets
        ]
        self._fixed = np.zeros(rows * columns, bool)
        for cells, conductance in ((faults.open_cells, 0.0), (faults.shorted_cells, faults.short)):
            flat = [row * columns + column for row, column in cells]
            self.g[flat] = conductance
            self._fixed[flat] = True
        if self.effects:
            self.effects.spare(np.flatnonzero(self._fixed).tolist())

    def seen(self, cell: int, voltage: float | None = None) -> float:
        """Conductance between a row's and a column's terminal, S."""
        return sum(super(WiredCells, self).seen(c, voltage) for c in self._behind[cell])

    def read_cell(self, cell: int, voltage: float | None = None) -> float:
        """One reading between two terminals, S."""
        return sum(super(WiredCells, self).read_cell(c, voltage) for c in self._behind[cell])

    def read(self, cells: NDArray[np.intp], voltage: Any = None) -> Any:
        """Readings between terminals, S."""
        behind = [self._behind[cell] for cell in cells.tolist()]
        flat = np.array([c for group in behind for c in group], np.intp)
        owner = np.repeat(np.arange(len(behind)), [len(group) for group in behind])
        seen = np.zeros(len(behind))
        occurrence, each = _occurrences(flat), isinstance(voltage, np.ndarray)
        for again in range(int(occurrence.max(initial=-1)) + 1):
            # A cell that two terminals reach is read for each, with a draw of its own.
            now = occurrence == again
            volts = voltage[owner[now]] if each else voltage
            np.add.at(seen, owner[now], self.arrays.numpy(super().read(flat[now], volts)))
        return self.arrays.asarray(seen)

    def pulse_cell(self, cell: int, up: bool, strength: Strength = 1.0) -> None:
        """One pulse between two terminals."""
        for chip_cell in self._behind[cell]:
            if not self._fixed[chip_cell]:
                super().pulse_cell(chip_cell, up, strength)

    def pulse_train(
        self, cell: int, up: bool, strength: Strength, count: int, size: float, limit: float
    ) -> list[float]:
        """Equal pulses of ``size`` (V) between two terminals, up to the first beyond ``limit`` (A).

        Returns:
            Conductance before each pulse that was given, S.
        """
        before: list[float] = []
        for _ in range(count):
            conductance = self.seen(cell, size if up else -size)
            if size * conductance > limit:
                break
            before.append(conductance)
            self.pulse_cell(cell, up, strength)
        return before

    def apply(self, runs: PulseRuns, up: Strength = 1.0, down: Strength = 1.0) -> int:
        """A lowered program between terminals; returns pulses that reached cells that can move."""
        cells, counts = [], []
        for cell, count in zip(runs.cells.tolist(), runs.counts.tolist(), strict=True):
            for chip_cell in self._behind[cell]:
                if not self._fixed[chip_cell]:
                    cells.append(chip_cell)
                    counts.append(count)
        order = np.argsort(cells, kind="stable")
        chip_runs = PulseRuns(np.array(cells, np.int64)[order], np.array(counts, np.int32)[order])
        return super().apply(chip_runs, up, down)


def _occurrences(cells: NDArray[np.intp]) -> NDArray[np.intp]:
    """How often each entry was there before it."""
    order = np.argsort(cells, kind="stable")
    ranked = cells[order]
    found = np.empty(cells.size, np.intp)
    found[order] = np.arange(cells.size) - np.searchsorted(ranked, ranked)
    return found


def _reached(
    count: int, opened: list[int], shorted: list[list[int]], swapped: list[list[int]]
) -> list[list[int]]:
    """Lines of the chip that each terminal reaches: through a swap, then through what touches.

    A short is at the terminals, an open line between short and chip, so that of two shorted
    terminals one may still be open.
    """
    wired = list(range(count))
    for a, b in swapped:
        wired[a], wired[b] = wired[b], wired[a]
    node = list(range(count))
    for a, b in shorted:
        old, new = node[b], node[a]
        node = [new if n == old else n for n in node]
    reach = [[] if line in opened else [wired[line]] for line in range(count)]
    return [
        [chip for other in range(count) if node[other] == node[line] for chip in reach[other]]
        for line in range(count)
    ]
