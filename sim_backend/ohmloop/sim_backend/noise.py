"""Counter-based device noise: the n-th pulse that a cell ever gets always draws the same number.

Nothing is kept a cell, and noise depends neither on the order in which cells are visited, nor on
batching, nor on restarts. In 32 bits, which vector registers hold eight of, draw n of a cell is::

    key   = mix32(mix32(cell + low(root)) ^ high(root))
    z     = n * STRIDE32
    place = (z ^ (z >> 15)) * M32[0]
    draw  = mix32((key ^ place) + high(root))

``mix32`` is the two-round finaliser of Wellons' hash-prospector with the constants that its list of
best found functions has (16 21f0aaad 15 735a2d97 15; bias 0.11). It is one-to-one, so no two cells
of a stream share a key. ``root``, 64 bits, comes from the seed and the purpose by the finaliser of
SplitMix (Steele, Lea, Flood, OOPSLA 2014, figure 14, constants of Stafford's variant 13), as do the
64 bits of ``bits``.

The 32 bits become a normal number: a sign, and an upper tail probability p = x / 2^32, from which
``s = -log2(2 p)`` and a rational function of it, fitted to the inverse of the normal distribution
function (as Abramowitz and Stegun 26.2.23 do in its square root, which costs more here). The
logarithm is what the pattern of a float is, read as an integer, and a polynomial for what that
misses. It is off by at most 2.5e-5 and ends at 6.3 standard deviations. Single precision and only
operations whose result IEEE 754 fixes to the last bit, in one order: every array library and every
kernel draws the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .arrays import Arrays

PULSE, READ, WRITE, TELEGRAPH, FLICKER, MAP = 1, 2, 3, 4, 5, 6
"""Purposes: streams of different purposes are independent."""

MASK32, MASK64 = (1 << 32) - 1, (1 << 64) - 1
GOLDEN, STRIDE = 0x9E3779B97F4A7C15, 0xD1342543DE82EF95
M1, M2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

STRIDE32 = 0x9E3779B9
M32 = (0x21F0AAAD, 0x735A2D97)
"""Multipliers of ``mix32``."""

LOG = (-2.8003712, 4.0917334, -3.5508204, 1.631165, -0.41656834, 0.04487412)
"""``log2(t) - t`` for t from 1 to 2, coefficients from the constant on."""
TOP = (1.2081364e-05, 0.86830844, 0.5373002, 0.057219693, 0.0008474736)
BOTTOM = (1.0, 0.9623976, 0.19964576, 0.007985118, 2.7986755e-05)
HALVES = 157 << 23
"""The pattern of the float 2^30."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The draws of all cells for one purpose.

    Attributes:
        root: 64 bits, from ``stream``.
    """

    root: int


def stream(seed: int, purpose: int) -> Stream:
    """The draws that belong to a seed.

    Args:
        seed: any integer; its low 64 bits count.
        purpose: ``PULSE``, ``READ``, ``WRITE``, ``TELEGRAPH``, ``FLICKER`` or ``MAP``.
    """
    return Stream(_mix((seed + purpose * GOLDEN) & MASK64))


def normal(source: Stream, cells: Any, draws: Any, arrays: Arrays) -> Any:
    """Standard normal numbers: draw ``draws[i]`` of cell ``cells[i]``, as float32.

    Args:
        source: whose draws.
        cells: int64 indices.
        draws: int64, from 0.
        arrays: the array library.
    """
    drawn = bits32(source, cells, draws)
    pattern = arrays.pattern(arrays.float32(drawn & 0x7FFFFFFF) + 0.5)
    t = arrays.of_pattern((pattern & 0x7FFFFF) | 0x3F800000)
    l0, l1, l2, l3, l4, l5 = LOG
    missed = (l0 + t * l1) + (t * t) * ((l2 + t * l3) + (t * t) * (l4 + t * l5))
    s = arrays.float32(HALVES - pattern) * 2.0**-23 - missed
    n0, n1, n2, n3, n4 = TOP
    d0, d1, d2, d3, d4 = BOTTOM
    above = (n0 + s * n1) + (s * s) * ((n2 + s * n3) + (s * s) * n4)
    size = above / ((d0 + s * d1) + (s * s) * ((d2 + s * d3) + (s * s) * d4))
    return arrays.where(drawn > 0x7FFFFFFF, -size, size)


def bits32(source: Stream, cells: Any, draws: Any) -> Any:
    """32 random bits as int64 from 0: draw ``draws[i]`` of cell ``cells[i]``, int64 both."""
    low, high = source.root & MASK32, source.root >> 32
    key = _mix32(_mix32((cells + low) & MASK32) ^ high)
    z = (draws * STRIDE32) & MASK32
    place = ((z ^ (z >> 15)) * M32[0]) & MASK32
    return _mix32(((key ^ place) + high) & MASK32)


def bits(source: Stream, cells: Any, draws: Any) -> Any:
    """64 random bits as int64: draw ``draws[i]`` (int64, of either sign) of ``cells[i]``."""
    key = _mix_array((cells + 1) * _signed(GOLDEN) + _signed(source.root))
    return _mix_array(key ^ (draws * _signed(STRIDE)))


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * M1) & MASK64
    z = ((z ^ (z >> 27)) * M2) & MASK64
    return z ^ (z >> 31)


def _mix32(z: Any) -> Any:
    """Of int64 from 0 to 2^32 - 1, and so again; products that wrap keep their low half."""
    z = ((z ^ (z >> 16)) * M32[0]) & MASK32
    z = ((z ^ (z >> 15)) * M32[1]) & MASK32
    return z ^ (z >> 15)


def _mix_array(z: Any) -> Any:
    z = (z ^ _shift(z, 30)) * _signed(M1)
    z = (z ^ _shift(z, 27)) * _signed(M2)
    return z ^ _shift(z, 31)


def _shift(z: Any, by: int) -> Any:
    """Logical right shift of int64, whose own shift keeps the sign."""
    return (z >> by) & ((1 << (64 - by)) - 1)


def _signed(constant: int) -> int:
    return constant - (1 << 64) if constant >= 1 << 63 else constant
