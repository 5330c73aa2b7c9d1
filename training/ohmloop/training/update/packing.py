"""Draws become bits of pulse trains: compiled, as every slot of every line is looked at."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Lines(NamedTuple):
    """What the lines of one kind do.

    Attributes:
        trains: uint64 ``(batch, lines)``.
        signs: int8 ``(batch, lines)``, of the values; 1 for 0.
        cut: whether any odds are above 1.
    """

    trains: NDArray[np.uint64]
    signs: NDArray[np.int8]
    cut: bool


def packed(
    chances: NDArray[np.float32],
    values: NDArray[np.float64],
    gains: NDArray[np.float64],
    slots: NDArray[np.int64],
) -> Lines:
    """Bit k of a line is set where its chance k is below its odds, and ``k < slots``.

    Args:
        chances: uniform from 0 to 1, ``(batch, lines, slots of the longest)``.
        values: ``(batch, lines)``.
        gains: ``(batch,)``; odds are the size of a value times that of its sample's gain, and a
            negative gain turns signs.
        slots: ``(batch,)``, up to 64.
    """
    trains, signs = np.empty(values.shape, np.uint64), np.empty(values.shape, np.int8)
    cut = _kernels()[0](chances, values, gains, slots, trains, signs)
    return Lines(trains, signs, cut)


def largest(values: NDArray[np.float64], found: NDArray[np.float64]) -> bool:
    """Largest size in every sample of ``(batch, lines)``; returns whether all are finite."""
    finite: bool = _kernels()[1](values, found)
    return finite


@cache
def _kernels() -> tuple[Callable[..., bool], Callable[..., bool]]:
    from numba import njit  # takes its time, and not every command pulses

    compiled = njit(nogil=True, cache=True)
    return compiled(_pack), compiled(_largest)


def _pack(chances: Any, values: Any, gains: Any, slots: Any, trains: Any, signs: Any) -> Any:
    cut = False
    for sample in range(values.shape[0]):
        for line in range(values.shape[1]):
            value, train = values[sample, line] * gains[sample], np.uint64(0)
            odd = abs(value)
            for k in range(slots[sample]):
                fires = np.uint64(chances[sample, line, k] < odd)
                train |= fires << np.uint64(k)
            trains[sample, line] = train
            signs[sample, line] = -1 if value < 0 else 1
            cut |= odd > 1
    return cut


def _largest(values: Any, found: Any) -> Any:
    odd = 0.0
    for sample in range(values.shape[0]):
        most = 0.0
        for line in range(values.shape[1]):
            size = abs(values[sample, line])
            most = max(most, size)
            odd += size * 0.0  # nan, once one is not finite
        found[sample] = most
    return odd == 0.0
