"""The verbs of a twin that exist on tensors, and those that a tile makes in one go."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import ALL, Crossbar, ProgramError
from ohmloop.drivers.crossbar import Lines

from .arrays import NumpyArrays
from .cell_array import CellArray
from .products import products

if TYPE_CHECKING:
    from torch import Tensor

    from .periphery.surroundings import Surroundings

_FEW = 20
"""Samples of which a product is one pass over the cells."""
_LINE_CYCLE = 0.02  # s, at 50 Hz


class TensorVerbs(Crossbar):
    """What ``TwinCrossbar`` does on tensors.

    Attributes:
        cells: the cells.
    """

    cells: CellArray
    _around: Surroundings | None
    _plain: bool
    _timed: bool

    @property
    def device(self) -> str:
        """Where its tensors live, as torch names it."""
        return str(getattr(self.cells.arrays, "device", "cpu"))

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

    def _let_read(self) -> None:
        """The time that one reading takes; it is of the end of that."""
        if self._timed:
            self.clock.sleep(self.reading.settle + self.reading.nplc * _LINE_CYCLE)

    def _product(self, way: str, volts: Tensor) -> Tensor:
        assert self._around is not None
        self._let_read()
        return self._around.product(way, volts)

    def _multiplied(self, volts: Any, noisy: Any, forward: bool) -> Any:
        """As the lines do it, or the host, which knows of no current-voltage law."""
        if self.capabilities.parallel_forward:
            return products(self.cells, noisy, volts, forward)
        return volts @ (noisy.T if forward else noisy)

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
