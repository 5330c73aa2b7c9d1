"""Pulses that wait for the cells of a block, and what moves all of the block at once.

Every cell of a block has a queue of up to 32 pulses, one bit each: pulses of several samples come
together before any is given, so that nearly all cells have one in the rounds over the block, which
work in vector registers. Only what is left in the end, of few cells, is gathered. The order of a
cell's own pulses, and so every bit, is that of the definition.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from .kernel_noise import compiled, high_of, key_of, low_of, spliced
from .kernel_rounds import give_listed, rounds

BLOCK = 512
"""Cells worked on together."""
SLOTS = 16
"""Most pulses of a cell that join its queue at once; it holds twice as many."""
_NONE, _FEW = np.int64(0), np.int64(10)
"""When less than one cell in so many is in a round, those that are get gathered. (Numba compiles a
function once more for a number that is written where it is called.)"""


class Queue(NamedTuple):
    """What is known of a block's cells; arrays of ``BLOCK``.

    Attributes:
        size: pulses that wait, int32.
        downs: uint32, bit k set where the k-th of them is down.
        most: most that any cell may have waiting, int32 ``(1,)``.
        on: above 0 where the next pulse moves the cell, int32.
        std: relative noise.
        add: noise, S.
        grown: the same where it grows with the conductance, as it is now.
        keys: of the draws; of gathered cells, how many were before.
        bits: random bits; of gathered cells, too.
        xi: normal numbers; of gathered cells, too.
        index: gathered cells, int32.
    """

    size: Any
    downs: Any
    most: Any
    on: Any
    std: Any
    add: Any
    grown: Any
    keys: Any
    bits: Any
    xi: Any
    index: Any


@intrinsic  # type: ignore[untyped-decorator]
def popcount(_context: Any, x: Any) -> Any:  # noqa: ARG001, numba goes by the name
    """Bits set in 32."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint32(types.uint32), code


@compiled
def new_queue(cells: Any) -> Any:
    """For blocks of these cells."""
    queue = Queue(
        np.zeros(BLOCK + 1, np.int32),
        np.zeros(BLOCK + 1, np.uint32),
        np.zeros(1, np.int32),
        np.empty(BLOCK, np.int32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK + 1, np.int32),
    )
    queue.std.fill(cells.std[0])
    queue.add.fill(cells.add[0])
    return queue


@spliced
def start_block(cells: Any, queue: Any, first: Any, w: Any) -> None:
    """Turn to the ``w`` cells from ``first`` on; nothing waits."""
    low, high = low_of(cells.root), high_of(cells.root)
    for i in range(w):
        queue.keys[i] = key_of(low, high, np.uint32(first + i))
    # Element by element: slices that are assigned to take long to compile.
    if cells.std.shape[0] > 1:
        for i in range(w):
            queue.std[i] = cells.std[first + i]
    if cells.add.shape[0] > 1:
        for i in range(w):
            queue.add[i] = cells.add[first + i]
    queue.most[0] = 0


@spliced
def make_room(cells: Any, queue: Any, first: Any, w: Any, slots: Any) -> None:
    """Give pulses until ``slots`` more fit every cell's queue."""
    if queue.most[0] + slots > 2 * SLOTS:
        rounds(cells, queue, first, w, 2 * SLOTS - slots, w)


@spliced
def give_all(cells: Any, queue: Any, first: Any, w: Any) -> None:
    """All pulses that wait."""
    if rounds(cells, queue, first, w, _NONE, _FEW) > 0:
        give_listed(cells, queue, _gathered(queue, first, w))
    queue.most[0] = 0


@spliced
def _gathered(queue: Any, first: Any, w: Any) -> Any:
    """List the cells that have pulses waiting; returns how many."""
    size, downs, index, some = queue.size, queue.downs, queue.index, np.int64(0)
    for i in range(w):
        index[some] = np.int32(first + i)
        some += size[i] > 0
    for a in range(some):
        i = index[a] - first
        size[a], downs[a] = size[i], downs[i]
    return some
