"""A rectangle of a crossbar, used as a crossbar: so several tiles share one chip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .clock import Clock
from .crossbar import Crossbar
from .errors import ConfigError
from .pulses import CellPulses, CoincidencePulses, PulseProgram, PulseRuns
from .run_pulses import RunPulses


class Region(Crossbar):
    """Rows and columns of ``parent``, from ``origin`` on.

    Programs are embedded into the parent's lines and go through the parent's guard and journal.
    Products are always made in the host from a read of the region: lines outside it must not
    take part.

    Raises:
        ConfigError: the rectangle is not inside the parent.
    """

    def __init__(self, parent: Crossbar, origin: tuple[int, int], shape: tuple[int, int]) -> None:
        (top, left), (height, width) = origin, shape
        inside = top >= 0 <= left and top + height <= parent.shape[0]
        if not (inside and left + width <= parent.shape[1] and height > 0 < width):
            raise ConfigError(
                parent.name, "", f"no room for {shape} at {origin} in a crossbar of {parent.shape}"
            )
        self.parent, self.origin = parent, origin
        self._rows, self._columns = slice(top, top + height), slice(left, left + width)
        self._seen = -1
        known = parent.characteristics
        super().__init__(
            shape,
            conditions=parent.conditions,
            reading=parent.reading,
            limits=parent.limits,
            capabilities=replace(parent.capabilities, parallel_forward=False, tensors=False),
            characteristics=known.region(self._rows, self._columns) if known else None,
            name=parent.name,
        )

    @property
    def clock(self) -> Clock:
        """Its parent's."""
        return self.parent.clock

    @property
    def wear(self) -> NDArray[np.int64]:
        """Pulses of the region's cells in their life, as the parent counts them."""
        return self.parent.wear[self._rows, self._columns]

    @property
    def pulses_left(self) -> NDArray[np.float64]:
        """As the parent counts them, for what others gave these cells counts as well."""
        return self.parent.pulses_left[self._rows, self._columns]

    def _read(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        return self.parent.read(rows + self.origin[0], columns + self.origin[1])

    def _currents(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float
    ) -> NDArray[np.float64]:
        return self.parent.currents(voltage, rows + self.origin[0], columns + self.origin[1])

    def _pulse(self, program: PulseProgram, sequence: int) -> tuple[int, int]:  # noqa: ARG002
        receipt = self.parent.pulse(self._embed(program))
        return receipt.pulses_applied, receipt.clipped

    def _make_safe(self) -> None:
        self.parent.make_safe()

    def _host_map(self) -> NDArray[np.float64]:
        """Read anew also after pulses that came through the parent or through another region."""
        booked = self._booked(slice(0, self.shape[0]), slice(0, self.shape[1]))
        if booked != self._seen:
            self._map, self._seen = None, booked
        return super()._host_map()

    def _booked(self, rows: slice, columns: slice) -> int:
        top, left = self.origin
        return self.parent._booked(
            slice(top + rows.start, top + rows.stop),
            slice(left + columns.start, left + columns.stop),
        )

    def _embed(self, program: PulseProgram) -> PulseProgram:
        if self.shape == self.parent.shape:
            return program
        embedded = self._embed_arrays(program)
        if isinstance(program, CoincidencePulses) and self.capabilities.coincidence_update:
            return embedded  # nobody will ask for its runs
        return embedded._with_runs(self._embed_runs(program.runs))

    def _embed_arrays(self, program: PulseProgram) -> PulseProgram:
        if isinstance(program, CoincidencePulses):
            return self._embed_trains(program)
        if isinstance(program, RunPulses):
            runs, conditions = self._embed_runs(program.runs), program.conditions
            cells = runs.cells.astype(np.int32)
            return RunPulses(cells, runs.counts, *self.parent.shape, conditions=conditions)
        counts = np.zeros(self.parent.shape, np.int32)
        counts[self._rows, self._columns] = program.counts().sum(axis=0)
        return CellPulses(counts, conditions=program.conditions)

    def _embed_runs(self, runs: PulseRuns) -> PulseRuns:
        """The lowering is known already; only the cells' numbers differ."""
        row, column = np.divmod(runs.cells, self.shape[1])
        top, left = self.origin
        return PulseRuns((row + top) * self.parent.shape[1] + column + left, runs.counts)

    def _embed_trains(self, program: CoincidencePulses) -> CoincidencePulses:
        rows, columns = self.parent.shape
        row_trains = np.zeros((program.batch, rows), np.uint64)
        column_trains = np.zeros((program.batch, columns), np.uint64)
        row_signs = np.ones((program.batch, rows), np.int8)
        column_signs = np.ones((program.batch, columns), np.int8)
        row_trains[:, self._rows] = program.row_trains
        column_trains[:, self._columns] = program.column_trains
        row_signs[:, self._rows] = program.row_signs
        column_signs[:, self._columns] = program.column_signs
        return CoincidencePulses(
            row_trains,
            column_trains,
            row_signs,
            column_signs,
            program.length,
            conditions=program.conditions,
        )
