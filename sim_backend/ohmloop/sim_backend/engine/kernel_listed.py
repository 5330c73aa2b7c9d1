"""Coincidences where few cells have any: only the lines that fire are looked at.

Cells that are met go to a list, row by row and within a row sample by sample; what is on it moves
together. A cell that is met again in its row gets more pulses where it stands. The order of a
cell's own pulses, and so every bit, is that of the definition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernel_cells import ZERO
from .kernel_noise import compiled, spliced
from .kernel_queue import BLOCK, SLOTS, new_queue, popcount
from .kernel_rounds import give_listed


@compiled
def listed(cells: Any, rows: Any, columns: Any, length: Any, start: Any, stop: Any) -> Any:
    """Rows ``start`` to ``stop`` of trains of ``length``; the rest as of ``coincidences``."""
    if rows[0].shape[0] == 1:
        if length == 1 and cells.up != ZERO and cells.down != ZERO:
            return _single_slot(cells, rows, columns, start, stop)
        return _listed_once(cells, rows, columns, start, stop)
    queue, width, total, some = new_queue(cells), columns[0].shape[1], np.int64(0), np.int64(0)
    starts, which = _firing(columns[0])
    # Where the list has a column's cell, if that was put there since the row, or the list, began.
    place, since, now = np.empty(width, np.int32), np.zeros(width, np.int32), np.int32(0)
    cut = rows[0].shape[0] // rows[1].shape[0]
    some_weak = cells.up == ZERO or cells.down == ZERO
    for row in range(start, stop):
        now = np.int32(now + 1)
        for part in range(rows[0].shape[0]):
            train, b = rows[0][part, row], part // cut
            if train == 0:
                continue
            sign, trains, signs = rows[1][b, row], columns[0][part], columns[1][b]
            for e in range(starts[part], starts[part + 1]):
                column = which[e]
                n = popcount(np.uint32(train & trains[column]))
                if n == 0:
                    continue
                down = np.uint32(np.int32(sign * signs[column]) >> 1)
                if some_weak and (cells.down if down > 0 else cells.up) == ZERO:
                    continue
                total += np.int64(n)
                downs, again = ((np.uint32(1) << n) - np.uint32(1)) & down, since[column] == now
                at = place[column]
                if again and queue.size[at] + n <= 2 * SLOTS:
                    queue.downs[at] |= downs << np.uint32(queue.size[at])
                    queue.size[at] += np.int32(n)
                    continue
                if some == BLOCK or again:
                    give_listed(cells, queue, some)
                    some, now = np.int64(0), np.int32(now + 1)
                place[column], since[column] = some, now
                queue.index[some] = np.int32(row * width + column)
                queue.size[some], queue.downs[some] = np.int32(n), downs
                some += 1
    give_listed(cells, queue, some)
    return total


@spliced
def _listed_once(cells: Any, rows: Any, columns: Any, start: Any, stop: Any) -> Any:
    """Where no cell is met again, so without branches."""
    queue, width, total, some = new_queue(cells), columns[0].shape[1], np.int64(0), np.int64(0)
    starts, which = _firing(columns[0])
    trains, signs, some_weak = columns[0][0], columns[1][0], cells.up == ZERO or cells.down == ZERO
    for row in range(start, stop):
        train, sign = rows[0][0, row], rows[1][0, row]
        for e in range(starts[1] if train != 0 else 0):
            if some == BLOCK:
                give_listed(cells, queue, some)
                some = np.int64(0)
            column = which[e]
            n = popcount(np.uint32(train & trains[column]))
            down = np.uint32(np.int32(sign * signs[column]) >> 1)
            if some_weak:
                n = n if (cells.down if down > 0 else cells.up) != ZERO else np.uint32(0)
            queue.index[some], queue.size[some] = np.int32(row * width + column), np.int32(n)
            queue.downs[some] = ((np.uint32(1) << n) - np.uint32(1)) & down
            some += n > 0
            total += np.int64(n)
    give_listed(cells, queue, some)
    return total


@spliced
def _single_slot(cells: Any, rows: Any, columns: Any, start: Any, stop: Any) -> Any:
    """Where lines that fire all meet, once, so in vector registers."""
    queue, width, total, some = new_queue(cells), columns[0].shape[1], np.int64(0), np.int64(0)
    starts, which = _firing(columns[0])
    firing = starts[1]
    signs = np.empty(firing, np.int32)
    for e in range(firing):
        signs[e] = columns[1][0, which[e]]
    for row in range(start, stop):
        first, sign = np.int32(row * width), np.int32(rows[1][0, row])
        done = 0 if rows[0][0, row] != 0 else firing
        while done < firing:
            if some == BLOCK:
                queue.size[:some] = 1
                give_listed(cells, queue, some)
                some = np.int64(0)
            more = min(BLOCK - some, firing - done)
            index, downs = queue.index[some : some + more], queue.downs[some : some + more]
            for a in range(more):
                index[a] = np.int32(first + which[done + a])
                downs[a] = np.uint32(np.int32(sign * signs[done + a]) >> 31) & np.uint32(1)
            some, done, total = some + more, done + more, total + more
    queue.size[:some] = 1
    give_listed(cells, queue, some)
    return total


@compiled
def _firing(trains: Any) -> Any:
    """Where each part's columns start in the list of those that fire, and that list."""
    starts = np.empty(trains.shape[0] + 1, np.int64)
    which = np.empty(trains.size, np.int32)
    found = 0
    for part in range(trains.shape[0]):
        starts[part] = found
        for column in range(trains.shape[1]):
            which[found] = column
            found += trains[part, column] != 0
    starts[trains.shape[0]] = found
    return starts, which
