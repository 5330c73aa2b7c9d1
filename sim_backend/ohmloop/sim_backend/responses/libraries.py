"""One formula for numpy arrays, torch tensors, and scalars that numba compiles."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def weak(xp: Any, value: float) -> Any:
    """A constant that never widens what it meets: float32 stays float32, float64 stays float64.

    Compiled by numba, a Python number is a 64-bit one and would widen float32; a float32 is not and
    does not. So ``value`` has to be a float32: 1, or a power of two.

    Args:
        xp: numpy or torch.
        value: the constant.
    """
    return np.float32(value) if xp is np else float(value)


def nearly_nothing(xp: Any) -> Any:
    """A number to add to what may be 0 and is divided by: so ``0 / 0`` becomes its limit."""
    return weak(xp, 2.0**-100)


def library(*values: Any) -> Any:
    """Torch where a value is a tensor, else numpy."""
    torch = sys.modules.get("torch")
    found = torch is not None and any(isinstance(v, torch.Tensor) for v in values)
    return torch if found else np


def together(*values: Any) -> tuple[Any, tuple[Any, ...]]:
    """The library of ``values`` and all of them as its arrays; Python numbers take their precision.

    Args:
        values: numbers, numpy arrays, or tensors (then of one device).
    """
    xp = library(*values)
    if xp is np:
        sized = [np.asarray(v).dtype for v in values if type(v) not in (int, float)]
        floats = [d for d in sized if d.kind == "f"]
        default = np.result_type(*floats) if floats else np.dtype(np.float64)
        return xp, tuple(
            np.asarray(v, default if type(v) in (int, float) else None) for v in values
        )
    tensors = [v for v in values if isinstance(v, xp.Tensor)]
    real = [v.dtype for v in tensors if v.is_floating_point()] or [xp.float64]
    device = tensors[0].device
    return xp, tuple(
        v
        if isinstance(v, xp.Tensor)
        else xp.as_tensor(v, device=device, dtype=real[0] if type(v) in (int, float) else None)
        for v in values
    )


def plain(values: Any) -> Any:
    """An array without axes as a number of numpy; anything else as it is."""
    return values[()] if isinstance(values, np.ndarray) and not values.ndim else values
