"""A pulse program that is a list of runs: few cells of many, or ups and downs in an order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .conditions import PulseConditions
from .errors import ProgramError
from .pulses import PulseProgram, PulseRuns, frozen, merged


@dataclass(frozen=True, eq=False)
class RunPulses(PulseProgram):
    """Runs of equal pulses, those of one cell in order of time; other cells get none.

    Attributes:
        cells: int32 ``(runs,)``, ``row * columns + column``, never falling.
        run_counts: int32 ``(runs,)``, signed pulses of each run, positive = up; not 0, and of two
            runs of one cell that follow each other one is up and one is down.
        rows: of the crossbar.
        columns: of the crossbar.
    """

    kind: ClassVar[str] = "runs"
    cells: NDArray[np.int32]
    run_counts: NDArray[np.int32]
    rows: int
    columns: int

    @classmethod
    def of_counts(cls, counts: NDArray[np.int32]) -> Self:
        """Signed pulses a cell, step after step, ``(steps, rows, columns)``; not all of them 0."""
        runs = merged(counts)
        return cls(runs.cells.astype(np.int32), runs.counts, counts.shape[1], counts.shape[2])

    def __post_init__(self) -> None:
        for name in ("rows", "columns"):
            lines = getattr(self, name)
            if not isinstance(lines, int | np.integer) or lines < 1:
                raise ProgramError(f"{name} must be a whole number from 1 on, not {lines!r}")
            object.__setattr__(self, name, int(lines))
        object.__setattr__(self, "cells", frozen(self.cells, np.int32, 1, "cells"))
        object.__setattr__(self, "run_counts", frozen(self.run_counts, np.int32, 1, "run_counts"))
        self._check()

    def _check(self) -> None:
        cells, counts = self.cells, self.run_counts
        if cells.shape != counts.shape:
            raise ProgramError("cells and run_counts differ in length")
        if cells[0] < 0 or cells[-1] >= self.rows * self.columns or (np.diff(cells) < 0).any():
            raise ProgramError(
                f"cells must be from 0 to {self.rows * self.columns - 1} and never fall"
            )
        if not counts.all() or (counts == np.iinfo(np.int32).min).any():
            raise ProgramError("run_counts holds 0 or -2147483648")
        if ((np.diff(cells) == 0) & (np.diff(np.sign(counts)) == 0)).any():
            raise ProgramError("two runs of one cell in the same direction are one run")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns

    @cached_property
    def runs(self) -> PulseRuns:
        """Themselves."""
        return PulseRuns(self.cells.astype(np.int64), self.run_counts)

    @cached_property
    def per_cell(self) -> NDArray[np.int64]:
        """Pulses of each cell, whatever their direction."""
        total = np.zeros(self.rows * self.columns, np.int64)
        np.add.at(total, self.cells, np.abs(self.run_counts.astype(np.int64)))
        return total.reshape(self.shape)

    def counts(self) -> NDArray[np.int32]:
        """``(most runs of a cell, rows, columns)``: first the first run of every cell."""
        order = np.arange(self.cells.size)
        first = np.ones(self.cells.size, bool)
        first[1:] = self.cells[1:] != self.cells[:-1]
        place = order - np.maximum.accumulate(np.where(first, order, 0))
        steps = np.zeros((int(place.max()) + 1, self.rows * self.columns), np.int32)
        steps[place, self.cells] = self.run_counts
        return steps.reshape(-1, *self.shape)

    def duration(self, conditions: PulseConditions) -> float:
        """Sum over all pulses, one cell after the other, s."""
        c = self.conditions or conditions
        ups = int(np.maximum(self.run_counts, 0).sum(dtype=np.int64))
        downs = int(np.maximum(-self.run_counts.astype(np.int64), 0).sum())
        return ups * (c.up.width + c.rest) + downs * (c.down.width + c.rest)

    def _arrays(self) -> Mapping[str, NDArray[Any]]:
        return {"cells": self.cells, "run_counts": self.run_counts}

    def _scalars(self) -> Mapping[str, int]:
        return {"rows": self.rows, "columns": self.columns}
