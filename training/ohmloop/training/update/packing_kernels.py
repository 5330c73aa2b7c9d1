"""What ``packing`` calls, compiled; arguments and results as there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit, types
from numba.extending import overload

F = TypeVar("F", bound=Callable[..., Any])

_M1, _M2 = np.uint32(0x21F0AAAD), np.uint32(0x735A2D97)
_S15, _S16, _TWO = np.uint32(15), np.uint32(16), np.uint32(2)
_LOW, _CERTAIN = np.uint64(2**32 - 1), 2.0**30


def _kept(function: F) -> F:
    """For functions that call nothing of other files, so that what numba keeps is never stale."""
    made: F = njit(nogil=True, cache=True)(function)
    return made


def _reordered(function: F) -> F:
    """Sums in any order, for vector registers."""
    made: F = njit(nogil=True, cache=True, fastmath={"reassoc", "nsz"})(function)
    return made


def _largest(values: Any) -> Any:
    """Largest size; infinite or nan where one is. For compiled code only."""
    raise NotImplementedError


@overload(_largest)  # type: ignore[untyped-decorator]
def _compiled_largest(values: Any) -> Any:
    """Sizes are in the order of their bits, and whole numbers compare in vector registers."""
    single = values.dtype == types.float32
    kind, real = (np.int32, np.float32) if single else (np.int64, np.float64)
    size = kind(np.iinfo(kind).max)

    def largest(values: Any) -> Any:
        patterns, most = values.view(kind), kind(0)
        for i in range(patterns.shape[0]):
            most = kind(max(most, kind(patterns[i] & size)))
        found = kind(most)
        return found.view(real)

    return largest


@_reordered
def _sum(values: Any) -> Any:
    """Of sizes."""
    total = 0.0
    for i in range(values.shape[0]):
        total += abs(values[i])
    return total


@_kept
def survey(x: Any, d: Any, lr: Any, dw_min: Any, x_max: Any, d_max: Any, pulses: Any) -> Any:
    """Fills the last three."""
    finite, all_count, wanted = True, True, 0.0
    for b in range(x.shape[0]):
        x_max[b], x_sum = _largest(x[b]), _sum(x[b])
        d_max[b], d_sum = _largest(d[b]), _sum(d[b])
        strongest = lr * x_max[b] * d_max[b]
        pulses[b] = strongest / dw_min
        finite &= np.isfinite(x_max[b]) and np.isfinite(d_max[b])
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
def _mix(z: Any) -> Any:
    z = np.uint32(np.uint32(z ^ np.uint32(z >> _S16)) * _M1)
    z = np.uint32(np.uint32(z ^ np.uint32(z >> _S15)) * _M2)
    return np.uint32(z ^ np.uint32(z >> _S15))


@_kept
def _slot(first: Any, high: Any, which: Any, odds: Any, k: Any, fires: Any) -> None:
    """Bit ``k`` of ``fires``, for all lines listed at once in vector registers."""
    for e in range(which.shape[0]):
        z = _mix(np.uint32(_mix(np.uint32(first + which[e])) ^ high))
        fires[e] = np.uint32(fires[e] | np.uint32(np.uint32(np.uint32(z >> _TWO) < odds[e]) << k))


@_kept
def _odds(values: Any, gain: Any, which: Any, odds: Any) -> Any:
    """Lists the lines that are not 0, and their odds; returns how many."""
    some, lines = 0, values.shape[0]
    for i in range(lines):
        some += values[i] != 0
        which[i] = np.uint32(i)
    if some == lines:
        for i in range(lines):
            odds[i] = np.uint32(np.int32(min(abs(values[i]) * gain, 1.0) * _CERTAIN))
        return some
    some = 0
    for i in range(lines):
        which[some] = np.uint32(i)
        some += values[i] != 0
    for e in range(some):
        odds[e] = np.uint32(np.int32(min(abs(values[which[e]]) * gain, 1.0) * _CERTAIN))
    return some


@_kept
def _signs(values: Any, flip: Any, signs: Any) -> None:
    for i in range(values.shape[0]):
        signs[i] = -flip if values[i] < 0 else flip


@_kept
def _pack(
    key: Any, start: Any, values: Any, slots: Any, gains: Any, flip: Any, trains: Any, signs: Any
) -> Any:
    """Fills the last two; returns how many draws there were before and now.

    A slot fires where draw n, 30 bits, is below the odds. With the halves of the key the draw is
    ``mix(mix(n + low) ^ high)``; ``mix`` is Wellons' hash-prospector finaliser (bias 0.11). Lines
    that never fire have their numbers too, but are not drawn.
    """
    lines = values.shape[1]
    low, high = np.uint32(key & _LOW), np.uint32(key >> np.uint64(32))
    fires, which = np.empty((2, lines), np.uint32), np.empty(lines, np.uint32)
    odds = np.empty(lines, np.uint32)
    for b in range(values.shape[0]):
        some = _odds(values[b], gains[b], which, odds)
        _signs(values[b], flip, signs[b])
        fires[:, :some] = 0
        for k in range(slots[b]):
            first = np.uint32(low + np.uint32(start))
            _slot(first, high, which[:some], odds, np.uint32(k & 31), fires[k >> 5])
            start += lines
        trains[b] = 0
        for e in range(some):
            both = np.uint64(fires[0, e]) | np.uint64(fires[1, e]) << np.uint64(32)
            trains[b, which[e]] = both
    return start


@_kept
def lost(x: Any, d: Any, slots: Any, x_gain: Any, d_gain: Any) -> Any:
    """Share of an update that lines which should fire in more than all slots cannot give."""
    wanted = kept = 0.0
    for b in range(slots.shape[0]):
        x_all, x_kept = _sums(x[b], x_gain[b])
        d_all, d_kept = _sums(d[b], d_gain[b])
        wanted += slots[b] * x_all * d_all
        kept += slots[b] * x_kept * d_kept
    return 1 - kept / wanted


@_kept
def _sums(values: Any, gain: Any) -> Any:
    """Of odds, and of what can be had of them."""
    every = most = 0.0
    for i in range(values.shape[0]):
        odds = abs(values[i]) * gain
        every += odds
        most += min(odds, 1.0)
    return every, most


@_kept
def draw(
    key: Any,
    x: Any,
    d: Any,
    scale: Any,
    how: Any,
    columns: Any,
    column_signs: Any,
    rows: Any,
    row_signs: Any,
) -> Any:
    """Fills the last four, if all is finite and every sample wants some change."""
    x_max, d_max = np.empty(x.shape[0]), np.empty(x.shape[0])
    pulses, slots = np.empty(x.shape[0]), np.empty(x.shape[0], np.int64)
    finite, all_count, wanted = survey(x, d, scale[0], scale[1], x_max, d_max, pulses)
    if not (finite and all_count):
        return finite, all_count, wanted, 0, 0.0, 0.0
    x_gain, d_gain, cut = np.empty(x.shape[0]), np.empty(x.shape[0]), 0.0
    length, strongest = gains(
        x_max, d_max, pulses, scale[0], scale[1], how[0], how[1], how[2], slots, x_gain, d_gain
    )
    start = _pack(key, np.int64(0), x, slots, x_gain, np.int8(1), columns, column_signs)
    _pack(key, start, d, slots, d_gain, np.int8(-1), rows, row_signs)
    if (x_max * x_gain > 1).any() or (d_max * d_gain > 1).any():
        cut = lost(x, d, slots, x_gain, d_gain)
    return finite, all_count, wanted, length, strongest, cut
