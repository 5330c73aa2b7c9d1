"""What ``packing`` calls, compiled; arguments and results as there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def _kept(function: F) -> F:
    """For functions that call nothing of other files, so that what numba keeps is never stale."""
    made: F = njit(nogil=True, cache=True)(function)
    return made


@_kept
def _largest(values: Any) -> Any:
    """Largest size and the sum of sizes, which is not finite where one is not."""
    most = total = 0.0
    for i in range(values.shape[0]):
        size = abs(values[i])
        most = max(most, size)
        total += size
    return most, total


@_kept
def survey(x: Any, d: Any, lr: Any, dw_min: Any, x_max: Any, d_max: Any, pulses: Any) -> Any:
    """Fills the last three."""
    finite, all_count, wanted = True, True, 0.0
    for b in range(x.shape[0]):
        x_max[b], x_sum = _largest(x[b])
        d_max[b], d_sum = _largest(d[b])
        strongest = lr * x_max[b] * d_max[b]
        pulses[b] = strongest / dw_min
        finite &= np.isfinite(x_sum) and np.isfinite(d_sum)
        all_count &= strongest > 0
        wanted += x_sum * d_sum
    return finite, all_count, lr / dw_min * wanted


@_kept
def gains(
    x_max: Any,
    d_max: Any,
    pulses: Any,
    lr: Any,
    dw_min: Any,
    most: Any,
    balanced: Any,
    managed: Any,
    slots: Any,
    x_gain: Any,
    d_gain: Any,
) -> Any:
    """Fills the last three."""
    length, strongest = 1, 0.0
    for b in range(pulses.shape[0]):
        # Before the cast: an absurd learning rate must not overflow it.
        few = min(max(np.ceil(pulses[b]), 1.0), np.float64(most))
        slots[b] = np.int64(few) if managed else most
        gain = np.sqrt(lr / (dw_min * slots[b]))
        balance = np.sqrt(d_max[b] / x_max[b]) if balanced else 1.0
        x_gain[b], d_gain[b] = gain * balance, gain / balance
        length, strongest = max(length, slots[b]), max(strongest, pulses[b])
    return length, strongest


@_kept
def _pack(
    chances: Any, values: Any, slots: Any, gains: Any, length: Any, trains: Any, signs: Any
) -> Any:
    cut = False
    for b in range(values.shape[0]):
        for line in range(values.shape[1]):
            value, train = values[b, line] * gains[b], np.uint64(0)
            odd, first = abs(value), (b * values.shape[1] + line) * length
            for k in range(slots[b]):
                fires = np.uint64(chances[first + k] < odd)
                train |= fires << np.uint64(k)
            trains[b, line] = train
            signs[b, line] = -1 if value < 0 else 1
            cut |= odd > 1
    return cut


@_kept
def pack(
    chances: Any,
    x: Any,
    d: Any,
    slots: Any,
    x_gain: Any,
    d_gain: Any,
    length: Any,
    columns: Any,
    column_signs: Any,
    rows: Any,
    row_signs: Any,
) -> Any:
    """Fills the last four."""
    cut = _pack(chances[: x.size * length], x, slots, x_gain, length, columns, column_signs)
    cut |= _pack(chances[x.size * length :], d, slots, -d_gain, length, rows, row_signs)
    return cut
