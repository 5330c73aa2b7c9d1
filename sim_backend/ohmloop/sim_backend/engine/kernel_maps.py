"""Random numbers for maps of cells, compiled: those of ``noise``, draw 0 of each cell."""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernel_noise import bits_of, compiled, high_of, key_of, low_of, normals_of

_BLOCK = 1024
_S8, _UNIT = np.uint32(8), np.float32(2.0**-24)


@compiled
def normals(root: Any, first: Any, out: Any) -> None:
    """Standard normal numbers.

    Args:
        root: of the draws, uint64.
        first: number of the first cell.
        out: float32 ``(n,)``, filled.
    """
    bits = np.empty(_BLOCK, np.uint32)
    for done in range(0, out.shape[0], _BLOCK):
        part = out[done : done + _BLOCK]
        _bits(root, first + done, bits)
        normals_of(bits, part.shape[0], part)


@compiled
def uniforms(root: Any, first: Any, out: Any) -> None:
    """Uniform from 0 to 1, without 1; arguments as of ``normals``."""
    bits = np.empty(_BLOCK, np.uint32)
    for done in range(0, out.shape[0], _BLOCK):
        part = out[done : done + _BLOCK]
        _bits(root, first + done, bits)
        for i in range(part.shape[0]):
            part[i] = np.float32(np.int32(bits[i] >> _S8)) * _UNIT


@compiled
def _bits(root: Any, first: Any, out: Any) -> None:
    low, high = low_of(root), high_of(root)
    for i in range(out.shape[0]):
        out[i] = bits_of(high, key_of(low, high, np.uint32(first + i)), np.int32(0))
