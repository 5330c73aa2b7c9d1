"""``noise`` compiled: the same bits, one number or a block of them at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

from ohmloop.sim_backend import noise

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """For kernels: no lock, no checks, no liberties with floating point."""
    made: F = njit(nogil=True, error_model="numpy")(function)
    return made


_GOLDEN, _STRIDE = np.uint64(noise.GOLDEN), np.uint64(noise.STRIDE)
_M1, _M2 = np.uint64(noise.M1), np.uint64(noise.M2)
_S27, _S30, _S31, _S32 = (np.uint64(s) for s in (27, 30, 31, 32))
_ONE, _HALF = np.float32(1), np.float32(0.5)
_L0, _L1, _L2, _L3, _L4, _L5 = (np.float32(c) for c in noise.LN)
_N0, _N1, _N2, _N3, _N4 = (np.float32(c) for c in noise.TOP)
_D0, _D1, _D2, _D3, _D4 = (np.float32(c) for c in noise.BOTTOM)
_LN2 = np.float32(noise.LN2)
_SIGN, _REST = np.uint32(0x80000000), np.uint32(0x7FFFFFFF)
_MANTISSA, _UNITY, _POINT = np.uint32(0x7FFFFF), np.uint32(0x3F800000), np.uint32(23)
_OCTAVES = np.int32(127 + 31)


@compiled
def _mix(z: Any) -> Any:
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@compiled
def key_of(root: Any, cell: Any) -> Any:
    """What a cell's draws start from."""
    return _mix(root + np.uint64(cell + 1) * _GOLDEN)


@compiled
def bits_of(key: Any, n: Any) -> Any:
    """Draw n as 32 random bits."""
    return np.uint32(_mix(key ^ (np.uint64(n) * _STRIDE)) >> _S32)


@compiled
def normal_of(bits: Any) -> Any:
    """The normal number of 32 random bits, float32; see ``noise.normal``."""
    x = np.float32(np.int32(bits & _REST)) + _HALF
    v = np.float32(x).view(np.uint32)
    m = np.uint32((v & _MANTISSA) | _UNITY).view(np.float32) - _ONE
    ln = _L0 + m * (_L1 + m * (_L2 + m * (_L3 + m * (_L4 + m * _L5))))
    s = np.float32(_OCTAVES - np.int32(v >> _POINT)) * _LN2 - ln
    above = _N0 + s * (_N1 + s * (_N2 + s * (_N3 + s * _N4)))
    size = above / (_D0 + s * (_D1 + s * (_D2 + s * (_D3 + s * _D4))))
    return np.uint32(np.float32(size).view(np.uint32) ^ (bits & _SIGN)).view(np.float32)


@compiled
def draw(root: Any, cell: Any, n: Any) -> Any:
    """Draw n of a cell."""
    return normal_of(bits_of(key_of(root, cell), n))
