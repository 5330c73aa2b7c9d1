"""What ``crossings`` counts, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

_ONES, _TWOS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
_FOURS, _SUM = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x0101010101010101)
_1, _2, _4, _56 = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)


def kept(function: F) -> F:
    """Compiled once on a machine."""
    made: F = njit(nogil=True, cache=True)(function)
    return made


@kept
def add(total: Any, rows: Any, columns: Any) -> None:
    """``total`` grows; arguments as of ``add_crossings``."""
    which = np.empty(columns.shape[1], np.int64)
    for b in range(rows.shape[0]):
        some = -1  # no row fires yet, so nobody knows
        for row in range(rows.shape[1]):
            train = rows[b, row]
            if train == 0:
                continue
            if some < 0:
                some = _listed(columns[b], which)
            if 2 * some > columns.shape[1]:
                for column in range(columns.shape[1]):  # side by side, so in vector registers
                    total[row, column] += _bits(train & columns[b, column])
            else:
                for e in range(some):
                    both = train & columns[b, which[e]]
                    if both != 0:
                        total[row, which[e]] += _bits(both)


@kept
def _listed(trains: Any, which: Any) -> Any:
    """Lists the lines that fire; returns how many."""
    some = 0
    for column in range(trains.shape[0]):
        which[some] = column
        some += trains[column] != 0
    return some


@kept
def _bits(x: Any) -> Any:
    """Bits set in 64: neighbours are added up within the word."""
    pairs = x - ((x >> _1) & _ONES)
    fours = (pairs & _TWOS) + ((pairs >> _2) & _TWOS)
    octets = (fours + (fours >> _4)) & _FOURS
    return np.int64((octets * _SUM) >> _56)
