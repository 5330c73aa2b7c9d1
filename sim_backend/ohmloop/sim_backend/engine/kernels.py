"""Compiled pulses, one function a kind of program; ``kernel_queue`` has how blocks of cells move.

Kernels release the interpreter's lock, and start no thread.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernel_cells import (
    ZERO,
    Cells,  # noqa: F401, code kept by earlier versions looks for it here
    pulse,
)
from .kernel_noise import borrowing, compiled, draw, spliced
from .kernel_queue import (
    BLOCK,
    SLOTS,
    give_all,
    make_room,
    new_queue,
    popcount,
    start_block,
)


@compiled
def coincidences(cells: Any, rows: Any, columns: Any, start: Any, stop: Any) -> Any:
    """Rows ``start`` to ``stop`` of a coincidence program; returns the pulses given.

    Args:
        cells: the state.
        rows: trains uint16 ``(parts, rows)``, a part being some slots of a sample, and signs int8
            ``(batch, rows)``.
        columns: the same of columns.
        start: first row.
        stop: first row that is somebody else's.
    """
    queue, width, total = new_queue(cells), columns[0].shape[1], 0
    together = max(1, BLOCK // width)
    for row in range(start, stop, together):
        end = min(row + together, stop)
        for column in range(0, width if _fires(rows[0], row, end) else 0, BLOCK):
            w = min(BLOCK, width - column)
            total += _samples(cells, queue, rows, columns, row, end, column, w)
    return total


@spliced
def _fires(trains: Any, start: Any, stop: Any) -> Any:
    """Whether any of these rows does."""
    for part in range(trains.shape[0]):
        for row in range(start, stop):
            if trains[part, row] != 0:
                return True
    return False


@borrowing
def _samples(
    cells: Any,
    queue: Any,
    rows: Any,
    columns: Any,
    start: Any,
    stop: Any,
    column: Any,
    w: Any,
) -> Any:
    """All samples on ``w`` columns of some rows, which lie side by side; returns the pulses."""
    first, total, cut = start * columns[0].shape[1] + column, 0, rows[0].shape[0]
    cut //= rows[1].shape[0]
    start_block(cells, queue, first, (stop - start) * w)
    for part in range(rows[0].shape[0]):
        b = part // cut
        make_room(cells, queue, first, (stop - start) * w, SLOTS)
        here = (columns[0][part, column : column + w], columns[1][b, column : column + w])
        for row in range(start, stop):
            if rows[0][part, row] != 0:
                at = (row - start) * w
                total += _coincide(cells, queue, at, rows[0][part, row], rows[1][b, row], here)
    give_all(cells, queue, first, (stop - start) * w)
    return total


@spliced
def _coincide(cells: Any, queue: Any, at: Any, train: Any, sign: Any, columns: Any) -> Any:
    """Queue the pulses of one row for the cells from ``at`` on; returns how many."""
    trains, signs = columns
    w = trains.shape[0]
    size, downs = queue.size[at : at + w], queue.downs[at : at + w]
    total, most = np.int64(0), 0
    some_weak = cells.up == ZERO or cells.down == ZERO
    for i in range(w):
        n = popcount(np.uint32(train & trains[i]))
        down = np.uint32(np.int32(sign * signs[i]) >> 1)
        if some_weak:
            n = n if (cells.down if down > 0 else cells.up) != ZERO else np.uint32(0)
        downs[i] |= (((np.uint32(1) << n) - np.uint32(1)) & down) << np.uint32(size[i])
        size[i] += np.int32(n)
        total += np.int32(n)
        most = max(most, size[i])
    queue.most[0] = max(queue.most[0], most)
    return total


@compiled
def counts(cells: Any, signed: Any, start: Any, stop: Any) -> Any:
    """Signed counts ``signed`` (int32, one a cell) on cells ``start`` to ``stop``."""
    queue, total = new_queue(cells), 0
    for first in range(start, stop, BLOCK):
        w, largest = min(BLOCK, stop - first), 0
        for i in range(w):
            largest = max(largest, abs(signed[first + i]))
        if largest > 0:
            start_block(cells, queue, first, w)
            for done in range(0, largest, SLOTS):
                make_room(cells, queue, first, w, SLOTS)
                total += _count(cells, queue, signed[first : first + w], done)
            give_all(cells, queue, first, w)
    return total


@spliced
def _count(cells: Any, queue: Any, signed: Any, done: Any) -> Any:
    """Queue the pulses of counts that come after the first ``done``; returns how many."""
    total = np.int64(0)
    for i in range(signed.shape[0]):
        n = np.uint32(min(max(abs(signed[i]) - done, 0), SLOTS))
        down = np.uint32(signed[i] >> 31)
        n = n if (cells.down if down > 0 else cells.up) != ZERO else np.uint32(0)
        queue.downs[i] |= (((np.uint32(1) << n) - np.uint32(1)) & down) << np.uint32(queue.size[i])
        queue.size[i] += np.int32(n)
        total += np.int32(n)
        queue.most[0] = max(queue.most[0], queue.size[i])
    return total


@borrowing
def runs(cells: Any, which: Any, signed: Any) -> Any:
    """Runs of equal pulses, one after the other; returns the pulses given."""
    total = 0
    for r in range(which.shape[0]):
        j, count = which[r], abs(signed[r])
        if (cells.up if signed[r] > 0 else cells.down) != ZERO:
            for _ in range(count):
                pulse(cells, j, signed[r] > 0)
            total += count
    return total


@borrowing
def train(cells: Any, j: Any, up: Any, before: Any, most: Any) -> Any:
    """Equal pulses on cell j until ``before`` is full or it conducts more than ``most``.

    Fills ``before`` with the conductance before each pulse; returns how many were given.
    """
    for k in range(before.shape[0]):
        if np.float64(cells.g[j]) > most:
            return k
        before[k] = cells.g[j]
        pulse(cells, j, up)
    return before.shape[0]


@borrowing
def readings(cells: Any, rows: Any, columns: Any, scale: Any, out: Any) -> None:
    """Readings of cells into ``out``, float64 ``(rows, columns)``.

    Args:
        cells: conductances, S; how often each was read, counted; noise relative to the conductance;
            and the root of its draws.
        rows: the first cell of every row that is read.
        columns: which of a row's cells are read.
        scale: what conductances are multiplied with, 1 or volts, and then divided by.
        out: filled.
    """
    (g, reads, std, root), (by, over) = cells, scale
    for a in range(rows.shape[0]):
        for b in range(columns.shape[0]):
            j = rows[a] + columns[b]
            xi = np.float64(draw(root, j, reads[j]))
            reads[j] += 1
            noise = np.float64(std[min(j, std.shape[0] - 1)]) * xi
            out[a, b] = np.float64(g[j]) * (1.0 + noise) * by / over
