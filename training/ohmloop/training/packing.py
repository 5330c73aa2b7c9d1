"""Draws become bits of pulse trains: compiled, as every slot of every line is looked at."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(
    chances: NDArray[np.float32],
    values: NDArray[np.float64],
    gains: NDArray[np.float64],
    slots: NDArray[np.int64],
) -> NDArray[np.uint64]:
    """Bit k of a line is set where its chance k is below its odds, and ``k < slots``.

    Args:
        chances: uniform from 0 to 1, ``(batch, lines, slots of the longest)``.
        values: ``(batch, lines)``.
        gains: ``(batch,)``; odds are the sizes of values times their sample's gain.
        slots: ``(batch,)``, up to 64.

    Returns:
        uint64 ``(batch, lines)``.
    """
    trains = np.empty(values.shape, np.uint64)
    _kernels()[0](chances, values, gains, slots, trains)
    return trains


def largest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest size in every sample of ``(batch, lines)``; nan where one of it is not finite."""
    found = np.empty(values.shape[0])
    _kernels()[1](values, found)
    return found


@cache
def _kernels() -> tuple[Callable[..., None], Callable[..., None]]:
    from numba import njit  # takes its time, and not every command pulses

    compiled = njit(nogil=True, cache=True)
    return compiled(_pack), compiled(_largest)


def _pack(chances: Any, values: Any, gains: Any, slots: Any, trains: Any) -> None:
    for sample in range(values.shape[0]):
        for line in range(values.shape[1]):
            odd, train = abs(values[sample, line]) * gains[sample], np.uint64(0)
            for k in range(slots[sample]):
                fires = np.uint64(chances[sample, line, k] < odd)
                train |= fires << np.uint64(k)
            trains[sample, line] = train


def _largest(values: Any, found: Any) -> None:
    for sample in range(values.shape[0]):
        most, odd = 0.0, 0.0
        for line in range(values.shape[1]):
            size = abs(values[sample, line])
            most = max(most, size)
            odd += size * 0.0  # nan, if it is not finite
        found[sample] = most + odd
