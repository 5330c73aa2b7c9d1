"""What ``fast`` does before and after a matrix product, in one pass each, compiled for a CPU.

Around a small product a dozen tensor operations cost more than the product; here they are two
calls. Absolute values are compared as the whole numbers that their bits are, which orders them
alike, finds what is not finite, and compiles to vector instructions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from ohmloop.drivers import BadInputError

from .path import SignalPath
from .reference import SMALLEST

_FINITE, _BEYOND, _NOT_FINITE = 0, 1, 2

_FLOATS: dict[Any, Any] = {
    torch.float32: np.dtype(np.float32),
    torch.float64: np.dtype(np.float64),
}
_BITS: dict[Any, Any] = {torch.float32: np.dtype(np.int32), torch.float64: np.dtype(np.int64)}
_MASKS = {bits: np.array([np.iinfo(bits).max], bits) for bits in _BITS.values()}
"""All bits but the sign."""


def usable(path: SignalPath, g: Tensor) -> bool:
    """Whether ``drive`` and ``sense`` do what the path asks for."""
    source, sense_ = path.input, path.output
    return (
        source.range is not None
        and sense_.range is not None
        and g.dtype in _BITS
        and g.device.type == "cpu"
        and path.noise_management.kind != "average-abs-max"
        and source.rounding == sense_.rounding == "nearest"
    )


def drive(path: SignalPath, x: Tensor) -> tuple[Tensor, Tensor, bool]:
    """Driven voltages, the full scale of each sample ``(batch, 1)``, and whether inputs are beyond.

    Raises:
        BadInputError: an input that is no number.
    """
    source, management = path.input, path.noise_management
    fixed = 0.0 if management.kind == "abs-max" else management.full_scale or source.range
    numbers = (fixed, management.most or math.inf, source.range, source.levels or 0, SMALLEST)
    values: Any = x.contiguous().numpy()
    bits, full, volts = _BITS[x.dtype], np.empty(len(values), values.dtype), np.empty_like(values)
    p = np.array(numbers, values.dtype)
    found = _drive(values, values.view(bits), _MASKS[bits], p, full, full.view(bits), volts)
    if found == _NOT_FINITE:
        raise BadInputError("voltages must be finite")
    return torch.from_numpy(volts), torch.from_numpy(full)[:, None], found == _BEYOND


def sense(path: SignalPath, currents: Tensor, full: Tensor) -> Tensor | None:
    """Convert currents and scale them back, in place.

    Returns:
        How many outputs of each sample, ``(batch,)``, saturated; None where none did.
    """
    bits, floats = _BITS[currents.dtype], _FLOATS[currents.dtype]
    p = np.array((path.output.range, path.output.levels or 0, path.input.range), floats)
    values: Any = currents.numpy()
    scales: Any = full.numpy()[:, 0]
    size, over = np.empty(len(values), floats), np.empty(len(values), np.int64)
    found = _sense(values, values.view(bits), _MASKS[bits], p, scales, size, size.view(bits), over)
    return torch.from_numpy(over) if found else None


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _drive(x: Any, bits: Any, mask: Any, p: Any, full: Any, full_bits: Any, volts: Any) -> int:
    fixed, most, limit, levels, smallest = p[0], p[1], p[2], p[3], p[4]
    found = _FINITE
    for b in range(x.shape[0]):
        top = bits[b, 0] & mask[0]
        for j in range(x.shape[1]):
            value = bits[b, j] & mask[0]
            if value > top:
                top = value
        full_bits[b] = top
        size = full[b]
        if not np.isfinite(size):
            return _NOT_FINITE
        if fixed > 0:
            full[b] = fixed
        elif size > most:
            full[b] = most
        if size > full[b]:
            found = _BEYOND
        step = limit / levels if levels > 0 else limit
        unit = full[b] / (levels if levels > 0 else limit)
        if unit < smallest:
            unit = smallest
        if levels > 0:
            for j in range(x.shape[1]):
                code = np.rint(x[b, j] / unit)
                volts[b, j] = min(max(code, -levels), levels) * step
        else:
            for j in range(x.shape[1]):
                volts[b, j] = min(max(x[b, j] / unit, -limit), limit)
    return found


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sense(
    currents: Any,
    bits: Any,
    mask: Any,
    p: Any,
    full: Any,
    size: Any,
    size_bits: Any,
    over: Any,
) -> bool:
    limit, levels, limit_in = p[0], p[1], p[2]
    found = False
    for b in range(currents.shape[0]):
        top = bits[b, 0] & mask[0]
        for j in range(currents.shape[1]):
            value = bits[b, j] & mask[0]
            if value > top:
                top = value
        size_bits[b] = top
        over[b] = 0
        if not size[b] <= limit:
            found = True
            for j in range(currents.shape[1]):
                if not abs(currents[b, j]) <= limit:
                    over[b] += 1
        if levels > 0:
            step = limit / levels
            back = full[b] * (step / limit_in)
            for j in range(currents.shape[1]):
                code = np.rint(currents[b, j] / step)
                currents[b, j] = min(max(code, -levels), levels) * back
        else:
            back = full[b] / limit_in
            for j in range(currents.shape[1]):
                currents[b, j] = min(max(currents[b, j], -limit), limit) * back
    return found
