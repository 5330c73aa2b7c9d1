"""Products of a tile: numbers as volts on lines, currents as numbers, wherever they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohmloop.drivers import Crossbar

from .driving import driven
from .mapping import Map, Mapping


class TensorCrossbar(Protocol):
    """The verbs of a crossbar that lives in tensors (``capabilities.tensors``)."""

    @property
    def device(self) -> str:
        """Where its tensors live."""

    def read_tensor(self, rows: Any = ..., columns: Any = ...) -> Tensor:
        """``read`` on tensors."""

    def forward_tensor(self, column_voltages: Tensor, reference: Tensor) -> Tensor:
        """``forward`` on tensors, less the product of a reference map, S; in its precision."""

    def backward_tensor(self, row_voltages: Tensor, reference: Tensor) -> Tensor:
        """``backward`` on tensors, less the product of a reference map, S."""

    def weigh(
        self,
        way: str,
        values: NDArray[np.float32],
        reference: NDArray[np.float32],
        siemens_per_weight: float,
    ) -> NDArray[np.float32] | None:
        """What a tile makes of ``forward_tensor`` or ``backward_tensor``, in one go, on the host.

        Optional: a crossbar without it takes the two steps.

        Args:
            way: "forward" or "backward".
            values: ``(batch, lines)``; volts are these by the read voltage and the largest of their
                sample.
            reference: S.
            siemens_per_weight: what a product of weight 1 is.

        Returns:
            ``(batch, lines)``; None where it takes the two steps.
        """


class Products:
    """Products with a crossbar, in the numbers of a mapping.

    Lines are driven with volts, scaled for every sample so that its largest value is the crossbar's
    read voltage (noise management "abs max": Gokmen et al., Front. Neurosci. 11:538, 2017), and the
    product of the reference map is subtracted digitally.

    Args:
        crossbar: the cells.
    """

    def __init__(self, crossbar: Crossbar) -> None:
        self._crossbar = crossbar
        self._device = _device_of(crossbar)
        self._references: dict[torch.dtype, Tensor] = {}
        on_host = crossbar.capabilities.tensors and self._device.type == "cpu"
        self._weigh = getattr(crossbar, "weigh", None) if on_host else None
        self._single: NDArray[np.float32] | None = None

    def of(self, values: Tensor, way: str, mapping: Mapping) -> Tensor:
        """``(batch, lines)`` to ``(batch, other lines)``, in the type and place of ``values``.

        Args:
            values: numbers, not scaled.
            way: "forward" or "backward".
            mapping: what conductances mean; of the same reference until that is forgotten.
        """
        values = values.detach() if values.requires_grad else values
        single = values.dtype == torch.float32
        if single and values.device.type == "cpu":
            found = self.at_once(values.numpy(), way, mapping)
            if found is not None:
                return torch.from_numpy(found)
        by_tensors = single and self._crossbar.capabilities.tensors
        reference = self._reference(mapping, torch.float32 if by_tensors else torch.float64)
        volts, units_per_volt = driven(values.to(self._device), self._crossbar.reading)
        currents = self._currents(way, volts, reference)
        return (currents * (units_per_volt / mapping.siemens_per_weight)).to(values)

    def at_once(
        self, values: NDArray[np.float32], way: str, mapping: Mapping
    ) -> NDArray[np.float32] | None:
        """The same on the host, if the crossbar makes all of it in one go; else None."""
        if self._weigh is None:
            return None
        if self._single is None:
            self._single = self._reference(mapping, torch.float32).numpy()
        found = self._weigh(way, values, self._single, mapping.siemens_per_weight)
        return cast("NDArray[np.float32] | None", found)

    def forget_reference(self) -> None:
        """The mapping has another reference from now on."""
        self._references.clear()
        self._single = None

    def _currents(self, way: str, volts: Tensor, reference: Tensor) -> Tensor:
        """Currents less those that the reference would give."""
        if self._crossbar.capabilities.tensors:
            native: Callable[[Tensor, Tensor], Tensor] = getattr(self._crossbar, f"{way}_tensor")
            return native(volts, reference)
        by_host: Callable[[NDArray[np.float64]], Map] = getattr(self._crossbar, way)
        currents = torch.from_numpy(by_host(volts.numpy()))
        return currents - volts @ (reference.T if way == "forward" else reference)

    def _reference(self, mapping: Mapping, precision: torch.dtype) -> Tensor:
        """The reference map where products are made."""
        if precision not in self._references:
            exact = torch.from_numpy(mapping.reference)
            self._references[precision] = exact.to(self._device, precision)
        return self._references[precision]


def _device_of(crossbar: Crossbar) -> torch.device:
    """Where products are made: where the crossbar lives if that is in tensors, else the host."""
    if not crossbar.capabilities.tensors:
        return torch.device("cpu")
    return torch.device(cast(TensorCrossbar, crossbar).device)
