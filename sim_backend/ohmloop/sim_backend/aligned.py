"""Arrays that start where a cache line does.

Kernels go through cells in registers as wide as a cache line. Where arrays start elsewhere, as
those of numpy do, every load takes two lines, and all of a pulsed update a tenth longer.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE = 64
"""Bytes of a cache line."""


def aligned_zeros(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    """Zeros, which take no time where they are many: memory comes when it is first touched.

    Args:
        shape: of the array.
        kind: of its elements.
    """
    count = prod(shape) * np.dtype(kind).itemsize
    held = np.zeros(count + LINE, np.uint8)
    start = -held.ctypes.data % LINE
    made: NDArray[Any] = held[start : start + count].view(kind).reshape(shape)
    return made


def aligned_copy(values: NDArray[Any]) -> NDArray[Any]:
    """A copy, elements in C order."""
    own = aligned_zeros(values.shape, values.dtype)
    own[...] = values
    return own


def aligned(values: NDArray[Any]) -> NDArray[Any]:
    """The array itself where it is aligned, in C order and may be written to, else a copy."""
    fit = values.flags.c_contiguous and values.flags.writeable
    return values if fit and values.ctypes.data % LINE == 0 else aligned_copy(values)
