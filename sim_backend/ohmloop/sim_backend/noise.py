"""Counter-based device noise: the n-th pulse that a cell ever gets always draws the same number.

Draw n of a cell is ``mix(key ^ n * STRIDE)`` with ``key = mix(root + (cell + 1) * GOLDEN)`` and
``mix`` the 64-bit finaliser of SplitMix (Steele, Lea, Flood, OOPSLA 2014, figure 14, with the
constants of Stafford's variant 13); ``root`` comes from the seed and the purpose. Nothing is kept
a cell, and noise depends neither on the order in which cells are visited, nor on batching, nor on
restarts.

The upper 32 bits become a normal number: a sign, and an upper tail probability p = x / 2^32, from
which ``-ln(2 p)`` and a rational function of it, fitted to the inverse of the normal distribution
function (as Abramowitz and Stegun 26.2.23 do in its square root, which costs more here). It is off
by at most 2.1e-5 and ends at 6.3 standard deviations. Single precision and only operations whose
result IEEE 754 fixes to the last bit, in one order: every array library and every kernel draws the
same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .arrays import Arrays

PULSE, READ, WRITE, TELEGRAPH, FLICKER = 1, 2, 3, 4, 5
"""Purposes: streams of different purposes are independent."""

MASK64 = (1 << 64) - 1
GOLDEN, STRIDE = 0x9E3779B97F4A7C15, 0xD1342543DE82EF95
M1, M2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

LN = (8.6911505e-06, 0.9992996, -0.4907431, 0.2867065, -0.1332198, 0.031103984)
"""``ln(1 + m)`` for m from 0 to 1, coefficients from the constant on."""
LN2 = 0.6931472
TOP = (1.2109653e-05, 1.2527032, 1.1180028, 0.1716933, 0.003666576)
BOTTOM = (1.0, 1.3881875, 0.415322, 0.02395347, 0.00012104543)


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
        purpose: ``PULSE``, ``READ``, ``WRITE``, ``TELEGRAPH`` or ``FLICKER``.
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
    top = bits(source, cells, draws) >> 32
    x = arrays.float32(top & 0x7FFFFFFF) + 0.5
    half, exponent = arrays.frexp(x)
    m = half * 2.0 - 1.0
    l0, l1, l2, l3, l4, l5 = LN
    ln = l0 + m * (l1 + m * (l2 + m * (l3 + m * (l4 + m * l5))))
    s = arrays.float32(32 - exponent) * LN2 - ln
    n0, n1, n2, n3, n4 = TOP
    d0, d1, d2, d3, d4 = BOTTOM
    above = n0 + s * (n1 + s * (n2 + s * (n3 + s * n4)))
    size = above / (d0 + s * (d1 + s * (d2 + s * (d3 + s * d4))))
    return arrays.where(top < 0, -size, size)


def bits(source: Stream, cells: Any, draws: Any) -> Any:
    """64 random bits as int64: draw ``draws[i]`` (int64, of either sign) of ``cells[i]``."""
    key = _mix_array((cells + 1) * _signed(GOLDEN) + _signed(source.root))
    return _mix_array(key ^ (draws * _signed(STRIDE)))


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * M1) & MASK64
    z = ((z ^ (z >> 27)) * M2) & MASK64
    return z ^ (z >> 31)


def _mix_array(z: Any) -> Any:
    z = (z ^ _shift(z, 30)) * _signed(M1)
    z = (z ^ _shift(z, 27)) * _signed(M2)
    return z ^ _shift(z, 31)


def _shift(z: Any, by: int) -> Any:
    """Logical right shift of int64, whose own shift keeps the sign."""
    return (z >> by) & ((1 << (64 - by)) - 1)


def _signed(constant: int) -> int:
    return constant - (1 << 64) if constant >= 1 << 63 else constant
