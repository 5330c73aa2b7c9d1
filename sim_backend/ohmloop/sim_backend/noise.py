"""Counter-based device noise: the n-th pulse that a cell ever gets always draws the same number.

Every cell is a SplitMix stream of its own (Steele, Lea, Flood, OOPSLA 2014, figures 13 to 16): a
start and an odd increment derived from (seed, purpose, cell); draw n is ``mix(start + n * gamma)``.
So noise depends neither on the order in which cells are visited, nor on batching, nor on restarts.

Bits become normal numbers by a piecewise cubic inverse of the normal distribution function over
octaves of the tail probability (error below 1e-8 of a standard deviation, tails to 8.2). It uses
multiplication and addition only, so every array library gives the same last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Arrays, NumpyArrays

PULSE, READ = 1, 2
"""Purposes: streams of different purposes are independent."""

_OCTAVES, _SEGMENTS = 53, 16
_GOLDEN = 0x9E3779B97F4A7C15


def _signed(constant: int) -> int:
    return constant - (1 << 64) if constant >= 1 << 63 else constant


_M1, _M2 = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True)
class Streams:
    """One stream a cell: int64 ``start`` and ``gamma``, each ``(cells,)``."""

    start: Any
    gamma: Any

    def on(self, arrays: Arrays) -> Streams:
        """The same on another array library."""
        return Streams(arrays.asarray(self.start), arrays.asarray(self.gamma))


def streams(seed: int, purpose: int, cells: int) -> Streams:
    """Streams for cells 0 to ``cells - 1``.

    Args:
        seed: any integer; its low 64 bits count.
        purpose: ``PULSE`` or ``READ``.
        cells: how many.
    """
    root = _mix_u64(np.uint64((seed + purpose * _GOLDEN) % (1 << 64)))
    index = np.arange(1, cells + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        state = root + index * np.uint64(2) * np.uint64(_GOLDEN)
        start = _mix_u64(state)
        gamma = _mix_gamma(state + np.uint64(_GOLDEN))
    return Streams(start.view(np.int64), gamma.view(np.int64))


def normal(streams: Streams, cells: Any, draws: Any, arrays: Arrays) -> Any:
    """Standard normal numbers: draw ``draws[i]`` of cell ``cells[i]``, as float64.

    Args:
        streams: from ``streams``, on the same array library.
        cells: int64 indices.
        draws: int64, from 0.
        arrays: the array library.
    """
    z = streams.start[cells] + (draws + 1) * streams.gamma[cells]
    z = (z ^ _shift(z, 30)) * _M1
    z = (z ^ _shift(z, 27)) * _M2
    bits = z ^ _shift(z, 31)
    tail = (arrays.float64(_shift(bits, 11) & ((1 << 52) - 1)) + 0.5) * 2.0**-53
    mantissa, exponent = arrays.frexp(tail)
    place = (mantissa - 0.5) * (2.0 * _SEGMENTS)
    segment = arrays.floor_int(place)
    t = place - arrays.float64(segment)
    row = (-1 - exponent) * _SEGMENTS + segment
    c0, c1, c2, c3 = _table(arrays)
    size = c0[row] + t * (c1[row] + t * (c2[row] + t * c3[row]))
    return arrays.where(bits < 0, -size, size)


def _shift(z: Any, by: int) -> Any:
    """Logical right shift of int64, whose own shift keeps the sign."""
    return (z >> by) & ((1 << (64 - by)) - 1)


def _mix_u64(z: Any) -> Any:
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _mix_gamma(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """An odd increment with enough bit changes (the paper's ``mixGamma``)."""
    z = (z ^ (z >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    z = (z ^ (z >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    z = (z ^ (z >> np.uint64(33))) | np.uint64(1)
    poor = np.bitwise_count(z ^ (z >> np.uint64(1))) < 24
    return np.where(poor, z ^ np.uint64(0xAAAAAAAAAAAAAAAA), z)


@cache
def _host_table() -> NDArray[np.float64]:
    """Cubic coefficients ``(4, octaves * segments)`` of the inverse, in the place in a segment."""
    from scipy.special import ndtri

    nodes = 0.5 - 0.5 * np.cos(np.pi * (np.arange(4) + 0.5) / 4)
    octave, segment = np.divmod(np.arange(_OCTAVES * _SEGMENTS), _SEGMENTS)
    mantissa = 0.5 + (segment[:, None] + nodes) / (2 * _SEGMENTS)
    values = -ndtri(np.ldexp(mantissa, -1 - octave[:, None]))
    coefficients = np.linalg.solve(np.vander(nodes, increasing=True), values.T)
    # Rounded to 40 bits, so that the last bits of ndtri do not matter.
    fraction, exponent = np.frexp(coefficients)
    rounded: NDArray[np.float64] = np.ldexp(np.round(fraction * 2.0**40) * 2.0**-40, exponent)
    return rounded


_ON_DEVICE: dict[tuple[type, str], Any] = {}


def _table(arrays: Arrays) -> Any:
    if isinstance(arrays, NumpyArrays):
        return _host_table()
    key = (type(arrays), str(getattr(arrays, "device", "")))
    if key not in _ON_DEVICE:
        _ON_DEVICE[key] = arrays.asarray(_host_table())
    return _ON_DEVICE[key]
