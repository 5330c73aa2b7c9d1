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

from .kernel_cells import ONE, ZERO, moved, step, within
from .kernel_noise import bits_of, compiled, high_of, key_of, low_of, normal_of
from .laws import window

BLOCK = 512
"""Cells worked on together."""
SLOTS = 16
"""Most pulses of a cell that join its queue at once; it holds twice as many."""
_FEW = 6
"""When less than one cell in so many is in a round, those that are get gathered."""
_BIT = np.uint32(1)


class Queue(NamedTuple):
    """What is known of a block's cells; arrays of ``BLOCK``.

    Attributes:
        size: pulses that wait, int32.
        downs: uint32, bit k set where the k-th of them is down.
        most: most that any cell may have waiting, int32 ``(1,)``.
        on: above 0 where the next pulse moves the cell, int32.
        std: relative noise.
        add: noise, S.
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
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK + 1, np.int32),
    )
    queue.std.fill(cells.std[0])
    queue.add.fill(cells.add[0])
    return queue


@compiled
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


@compiled
def make_room(cells: Any, queue: Any, first: Any, w: Any, slots: Any) -> None:
    """Give pulses until ``slots`` more fit every cell's queue."""
    while queue.most[0] + slots > 2 * SLOTS:
        give(cells, queue, first, w)


@compiled
def give_all(cells: Any, queue: Any, first: Any, w: Any) -> None:
    """All pulses that wait."""
    active = 0
    for i in range(w):
        active += queue.size[i] > 0
    while active * _FEW >= w:
        active = give(cells, queue, first, w)
    if active > 0:
        size, index, some = queue.size, queue.index, 0
        for i in range(w):
            index[some] = np.int32(first + i)
            some += size[i] > 0
        for a in range(some):
            i = index[a] - first
            size[a], queue.downs[a] = size[i], queue.downs[i]
        give_listed(cells, queue, some)
    queue.most[0] = 0


@compiled
def give(cells: Any, queue: Any, first: Any, w: Any) -> Any:
    """The next pulse of every cell that has one; returns how many have one more."""
    pulses, on = cells.pulses[first : first + w], queue.size
    _draw(cells, queue, pulses)
    if cells.endurance.shape[0] > 0:
        on = queue.on
        for i in range(w):
            on[i] = queue.size[i] if pulses[i] < cells.endurance[first + i] else 0
    if cells.up == ONE and cells.down == ONE and cells.add.shape[0] == 1 and cells.add[0] == ZERO:
        _move_plainly(cells, first, queue, on, w)
    else:
        _move(cells, first, queue, on, w)
    queue.most[0] -= 1
    return _book(queue, pulses)


@compiled
def _draw(cells: Any, queue: Any, pulses: Any) -> None:
    """A normal number for every cell."""
    keys, bits, xi, high = queue.keys, queue.bits, queue.xi, high_of(cells.root)
    for i in range(pulses.shape[0]):
        bits[i] = bits_of(high, keys[i], pulses[i])
    for i in range(pulses.shape[0]):
        xi[i] = normal_of(bits[i])


@compiled
def _book(queue: Any, pulses: Any) -> Any:
    """One pulse less waits where one did; returns how many cells have one more."""
    size, downs, active = queue.size, queue.downs, np.int32(0)
    for i in range(pulses.shape[0]):
        one = np.int32(size[i] > 0)
        left = np.int32(size[i] - one)
        pulses[i] += one
        size[i] = left
        downs[i] = np.uint32(downs[i] >> _BIT)
        active = np.int32(active + np.int32(left > 0))
    return active


@compiled
def _move(cells: Any, first: Any, queue: Any, on: Any, w: Any) -> None:
    """Few arrays in each loop: compilers check all pairs of them before they use vectors."""
    downs, std, add, xi = queue.downs, queue.std, queue.add, queue.xi
    g, p = cells.g[first : first + w], window(cells.p, first, w)
    for i in range(w):
        up = np.uint32(downs[i] & _BIT) == 0
        strength = cells.up if up else cells.down
        then = moved(p, i, g[i], up, strength, std[i], add[i], xi[i])
        g[i] = then if on[i] > 0 else g[i]


@compiled
def _move_plainly(cells: Any, first: Any, queue: Any, on: Any, w: Any) -> None:
    """The same at full strength where all noise is of the step."""
    downs, std, xi = queue.downs, queue.std, queue.xi
    g, p = cells.g[first : first + w], window(cells.p, first, w)
    for i in range(w):
        up = np.uint32(downs[i] & _BIT) == 0
        q = step(p, i, g[i], up)
        then = g[i] + (q if up else -q) * (ONE + std[i] * xi[i])
        g[i] = within(p, i, then) if on[i] > 0 else g[i]


@compiled
def give_listed(cells: Any, queue: Any, some: Any) -> None:
    """All pulses of the first ``some`` cells of the index; ``size`` and ``downs`` are theirs."""
    g, pulses, index, size, downs = cells.g, cells.pulses, queue.index, queue.size, queue.downs
    stds, adds = cells.std.shape[0] > 1, cells.add.shape[0] > 1
    low, high = low_of(cells.root), high_of(cells.root)
    while some > 0:
        for a in range(some):
            queue.keys[a] = np.uint32(pulses[index[a]])  # by itself, so that the next uses vectors
        for a in range(some):
            key = key_of(low, high, np.uint32(index[a]))
            queue.bits[a] = bits_of(high, key, queue.keys[a])
        for a in range(some):
            queue.xi[a] = normal_of(queue.bits[a])
        for a in range(some):
            j, up = index[a], np.uint32(downs[a] & _BIT) == 0
            std, add = cells.std[j if stds else 0], cells.add[j if adds else 0]
            strength = cells.up if up else cells.down
            then = moved(cells.p, j, g[j], up, strength, std, add, queue.xi[a])
            if cells.endurance.shape[0] == 0 or pulses[j] < cells.endurance[j]:
                g[j] = then
            pulses[j] += 1
        most, left = np.int32(0), 0
        for a in range(some):
            most = max(most, size[a])
        for a in range(some if most > 1 else 0):
            index[left], size[left] = index[a], np.int32(size[a] - 1)
            downs[left] = np.uint32(downs[a] >> _BIT)
            left += size[left] > 0
        some = left
    size.fill(0)
    downs.fill(0)
