"""Coincidences where few cells have any: only the lines that fire are looked at.

What a row's cells get is gathered column by column, over all samples; then cells go to a list, and
what is on it moves together. The order of a cell's own pulses, and so every bit, is that of the
definition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernel_cells import ZERO, pulse
from .kernel_noise import compiled
from .kernel_queue import BLOCK, SLOTS, give_listed, new_queue, popcount

_FEW = 32
"""Crossings a row below which cells are pulsed one by one."""


@compiled
def listed(cells: Any, rows: Any, columns: Any, start: Any, stop: Any) -> Any:
    """Rows ``start`` to ``stop``; arguments and result as of ``kernels.coincidences``."""
    if rows[0].shape[0] == 1:
        return _listed_once(cells, rows, columns, start, stop)
    firing = _firing(columns[0])
    if _crossings(rows[0], firing[0], start, stop) < _FEW * (stop - start):
        return _one_by_one(cells, rows, columns, firing, start, stop)
    queue, width, total, some = new_queue(cells), columns[0].shape[1], np.int64(0), 0
    size, downs = np.zeros(width, np.int32), np.zeros(width, np.uint32)
    touched = np.empty(width + 1, np.int32)  # one more, written to when all are on it
    cut = rows[0].shape[0] // rows[1].shape[0]
    for row in range(start, stop):
        most, hit = 0, 0
        for part in range(rows[0].shape[0]):
            train, b = rows[0][part, row], part // cut
            if train == 0:
                continue
            if most > SLOTS:  # another part may not fit
                some = _list(cells, queue, some, row * width, touched[:hit], size, downs)
                give_listed(cells, queue, some)
                some, hit, most = 0, 0, 0
            which = firing[1][firing[0][part] : firing[0][part + 1]]
            line = train, rows[1][b, row], columns[0][part], columns[1][b]
            hit, most, given = _cross(cells, line, which, touched, hit, most, size, downs)
            total += given
        if hit > 0:
            some = _list(cells, queue, some, row * width, touched[:hit], size, downs)
    give_listed(cells, queue, some)
    return total


@compiled
def _listed_once(cells: Any, rows: Any, columns: Any, start: Any, stop: Any) -> Any:
    """Where a cell is met once, it goes to the list at once."""
    queue, width, total, some = new_queue(cells), columns[0].shape[1], np.int64(0), 0
    starts, which = _firing(columns[0])
    trains, signs, some_weak = columns[0][0], columns[1][0], cells.up == ZERO or cells.down == ZERO
    for row in range(start, stop):
        train, sign = rows[0][0, row], rows[1][0, row]
        for e in range(starts[1] if train != 0 else 0):
            if some == BLOCK:
                give_listed(cells, queue, some)
                some = 0
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


@compiled
def _crossings(rows: Any, starts: Any, start: Any, stop: Any) -> Any:
    """Of lines that fire, over all parts; ``starts`` as of ``_firing``."""
    found = 0
    for part in range(rows.shape[0]):
        firing = 0
        for row in range(start, stop):
            firing += rows[part, row] != 0
        found += firing * (starts[part + 1] - starts[part])
    return found


@compiled
def _one_by_one(cells: Any, rows: Any, columns: Any, firing: Any, start: Any, stop: Any) -> Any:
    """Where rows have a few pulses each, a list takes longer than they do."""
    starts, which = firing
    width, total, cut = columns[0].shape[1], np.int64(0), rows[0].shape[0] // rows[1].shape[0]
    for row in range(start, stop):
        for part in range(rows[0].shape[0]):
            train, b = rows[0][part, row], part // cut
            for e in range(starts[part], starts[part + 1] if train != 0 else starts[part]):
                column = which[e]
                up = rows[1][b, row] * columns[1][b, column] > 0
                n = np.int64(popcount(np.uint32(train & columns[0][part, column])))
                if n > 0 and (cells.up if up else cells.down) != ZERO:
                    for _ in range(n):
                        pulse(cells, row * width + column, up)
                    total += n
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


@compiled
def _cross(
    cells: Any, line: Any, which: Any, touched: Any, hit: Any, most: Any, size: Any, downs: Any
) -> Any:
    """What one part of a sample gives to a row; returns cells hit, most waiting, and pulses."""
    train, sign, trains, signs = line
    total, some_weak = np.int64(0), cells.up == ZERO or cells.down == ZERO
    for e in range(which.shape[0]):
        column = which[e]
        n = popcount(np.uint32(train & trains[column]))
        down = np.uint32(np.int32(sign * signs[column]) >> 1)
        if some_weak:
            n = n if (cells.down if down > 0 else cells.up) != ZERO else np.uint32(0)
        waiting = size[column]
        touched[hit] = column
        hit += n > 0 and waiting == 0
        downs[column] |= (((np.uint32(1) << n) - np.uint32(1)) & down) << np.uint32(waiting)
        size[column] = np.int32(waiting + np.int32(n))
        most = max(most, size[column])
        total += np.int64(n)
    return hit, most, total


@compiled
def _list(
    cells: Any, queue: Any, some: Any, first: Any, touched: Any, size: Any, downs: Any
) -> Any:
    """Put a row's cells on the list, what was on it first where it is full; returns its length."""
    for t in range(touched.shape[0]):
        if some == BLOCK:
            give_listed(cells, queue, some)
            some = 0
        column = touched[t]
        queue.index[some] = np.int32(first + column)
        queue.size[some], queue.downs[some] = size[column], downs[column]
        size[column], downs[column] = 0, 0
        some += 1
    return some
