"""``noise`` compiled: the same bits, one number or a block of them at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numba.core.cpu import CPUTargetOptions

from ohmloop.sim_backend import noise

F = TypeVar("F", bound=Callable[..., Any])

_KERNEL: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
# Both say whether they count: what says nothing does as the first that calls it.
_COUNTS = hasattr(CPUTargetOptions, "_nrt")  # an option of numba's own, which may go
_OWNING: dict[str, Any] = {"_nrt": True} if _COUNTS else {}
_BORROWING: dict[str, Any] = {"_nrt": False} if _COUNTS else {}


def compiled(function: F) -> F:
    """For kernels: no lock, no checks, no liberties with floating point.

    Called from compiled code only: a way in from Python, for each of them, would take a fifth of
    the time that it takes to compile them all.
    """
    made: F = njit(**_KERNEL, **_OWNING)(function)
    return made


def borrowing(function: F) -> F:
    """The same for what makes no arrays: who calls it holds all that it is handed.

    To count holders up and down, one atomic operation each, of two dozen arrays takes as long as a
    round over a small block of cells.
    """
    made: F = njit(**_KERNEL, **_BORROWING)(function)
    return made


def spliced(function: F) -> F:
    """For what is called once a block of cells: put into who calls it, before that is compiled.

    A call, with all that it is handed, would take as long as some of what is done there, and each
    function on the way from Python takes a second to compile with all that it calls.
    """
    made: F = njit(**_KERNEL, inline="always")(function)
    return made


def inlined(function: F) -> F:
    """As ``borrowing``, for the inside of a loop that is to go through several cells at once.

    A call, with all that it is handed, would take longer than what is done there.
    """
    made: F = njit(**_KERNEL, **_BORROWING, forceinline=True)(function)
    return made


_STRIDE, _M1, _M2 = np.uint32(noise.STRIDE32), np.uint32(noise.M32[0]), np.uint32(noise.M32[1])
_S15, _S16, _LOW = np.uint32(15), np.uint32(16), np.uint64(noise.MASK32)
_HIGH = np.uint64(32)
_HALF, _SCALE = np.float32(0.5), np.float32(2.0**-23)
_L0, _L1, _L2, _L3, _L4, _L5 = (np.float32(c) for c in noise.LOG)
_N0, _N1, _N2, _N3, _N4 = (np.float32(c) for c in noise.TOP)
_D0, _D1, _D2, _D3, _D4 = (np.float32(c) for c in noise.BOTTOM)
_SIGN, _REST = np.uint32(0x80000000), np.uint32(0x7FFFFFFF)
_MANTISSA, _UNITY = np.uint32(0x7FFFFF), np.uint32(0x3F800000)
_HALVES = np.int32(noise.HALVES)


@borrowing
def _mix(z: Any) -> Any:
    z = np.uint32(np.uint32(z ^ np.uint32(z >> _S16)) * _M1)
    z = np.uint32(np.uint32(z ^ np.uint32(z >> _S15)) * _M2)
    return np.uint32(z ^ np.uint32(z >> _S15))


@borrowing
def low_of(root: Any) -> Any:
    """The half of a root that a cell's number is added to."""
    return np.uint32(root & _LOW)


@borrowing
def high_of(root: Any) -> Any:
    """The half that keys and draws are mixed with."""
    return np.uint32(root >> _HIGH)


@borrowing
def key_of(low: Any, high: Any, cell: Any) -> Any:
    """What a cell's draws start from; ``cell`` as uint32."""
    return _mix(np.uint32(_mix(np.uint32(cell + low)) ^ high))


@borrowing
def bits_of(high: Any, key: Any, n: Any) -> Any:
    """Draw n as 32 random bits."""
    z = np.uint32(np.uint32(n) * _STRIDE)
    place = np.uint32(np.uint32(z ^ np.uint32(z >> _S15)) * _M1)
    return _mix(np.uint32(np.uint32(key ^ place) + high))


@borrowing
def octaves_of(bits: Any) -> Any:
    """How often the upper tail of 32 random bits goes into a half, as a power of two."""
    pattern = np.float32(np.float32(np.int32(bits & _REST)) + _HALF).view(np.uint32)
    t = np.uint32((pattern & _MANTISSA) | _UNITY).view(np.float32)
    missed = (_L0 + t * _L1) + (t * t) * ((_L2 + t * _L3) + (t * t) * (_L4 + t * _L5))
    return np.float32(np.int32(_HALVES - np.int32(pattern))) * _SCALE - missed


@borrowing
def normal_at(bits: Any, s: Any) -> Any:
    """The normal number of 32 random bits whose tail is ``s`` octaves down."""
    above = (_N0 + s * _N1) + (s * s) * ((_N2 + s * _N3) + (s * s) * _N4)
    size = above / ((_D0 + s * _D1) + (s * s) * ((_D2 + s * _D3) + (s * s) * _D4))
    return np.uint32(np.float32(size).view(np.uint32) ^ (bits & _SIGN)).view(np.float32)


@borrowing
def normal_of(bits: Any) -> Any:
    """The normal number of 32 random bits, float32; see ``noise.normal``."""
    return normal_at(bits, octaves_of(bits))


@spliced
def normals_of(bits: Any, n: Any, out: Any) -> None:
    """The first ``n`` in two short loops: in one long one, operations wait for each other."""
    for i in range(n):
        out[i] = octaves_of(bits[i])
    for i in range(n):
        out[i] = normal_at(bits[i], out[i])


@borrowing
def draw(root: Any, cell: Any, n: Any) -> Any:
    """Draw n of a cell."""
    low, high = low_of(root), high_of(root)
    return normal_of(bits_of(high, key_of(low, high, np.uint32(cell)), n))
