"""The twin: a crossbar whose cells are device models, opened and used exactly like a chip."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import (
    Capabilities,
    Characteristics,
    Limits,
    PulseConditions,
    PulseProgram,
    PulseShape,
    ReadCondition,
)

from .arrays import Arrays, NumpyArrays
from .cell_array import CellArray
from .clock import VirtualClock
from .periphery import Periphery
from .population import Population
from .products import products
from .pulse_strength import PulseStrength
from .twin_tensors import TensorVerbs

if TYPE_CHECKING:
    from .periphery.surroundings import Surroundings

NOMINAL = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.5, 1e-3), rest=1e-3)
"""Pulses of a twin that no bench has given any."""
READING = ReadCondition(voltage=0.1)
"""Read of a twin that no bench has given any."""


class TwinCrossbar(TensorVerbs):
    """A crossbar in software.

    Args:
        population: the cells.
        seed: of the device noise; the same programs on the same seed give the same conductances.
        conditions: the pulses that the population was modelled at.
        reading: how it is read.
        limits: as on the bench it stands for; none by default.
        capabilities: as on the bench it stands for; by default it drives all lines at once.
        characteristics: what is known of the cells; by default the truth.
        arrays: numpy, or torch on a device.
        clock: its time, which pulses and reads let pass where one is given or the cells ask for
            it; nobody waits.
        periphery: converters, noise and wires that products go through, where the twin drives all
            lines at once, and what reads do to cells; nothing by default.
        name: for messages.

    Raises:
        LimitError: the periphery scales inputs up to more than ``limits.read_voltage``.
        BadInputError: there is a periphery, and cells are not linear.
    """

    def __init__(
        self,
        population: Population,
        *,
        seed: int,
        conditions: PulseConditions = NOMINAL,
        reading: ReadCondition = READING,
        limits: Limits | None = None,
        capabilities: Capabilities | None = None,
        characteristics: Characteristics | None = None,
        arrays: Arrays | None = None,
        clock: VirtualClock | None = None,
        periphery: Periphery | None = None,
        name: str = "twin",
    ) -> None:
        can = capabilities or Capabilities(parallel_forward=True, coincidence_update=True)
        super().__init__(
            population.shape,
            conditions=conditions,
            reading=reading,
            limits=limits,
            capabilities=replace(can, tensors=True),
            characteristics=characteristics or population.characteristics(),
            name=name,
        )
        self.cells = CellArray(
            population, seed, arrays, clock=clock, read_voltage=self.reading.voltage
        )
        self._timed = clock is not None or self.cells.timed
        self._strength = PulseStrength.of_chip(conditions, population.effects)
        self._around = self._surround(periphery, seed) if periphery else None
        host = isinstance(self.cells.arrays, NumpyArrays) and self.capabilities.parallel_forward
        self._plain = host and self.cells.quiet and self._around is None

    @property
    def conductance(self) -> NDArray[np.float64]:
        """The true conductances, without read noise, S; no chip can tell these."""
        return self.cells.conductance

    @property
    def clock(self) -> VirtualClock:
        """Its time, which ``wait`` lets pass for nothing: cells drift, traps fill and empty."""
        return self.cells.clock

    def state(self) -> dict[str, NDArray[Any]]:
        """All that changes, by name; ``restore`` takes it back."""
        return self.cells.state() | (self._around.state() if self._around else {})

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go back to a ``state``."""
        self.cells.restore(state)
        if self._around:
            self._around.restore(state)

    def _read(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        # A meter sees a current: so the last bits agree with a bench's.
        return self._measured(rows, columns, self.reading.voltage, self.reading.voltage)

    def _currents(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float
    ) -> NDArray[np.float64]:
        return self._measured(rows, columns, voltage, 1.0)

    def _measured(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float, over: float
    ) -> NDArray[np.float64]:
        """Currents over something, see ``CellArray.currents``."""
        self._let_read()
        measured = self.cells.currents(rows, columns, voltage, over)
        if self._around:
            self._around.note_read(voltage, rows, columns)
        return measured

    def _pulse(self, program: PulseProgram, sequence: int) -> tuple[int, int]:  # noqa: ARG002
        up, down = self._strength.of_conditions(program.conditions)
        if self._timed:
            self.clock.sleep(program.duration(self.conditions))
        applied = self.cells.play(program, up, down)
        if self._around:
            self._around.changed()
        return applied, 0

    def _make_safe(self) -> None:
        """Nothing is ever on."""

    def _forward(self, column_voltages: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._around:
            return self._on_host("forward", column_voltages)
        currents: NDArray[np.float64] = products(
            self.cells, self._all_noisy(), column_voltages, forward=True
        )
        return currents

    def _backward(self, row_voltages: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._around:
            return self._on_host("backward", row_voltages)
        currents: NDArray[np.float64] = products(
            self.cells, self._all_noisy(), row_voltages, forward=False
        )
        return currents

    def _surround(self, periphery: Periphery, seed: int) -> Surroundings:
        from .periphery.surroundings import Surroundings, check_inputs

        check_inputs(periphery, self.limits, self.cells)
        return Surroundings(periphery, self.cells, self.conditions, seed, self.device)

    def _on_host(self, way: str, volts: NDArray[np.float64]) -> NDArray[np.float64]:
        assert self._around is not None
        self._let_read()
        return self._around.on_host(way, volts)

    def _all_noisy(self) -> NDArray[np.float64]:
        self._let_read()
        arrays = self.cells.arrays
        noisy: NDArray[np.float64] = arrays.numpy(arrays.float64(self.cells.read_all()))
        return noisy
