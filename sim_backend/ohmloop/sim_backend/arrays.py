"""The few array operations that the engine needs, on numpy or on torch tensors.

Only operations whose result IEEE 754 fixes to the last bit are used (no ``log``, no ``exp``), so
both give the same conductances, bit for bit.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .aligned import aligned_copy


class Arrays(Protocol):
    """An array library, on one device."""

    def asarray(self, values: NDArray[Any]) -> Any:
        """A copy on the device."""

    def numpy(self, values: Any) -> NDArray[Any]:
        """Back as numpy."""

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """Choose by element."""

    def pattern(self, values: Any) -> Any:
        """The bits of float32 as int64."""

    def of_pattern(self, patterns: Any) -> Any:
        """The float32 of such bits."""

    def float32(self, values: Any) -> Any:
        """To single precision, rounded to the nearest."""

    def float64(self, values: Any) -> Any:
        """To double precision."""

    def int32(self, values: Any) -> Any:
        """To 32-bit integers."""

    def int64(self, values: Any) -> Any:
        """To 64-bit integers."""

    def popcount(self, values: Any) -> Any:
        """Bits set in each int64."""

    def between(self, values: Any, low: Any, high: Any) -> Any:
        """Clip by element."""


class NumpyArrays:
    """Plain numpy."""

    def asarray(self, values: NDArray[Any]) -> NDArray[Any]:
        """A copy."""
        return aligned_copy(values)

    def numpy(self, values: NDArray[Any]) -> NDArray[Any]:
        """The array itself."""
        return values

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """Choose by element."""
        return np.where(condition, yes, no)

    def pattern(self, values: Any) -> Any:
        """Bits as int64."""
        return np.asarray(values).view(np.int32).astype(np.int64)

    def of_pattern(self, patterns: Any) -> Any:
        """Float32 of bits."""
        return np.asarray(patterns).astype(np.int32).view(np.float32)

    def float32(self, values: Any) -> Any:
        """To float32."""
        return np.asarray(values).astype(np.float32)

    def float64(self, values: Any) -> Any:
        """To float64."""
        return np.asarray(values).astype(np.float64)

    def int32(self, values: Any) -> Any:
        """To int32."""
        return np.asarray(values).astype(np.int32)

    def int64(self, values: Any) -> Any:
        """To int64."""
        return np.asarray(values).astype(np.int64)

    def popcount(self, values: Any) -> Any:
        """Bits set."""
        return np.bitwise_count(values.view(np.uint64)).astype(np.int64)

    def between(self, values: Any, low: Any, high: Any) -> Any:
        """Clip."""
        return np.minimum(np.maximum(values, low), high)


class TorchArrays:
    """Torch tensors on ``device``."""

    def __init__(self, device: str = "cpu") -> None:
        import torch

        self._torch, self.device = torch, device

    def asarray(self, values: NDArray[Any]) -> Any:
        """A tensor on the device."""
        return self._torch.tensor(np.array(values), device=self.device)

    def numpy(self, values: Any) -> NDArray[Any]:
        """Back on the host."""
        array: NDArray[Any] = values.detach().cpu().numpy()
        return array

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """Choose by element."""
        return self._torch.where(condition, yes, no)

    def pattern(self, values: Any) -> Any:
        """Bits as int64."""
        return values.view(self._torch.int32).to(self._torch.int64)

    def of_pattern(self, patterns: Any) -> Any:
        """Float32 of bits."""
        return patterns.to(self._torch.int32).view(self._torch.float32)

    def float32(self, values: Any) -> Any:
        """To float32."""
        return values.to(self._torch.float32)

    def float64(self, values: Any) -> Any:
        """To float64."""
        return values.to(self._torch.float64)

    def int32(self, values: Any) -> Any:
        """To int32."""
        return values.to(self._torch.int32)

    def int64(self, values: Any) -> Any:
        """To int64."""
        return values.to(self._torch.int64)

    def popcount(self, values: Any) -> Any:
        """Bits set: torch has no such operation, so neighbours are added up in a word."""
        pairs = values - ((values >> 1) & 0x5555555555555555)
        fours = (pairs & 0x3333333333333333) + ((pairs >> 2) & 0x3333333333333333)
        octets = (fours + (fours >> 4)) & 0x0F0F0F0F0F0F0F0F
        return ((octets * 0x0101010101010101) >> 56) & 0x7F

    def between(self, values: Any, low: Any, high: Any) -> Any:
        """Clip."""
        return self._torch.minimum(self._torch.maximum(values, low), high)
