"""The twin: a crossbar whose cells are device models, opened and used exactly like a chip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import (
    ALL,
    Capabilities,
    Characteristics,
    Crossbar,
    Limits,
    ProgramError,
    PulseConditions,
    PulseProgram,
    PulseShape,
    ReadCondition,
)
from ohmloop.drivers.crossbar import Lines

from .arrays import Arrays, NumpyArrays
from .cell_array import CellArray
from .clock import VirtualClock
from .periphery import Periphery
from .population import Population
from .products import products
from .pulse_strength import PulseStrength

if TYPE_CHECKING:
    from torch import Tensor

    from .periphery.surroundings import Surroundings

NOMINAL = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.5, 1e-3), rest=1e-3)
"""Pulses of a twin that no bench has given any."""
READING = ReadCondition(voltage=0.1)
"""Read of a twin that no bench has given any."""
_FEW = 20
"""Samples of which a product is one pass over the cells."""
_LINE_CYCLE = 0.02  # s, at 50 Hz


class TwinCrossbar(Crossbar):
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
    def device(self) -> str:
        """Where its tensors live, as torch names it."""
        return str(getattr(self.cells.arrays, "device", "cpu"))

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

    def read_tensor(self, rows: Lines = ALL, columns: Lines = ALL) -> Tensor:
        """``read`` as a float64 tensor where the twin lives."""
        return self._tensor(self.read(rows, columns))

    def forward_tensor(self, column_voltages: Tensor, reference: Tensor | None = None) -> Tensor:
        """``forward`` on tensors.

        Args:
            column_voltages: ``(batch, columns)``, V.
            reference: ``(rows, columns)``, S: its product is subtracted digitally. In single
                precision, so is the product, where both can be made at once.

        Returns:
            ``(batch, rows)``, A, float64.
        """
        self._check_tensor(column_voltages, self.shape[1], "column_voltages")
        return self._difference("forward", column_voltages.detach(), reference)

    def backward_tensor(self, row_voltages: Tensor, reference: Tensor | None = None) -> Tensor:
        """``backward`` on tensors: ``(batch, rows)`` V to ``(batch, columns)`` A, likewise."""
        self._check_tensor(row_voltages, self.shape[0], "row_voltages")
        return self._difference("backward", row_voltages.detach(), reference)

    def weigh(
        self,
        way: str,
        values: NDArray[np.float32],
        reference: NDArray[np.float32],
        siemens_per_weight: float,
    ) -> NDArray[np.float32] | None:
        """Products in the numbers of a tile, all in one go.

        Args:
            way: "forward" or "backward".
            values: ``(batch, lines)``; volts are these times the read voltage, by the largest of
                their sample.
            reference: ``(rows, columns)``, S: its product is subtracted digitally.
            siemens_per_weight: what a product of weight 1 is.

        Returns:
            ``(batch, lines)``; None where there are many samples, the twin does not live on the
            host, or cells are noisy, not linear, read one by one or behind a periphery.

        Raises:
            LimitError: values that are not finite, or a read voltage beyond the limits.
            ProgramError: a shape that does not fit.
        """
        if not self._plain:
            return None
        forward = way == "forward"
        out, other = self.shape if forward else self.shape[::-1]
        if values.ndim != 2 or values.shape[1] != other:
            raise ProgramError(f"values must be (batch, {other}), not {values.shape}")
        if not 0 < len(values) <= _FEW or not values.flags.c_contiguous:
            return None
        with self._lock:
            self._let_read()
            seen, found = self.cells.read_all(), np.empty((len(values), out), np.float32)
            volts = self.reading.voltage
            most = _weigh()(values, seen, reference, volts, siemens_per_weight, forward, found)
        self.limits.check_read(most)
        return found

    def _difference(self, way: str, volts: Tensor, reference: Tensor | None) -> Tensor:
        """The product of the cells less that of the reference: one product where both are maps."""
        forward = way == "forward"
        with self._lock:
            if self._around and self.capabilities.parallel_forward:
                currents = self._product(way, volts.double())
            elif self.cells.iv is not None and isinstance(self.cells.arrays, NumpyArrays):
                currents = self._tensor(getattr(self, way)(volts.double().numpy()))
            else:
                seen = self._tensor_map()
                if reference is not None and self.cells.iv is None:
                    seen, driven = (seen - reference).to(reference.dtype), volts.to(reference.dtype)
                    small: Tensor = self._multiplied(driven, seen, forward)
                    return small.double()
                volts = volts.double()
                currents = self._multiplied(volts, seen.double(), forward)
        if reference is not None:
            of_reference = reference.double()
            currents = currents - volts.double() @ (of_reference.T if forward else of_reference)
        found: Tensor = currents
        return found

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

    def _let_read(self) -> None:
        """The time that one reading takes; it is of the end of that."""
        if self._timed:
            self.clock.sleep(self.reading.settle + self.reading.nplc * _LINE_CYCLE)

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

    def _multiplied(self, volts: Any, noisy: Any, forward: bool) -> Any:
        """As the lines do it, or the host, which knows of no current-voltage law."""
        if self.capabilities.parallel_forward:
            return products(self.cells, noisy, volts, forward)
        return volts @ (noisy.T if forward else noisy)

    def _surround(self, periphery: Periphery, seed: int) -> Surroundings:
        from .periphery.surroundings import Surroundings, check_inputs

        check_inputs(periphery, self.limits, self.cells)
        return Surroundings(periphery, self.cells, self.conditions, seed, self.device)

    def _on_host(self, way: str, volts: NDArray[np.float64]) -> NDArray[np.float64]:
        assert self._around is not None
        self._let_read()
        return self._around.on_host(way, volts)

    def _product(self, way: str, volts: Tensor) -> Tensor:
        assert self._around is not None
        self._let_read()
        return self._around.product(way, volts)

    def _all_noisy(self) -> NDArray[np.float64]:
        self._let_read()
        arrays = self.cells.arrays
        noisy: NDArray[np.float64] = arrays.numpy(arrays.float64(self.cells.read_all()))
        return noisy

    def _tensor_map(self) -> Any:
        """The map of a product, on the device: the host's map where the bench has only that."""
        if self.capabilities.parallel_forward:
            self._let_read()
            noisy = self.cells.read_all()
            return self._tensor(noisy) if isinstance(noisy, np.ndarray) else noisy
        return self._tensor(self._host_map())

    def _tensor(self, values: NDArray[np.float64]) -> Tensor:
        tensor: Tensor = _from_numpy(values).to(self.device)
        return tensor

    def _check_tensor(self, volts: Any, lines: int, name: str) -> None:
        if volts.ndim != 2 or volts.shape[1] != lines:
            raise ProgramError(f"{name} must be (batch, {lines}), not {tuple(volts.shape)}")
        if volts.numel():
            on_host = volts.device.type == "cpu" and not volts.requires_grad
            sizes = np.abs(volts.numpy()) if on_host else volts.abs()  # numpy takes half the time
            self.limits.check_read(float(sizes.max()))


@cache
def _weigh() -> Callable[..., float]:
    from .product_kernels import weigh  # compiles, and not every command makes products

    found: Callable[..., float] = weigh
    return found


def _from_numpy(values: NDArray[Any]) -> Tensor:
    import torch  # on demand: it takes a second

    tensor: Tensor = torch.from_numpy(values)
    return tensor
