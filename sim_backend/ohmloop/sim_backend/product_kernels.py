"""Products of few samples with a map less its reference, compiled: one pass over both maps.

Numbers come and go as a tile has them, as so many operations of an array library on so few numbers
would take longer than the product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

GROUP = 5
"""Samples that share a pass; what is missing is filled up with zeros, so that a sample's product
does not depend on the batch that it is in."""


def _exact(function: F) -> F:
    made: F = njit(nogil=True, cache=True, error_model="numpy")(function)
    return made


def _free(function: F) -> F:
    """Sums may be reordered, for vector registers; nan and infinity stay what they are."""
    fast = {"reassoc", "contract", "nsz"}
    made: F = njit(nogil=True, cache=True, error_model="numpy", fastmath=fast)(function)
    return made


@_free
def by_rows(volts: Any, seen: Any, reference: Any, out: Any) -> None:
    """``out = volts (seen - reference)^T``.

    Args:
        volts: float32 ``(batch, columns)``, the batch a multiple of ``GROUP``.
        seen: float32 ``(rows, columns)``.
        reference: likewise.
        out: float32 ``(batch, rows)``, filled.
    """
    zero, rows = np.float32(0), seen.shape[0]
    for i in range(0, rows, 2):  # two at a time, so that volts are loaded half as often
        k = min(i + 1, rows - 1)
        g, less, h, under = seen[i], reference[i], seen[k], reference[k]
        for b in range(0, volts.shape[0], GROUP):
            v0, v1, v2, v3, v4 = volts[b], volts[b + 1], volts[b + 2], volts[b + 3], volts[b + 4]
            y0, y1, y2, y3, y4 = zero, zero, zero, zero, zero
            z0, z1, z2, z3, z4 = zero, zero, zero, zero, zero
            for j in range(g.shape[0]):
                w, u = g[j] - less[j], h[j] - under[j]
                y0 += w * v0[j]
                y1 += w * v1[j]
                y2 += w * v2[j]
                y3 += w * v3[j]
                y4 += w * v4[j]
                z0 += u * v0[j]
                z1 += u * v1[j]
                z2 += u * v2[j]
                z3 += u * v3[j]
                z4 += u * v4[j]
            out[b, i], out[b + 1, i], out[b + 2, i] = y0, y1, y2
            out[b + 3, i], out[b + 4, i] = y3, y4
            out[b, k], out[b + 1, k], out[b + 2, k] = z0, z1, z2
            out[b + 3, k], out[b + 4, k] = z3, z4


@_free
def by_columns(volts: Any, seen: Any, reference: Any, out: Any) -> None:
    """``out = volts (seen - reference)``; ``volts (batch, rows)`` to ``out (batch, columns)``."""
    out.fill(0)
    rows = seen.shape[0]
    for i in range(0, rows, 2):
        k, last = min(i + 1, rows - 1), np.float32(i + 1 < rows)
        g, less, h, under = seen[i], reference[i], seen[k], reference[k]
        for b in range(0, volts.shape[0], GROUP):
            v0, v1, v2 = volts[b, i], volts[b + 1, i], volts[b + 2, i]
            v3, v4 = volts[b + 3, i], volts[b + 4, i]
            t0, t1, t2 = volts[b, k] * last, volts[b + 1, k] * last, volts[b + 2, k] * last
            t3, t4 = volts[b + 3, k] * last, volts[b + 4, k] * last
            y0, y1, y2, y3, y4 = out[b], out[b + 1], out[b + 2], out[b + 3], out[b + 4]
            for j in range(g.shape[0]):
                w, u = g[j] - less[j], h[j] - under[j]
                y0[j] += w * v0 + u * t0
                y1[j] += w * v1 + u * t1
                y2[j] += w * v2 + u * t2
                y3[j] += w * v3 + u * t3
                y4[j] += w * v4 + u * t4


@_exact
def weigh(
    values: Any,
    seen: Any,
    reference: Any,
    read_voltage: Any,
    siemens_per_weight: Any,
    forward: Any,
    out: Any,
) -> Any:
    """The products of weights, each sample scaled so that its largest volt is the read voltage.

    Args:
        values: float32 ``(batch, lines)``.
        seen: float32 ``(rows, columns)``, S.
        reference: likewise.
        read_voltage: V.
        siemens_per_weight: S.
        forward: whether columns are driven.
        out: float32 ``(batch, other lines)``, filled.

    Returns:
        The largest voltage of a line, V; nan where values are not finite.
    """
    batch = values.shape[0]
    whole, most = -(-batch // GROUP) * GROUP, 0.0
    volts, units = np.zeros((whole, values.shape[1]), np.float32), np.empty(batch)
    for b in range(batch):
        largest, finite = np.float32(0), True
        for i in range(values.shape[1]):
            size = abs(values[b, i])
            largest = max(largest, size)
            finite &= size < np.inf
        if not finite:
            return np.nan
        units[b] = np.float64(largest) / read_voltage
        by = units[b] + np.float64(units[b] == 0)
        for i in range(values.shape[1]):
            volts[b, i] = np.float64(values[b, i]) / by
        most = max(most, largest / by)
    currents = np.empty((whole, out.shape[1]), np.float32)
    if forward:
        by_rows(volts, seen, reference, currents)
    else:
        by_columns(volts, seen, reference, currents)
    for b in range(batch):
        each = units[b] / siemens_per_weight
        for i in range(out.shape[1]):
            out[b, i] = np.float64(currents[b, i]) * each
    return most
