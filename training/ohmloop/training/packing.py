"""Draws become bits of pulse trains: compiled, as every slot of every line is looked at."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(
    chances: NDArray[np.float32], odds: NDArray[np.float64], slots: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Bit k of a line is set where its chance k is below its odds, and ``k < slots``.

    Args:
        chances: uniform from 0 to 1, ``(batch, lines, slots of the longest)``.
        odds: ``(batch, lines)``.
        slots: ``(batch,)``, up to 64.

    Returns:
        uint64 ``(batch, lines)``.
    """
    trains = np.empty(odds.shape, np.uint64)
    _kernel()(chances, odds, slots, trains)
    return trains


@cache
def _kernel() -> Callable[..., None]:
    from numba import njit  # takes its time, and not every command pulses

    made: Callable[..., None] = njit(nogil=True, cache=True)(_pack)
    return made


def _pack(chances: Any, odds: Any, slots: Any, trains: Any) -> None:
    for sample in range(odds.shape[0]):
        for line in range(odds.shape[1]):
            odd, train = odds[sample, line], np.uint64(0)
            for k in range(slots[sample]):
                fires = np.uint64(chances[sample, line, k] < odd)
                train |= fires << np.uint64(k)
            trains[sample, line] = train
