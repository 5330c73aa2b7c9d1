"""One pulse on one cell, compiled: the law of ``reference``, operation by operation.

``p`` is a named tuple of parameter maps, whose type tells the response function (``laws``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .kernel_noise import borrowing, draw
from .laws import q_down, q_up

ONE, ZERO = np.float32(1), np.float32(0)


class Cells(NamedTuple):
    """The state of a crossbar, as in ``CellState``.

    Attributes:
        g: float32 ``(n,)``, S.
        p: parameters, float32 ``(n,)`` each; the bounds are the first two.
        pulses: int32 ``(n,)``.
        endurance: int32 ``(n,)``, or ``(0,)``.
        std: float32 ``(n,)`` or ``(1,)``.
        add: float32 ``(n,)`` or ``(1,)``, S.
        slope: float32 ``(n,)``, or ``(0,)``.
        rest: float32 ``(n,)``, or ``(0,)``, S.
        root: uint64, of the draws.
        up: strength of up pulses, float32.
        down: strength of down pulses, float32.
    """

    g: Any
    p: Any
    pulses: Any
    endurance: Any
    std: Any
    add: Any
    slope: Any
    rest: Any
    root: Any
    up: Any
    down: Any


@borrowing
def pulse(cells: Any, j: Any, up: Any) -> None:
    """One pulse on cell j."""
    n = cells.pulses[j]
    cells.pulses[j] = n + 1
    if cells.endurance.shape[0] > 0 and n >= cells.endurance[j]:
        return
    std, add = cells.std[min(j, cells.std.shape[0] - 1)], cells.add[min(j, cells.add.shape[0] - 1)]
    add = grown(cells, j, add)
    xi, strength = draw(cells.root, j, n), cells.up if up else cells.down
    cells.g[j] = moved(cells.p, j, cells.g[j], up, strength, std, add, xi)


@borrowing
def grown(cells: Any, j: Any, add: Any) -> Any:
    """Noise besides that of the step, where it grows with the conductance."""
    if cells.slope.shape[0] == 0:
        return np.float32(add)
    return np.float32(add + cells.slope[j] * abs(cells.g[j] - cells.rest[j]))


@borrowing
def moved(p: Any, j: Any, g: Any, up: Any, strength: Any, std: Any, add: Any, xi: Any) -> Any:
    """Conductance of cell j after one pulse."""
    move = step(p, j, g, up) * strength * (ONE + std * xi) + add * xi
    return within(p, j, g + move if up else g - move)


@borrowing
def step(p: Any, j: Any, g: Any, up: Any) -> Any:
    """Mean step of cell j."""
    cell = np.uint64(j)
    more, less = np.float32(q_up(p, cell, g)), np.float32(q_down(p, cell, g))
    return more if up else less


@borrowing
def within(p: Any, j: Any, g: Any) -> Any:
    """Between the bounds of cell j; compared, as ``min`` and ``max`` take twice as long."""
    cell = np.uint64(j)
    low, high = p[0][cell], p[1][cell]
    g = low if g < low else g
    return high if g > high else g
