"""The crossbar of a matrix, a pulser and a meter: one cell at a time, each train exactly once.

Every visit to a cell is one message to the matrix, which moves relays and says which are closed,
and one to the source, which sets, marks, triggers and asks. Cells are visited in snake order.
Relays move only between trains, when sources are back at 0 V.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.bench_crossbar import BenchCrossbar
from ohmloop.drivers.characteristics import Characteristics
from ohmloop.drivers.crossbar import log
from ohmloop.drivers.errors import (
    ConfigError,
    InDoubtError,
    InstrumentError,
    LinkError,
    OhmloopError,
    ProgramError,
)
from ohmloop.drivers.pulses import PulseProgram

from .parts import Evidence, Matrix, Meter, Outcome, Part, Pulser, Route
from .snake import snake

_ATTEMPTS = 3  # to play one train, or to read one block


class RoutedCrossbar(BenchCrossbar):
    """See the module.

    Args:
        bench: the bench file.
        name: which crossbar of it.
        matrix: selects cells.
        meter: reads them.
        meter_route: crosspoints that connect it.
        pulser: pulses them; may be the meter itself.
        pulser_route: crosspoints that connect it.
        characteristics: what a calibration says of the cells.

    Raises:
        ConfigError: the pulser cannot play the bench's pulses.
        InstrumentError: an instrument does not answer, or refuses its settings.
    """

    def __init__(
        self,
        bench: Bench,
        name: str,
        matrix: Matrix,
        meter: Meter,
        meter_route: Route,
        pulser: Pulser,
        pulser_route: Route,
        characteristics: Characteristics | None = None,
    ) -> None:
        super().__init__(bench, name, characteristics)
        self.matrix, self.meter, self.pulser = matrix, meter, pulser
        self._meter_route, self._pulser_route = meter_route, pulser_route
        if problem := pulser.refusal(self.conditions):
            raise ConfigError(bench.path, "pulses", problem)
        meter.prepare_meter(self.reading)
        pulser.prepare_pulser(self.conditions)
        matrix.open_all()

    @property
    def messages(self) -> int:
        """Messages sent to all instruments so far."""
        return sum(part.messages for part in self._parts())

    def _parts(self) -> list[Part]:
        """Sources first, which go off first."""
        pulser: Part = self.pulser
        meter: Part = self.meter
        sources = [pulser] if meter is pulser else [pulser, meter]
        return [*sources, self.matrix]

    def _read(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._currents(rows, columns, self.reading.voltage) / self.reading.voltage

    def _currents(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float
    ) -> NDArray[np.float64]:
        current = np.empty((rows.size, columns.size))
        if not current.size:
            return current
        self.meter.prepare_meter(self.reading)
        try:
            for k, row in enumerate(rows.tolist()):
                way = slice(None, None, -1 if k % 2 else 1)
                current[k, way] = self._read_row(row, columns[way].tolist(), voltage)
        finally:
            self.meter.idle()
        return current

    def _read_row(self, row: int, columns: list[int], voltage: float) -> list[float]:
        """Currents of some cells of a row; read again where relays opened in the meantime."""
        matrix, meter, route = self.matrix, self.meter, self._meter_route
        for _ in range(_ATTEMPTS):
            current: list[float] = []
            held = True
            for column in columns:
                # How the relays were before the first cell does not matter.
                held &= matrix.select(route.points(row, column)) or not current
                current.append(meter.measure(voltage))
            if held and matrix.holds():
                return current
        raise InstrumentError(
            self.matrix.name,
            self.matrix.resource,
            f"relays open by themselves while row {row} is read; check the matrix and its power",
        )

    def _pulse(self, program: PulseProgram, sequence: int) -> tuple[int, int]:
        conditions = program.conditions or self.conditions
        if problem := self.pulser.refusal(conditions):
            raise ProgramError(f"{self.name}: {problem}")
        if not program.total_pulses:
            return 0, 0
        self.pulser.prepare_pulser(conditions)
        progress = _Progress(self, sequence, program.total_pulses)
        try:
            for cell, trains in self._visits(program):
                progress.visit(cell, trains)
            progress.end()
        except BaseException:
            self._off_quietly()
            raise
        return progress.applied, progress.clipped

    def _off_quietly(self) -> None:
        """After a failure, on the way out: the output should not stay on."""
        try:
            self.pulser.idle()
        except OhmloopError as error:
            log.error("%s: %s", self.name, error)

    def _visits(self, program: PulseProgram) -> Iterator[tuple[int, list[list[int]]]]:
        """Cells in snake order, each with the trains to play while it is selected.

        Which runs share a train is asked of the pulser, prepared for this program's conditions.
        """
        cells, counts = snake(program.runs, self.shape[1])
        bounds = np.flatnonzero(np.diff(cells)) + 1
        for mine, runs in zip(np.split(cells, bounds), np.split(counts, bounds), strict=True):
            yield int(mine[0]), self._trains(runs.tolist())

    def _trains(self, runs: list[int]) -> list[list[int]]:
        if len(runs) > 1 and self.pulser.mixes(runs):
            return [runs]
        return [[part] for count in runs for part in _parts_of(count, self.pulser.longest)]

    def _make_safe(self) -> None:
        """Sources off first, then relays open; one that fails does not stop the others."""
        failed: list[str] = []
        for part in self._parts():
            try:
                part.make_safe()
            except OhmloopError as error:
                failed.append(str(error))
        if failed:
            raise OhmloopError("; ".join(failed))

    def _close(self) -> None:
        for part in self._parts():
            part.close()


def _parts_of(count: int, longest: int) -> list[int]:
    """``count`` in parts of ``longest`` at most, with its sign."""
    whole, rest = divmod(abs(count), longest)
    sizes = [longest] * whole + [rest] * bool(rest)
    return [size if count > 0 else -size for size in sizes]


class _Progress:
    """One program on its way: what is applied so far, and how to say so when it stops."""

    def __init__(self, crossbar: RoutedCrossbar, sequence: int, total: int) -> None:
        self.crossbar, self.sequence, self.total = crossbar, sequence, total
        self.applied = self.clipped = 0
        self._pulsed = False

    def visit(self, cell: int, trains: list[list[int]]) -> None:
        """Select a cell and play its trains."""
        self._select(cell)
        for train in trains:
            outcome = self._play_once(train)
            if outcome.evidence is not Evidence.WHOLE:
                raise self._in_doubt(cell, train, outcome)
            self.applied += sum(map(abs, train))
            self.clipped += outcome.clipped
            self._pulsed = True

    def end(self) -> None:
        """Sources off; the last cell must still have been connected."""
        matrix, pulser = self.crossbar.matrix, self.crossbar.pulser
        try:
            pulser.idle()
        except InstrumentError as error:
            raise self._stopped(pulser, error.problem, self.applied) from error
        try:
            held = matrix.holds()
        except InstrumentError as error:
            raise self._stopped(matrix, error.problem, self.applied) from error
        if not held:
            raise self._opened()

    def _select(self, cell: int) -> None:
        matrix = self.crossbar.matrix
        row, column = divmod(cell, self.crossbar.shape[1])
        try:
            held = matrix.select(self.crossbar._pulser_route.points(row, column))
        except InstrumentError as error:
            raise self._stopped(matrix, error.problem, self.applied) from error
        if self._pulsed and not held:
            raise self._opened()
        self._pulsed = False

    def _play_once(self, train: list[int]) -> Outcome:
        """Play, and after any doubt ask: never twice what may have been played."""
        pulser = self.crossbar.pulser
        problem = ""
        for _ in range(_ATTEMPTS):
            try:
                return pulser.play(train)
            except LinkError as error:
                problem = error.problem
            outcome = self._ask(train, problem)
            if outcome.evidence is not Evidence.NOTHING:
                return outcome
        raise self._stopped(
            pulser, f"{problem}; not delivered in {_ATTEMPTS} attempts", self.applied
        )

    def _ask(self, train: list[int], problem: str) -> Outcome:
        for _ in range(_ATTEMPTS):
            try:
                outcome = self.crossbar.pulser.after_doubt(train)
            except LinkError as error:
                problem = error.problem
                continue
            return Outcome(
                outcome.evidence, outcome.applied, outcome.clipped, outcome.problem or problem
            )
        return Outcome(Evidence.UNKNOWN, None, 0, problem)

    def _in_doubt(self, cell: int, train: list[int], outcome: Outcome) -> InDoubtError:
        row, column = divmod(cell, self.crossbar.shape[1])
        size = sum(map(abs, train))
        if outcome.applied is None:
            applied, got = None, f"0 to {size}"
        else:
            applied, got = self.applied + outcome.applied, str(outcome.applied)
        problem = (
            f"{outcome.problem or outcome.evidence.value}; cell (row {row}, column {column}) got"
            f" {got} of {size} pulses"
        )
        return self._stopped(self.crossbar.pulser, problem, applied)

    def _opened(self) -> InDoubtError:
        problem = "relays opened by themselves, perhaps before the last cell's pulses were over"
        return self._stopped(self.crossbar.matrix, problem, None)

    def _stopped(self, part: Part, problem: str, applied: int | None) -> InDoubtError:
        return InDoubtError(
            part.name,
            part.resource,
            f"{problem}; program {self.sequence} stopped, {self.applied} of its {self.total} pulses"
            " being sure: read the crossbar again before going on",
            applied,
        )
