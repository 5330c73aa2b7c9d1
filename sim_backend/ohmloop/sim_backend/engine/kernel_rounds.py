"""Pulses that wait, given: in rounds over a block of cells, or to cells gathered from anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernel_cells import ONE, ZERO, grown, moved, step, within
from .kernel_noise import (
    bits_of,
    borrowing,
    high_of,
    key_of,
    low_of,
    normals_of,
    spliced,
)
from .laws import window

_BIT = np.uint32(1)


@borrowing
def rounds(cells: Any, queue: Any, first: Any, w: Any, leave: Any, few: Any) -> Any:
    """Rounds over a block, each the next pulse of every cell that has one.

    Args:
        cells: the state.
        queue: what waits.
        first: first cell of the block.
        w: how many cells it has.
        leave: until no cell has more than so many waiting,
        few: or less than one cell in so many has any.

    Returns:
        How many cells have any.
    """
    pulses, size, downs = cells.pulses[first : first + w], queue.size, queue.downs
    g, p, high = cells.g[first : first + w], window(cells.p, first, w), high_of(cells.root)
    plain, tires = _plain(cells), cells.endurance.shape[0] > 0
    on, grows = queue.on if tires else size, cells.slope.shape[0] > 0
    add = queue.grown if grows else queue.add
    active = np.int32(0)
    for i in range(w):
        active = np.int32(active + np.int32(size[i] > 0))
    while queue.most[0] > leave and active * few >= w:
        _draw(high, queue.keys, pulses, queue.bits, queue.xi)
        if tires:
            for i in range(w):
                on[i] = size[i] if pulses[i] < cells.endurance[first + i] else 0
        if grows:
            for i in range(w):
                add[i] = grown(cells, first + i, queue.add[i])
        if plain:
            _move_plainly(g, p, downs, queue.std, queue.xi, on)
        else:
            _move(g, p, downs, (queue.std, add), queue.xi, on, (cells.up, cells.down))
        active = _book(size, downs, pulses)
        queue.most[0] -= 1
    return active


@spliced
def _plain(cells: Any) -> Any:
    """Whether pulses have full strength, and all noise is of the step."""
    full, same = cells.up == ONE and cells.down == ONE, cells.slope.shape[0] == 0
    return full and same and cells.add.shape[0] == 1 and cells.add[0] == ZERO


@spliced
def _draw(high: Any, keys: Any, pulses: Any, bits: Any, xi: Any) -> None:
    """A normal number for every cell."""
    for i in range(pulses.shape[0]):
        bits[i] = bits_of(high, keys[i], pulses[i])
    normals_of(bits, pulses.shape[0], xi)


@spliced
def _book(size: Any, downs: Any, pulses: Any) -> Any:
    """One pulse less waits where one did; returns how many cells have one more."""
    active = np.int32(0)
    for i in range(pulses.shape[0]):
        one = np.int32(size[i] > 0)
        left = np.int32(size[i] - one)
        pulses[i] += one
        size[i] = left
        downs[i] = np.uint32(downs[i] >> _BIT)
        active = np.int32(active + np.int32(left > 0))
    return active


@spliced
def _move(g: Any, p: Any, downs: Any, noise: Any, xi: Any, on: Any, strengths: Any) -> None:
    """Few arrays in each loop: compilers check all pairs of them before they use vectors."""
    (std, add), (more, less) = noise, strengths
    for i in range(g.shape[0]):
        up = np.uint32(downs[i] & _BIT) == 0
        then = moved(p, i, g[i], up, more if up else less, std[i], add[i], xi[i])
        g[i] = then if on[i] > 0 else g[i]


@spliced
def _move_plainly(g: Any, p: Any, downs: Any, std: Any, xi: Any, on: Any) -> None:
    """The same at full strength where all noise is of the step."""
    for i in range(g.shape[0]):
        up = np.uint32(downs[i] & _BIT) == 0
        q = step(p, i, g[i], up)
        then = g[i] + (q if up else -q) * (ONE + std[i] * xi[i])
        g[i] = within(p, i, then) if on[i] > 0 else g[i]


@borrowing
def give_listed(cells: Any, queue: Any, some: Any) -> None:
    """All pulses of the first ``some`` cells of the index; ``size`` and ``downs`` are theirs."""
    index, size, downs, xi = queue.index, queue.size, queue.downs, queue.xi
    plain = _plain(cells) and cells.std.shape[0] == 1 and cells.endurance.shape[0] == 0
    while some > 0:
        _draw_listed(cells, index[:some], queue.keys, queue.bits, xi)
        if plain:
            _move_listed_plainly(cells, index[:some], downs, xi)
        else:
            _move_listed(cells, index[:some], downs, xi)
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


@spliced
def _draw_listed(cells: Any, index: Any, keys: Any, bits: Any, xi: Any) -> None:
    """A normal number for each."""
    low, high, pulses = low_of(cells.root), high_of(cells.root), cells.pulses
    for a in range(index.shape[0]):
        keys[a] = np.uint32(pulses[index[a]])  # by itself, so that the next uses vectors
    for a in range(index.shape[0]):
        bits[a] = bits_of(high, key_of(low, high, np.uint32(index[a])), keys[a])
    normals_of(bits, index.shape[0], xi)


@spliced
def _move_listed(cells: Any, index: Any, downs: Any, xi: Any) -> None:
    g, pulses, stds, adds = cells.g, cells.pulses, cells.std.shape[0] > 1, cells.add.shape[0] > 1
    for a in range(index.shape[0]):
        j, up = index[a], np.uint32(downs[a] & _BIT) == 0
        std, add = cells.std[j if stds else 0], cells.add[j if adds else 0]
        strength = cells.up if up else cells.down
        then = moved(cells.p, j, g[j], up, strength, std, grown(cells, j, add), xi[a])
        if cells.endurance.shape[0] == 0 or pulses[j] < cells.endurance[j]:
            g[j] = then
        pulses[j] += 1


@spliced
def _move_listed_plainly(cells: Any, index: Any, downs: Any, xi: Any) -> None:
    """The same where pulses are plain, one noise is that of all cells, and none tires."""
    g, pulses, p, std = cells.g, cells.pulses, cells.p, cells.std[0]
    for a in range(index.shape[0]):
        j, up = np.uint64(index[a]), np.uint32(downs[a] & _BIT) == 0
        q = step(p, j, g[j], up)
        g[j] = within(p, j, g[j] + (q if up else -q) * (ONE + std * xi[a]))
        pulses[j] += 1
