"""Compiled pulses: the law of ``reference`` on blocks of neighbouring cells, in vector registers.

A block gets its pulses in rounds: in round k, every cell that has more than k. While most cells
are in the round, all are computed and the idle ones left as they were; later the few that remain
are gathered first. The order of a cell's own pulses, and so every bit, is that of the definition.

``p`` is a named tuple of parameter maps, whose type tells the response function (``laws``).
Kernels release the interpreter's lock, and start no thread.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from .kernel_noise import bits_of, compiled, draw, key_of, normal_of
from .laws import q_down, q_up

BLOCK = 512
"""Cells worked on together."""
_FEW = 6
"""When less than one cell in so many is in a round, those that are get gathered."""
_ONE, _ZERO = np.float32(1), np.float32(0)


class Cells(NamedTuple):
    """The state of a crossbar, as in ``CellState``.

    Attributes:
        g: float32 ``(n,)``, S.
        p: parameters, float32 ``(n,)`` each; the bounds are the first two.
        pulses: int32 ``(n,)``.
        endurance: int32 ``(n,)``, or ``(0,)``.
        std: float32 ``(n,)`` or ``(1,)``.
        add: float32 ``(n,)`` or ``(1,)``, S.
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
    root: Any
    up: Any
    down: Any


class Block(NamedTuple):
    """What is worked out for neighbouring cells; arrays of ``BLOCK``.

    Attributes:
        given: pulses each cell is given.
        n: those that move it.
        way: their direction, 1 or -1.
        std: relative noise.
        add: noise, S.
        keys: of the draws.
        bits: random bits; of gathered cells, too.
        xi: normal numbers; of gathered cells, too.
        places: draws of gathered cells.
        index: gathered cells.
    """

    given: Any
    n: Any
    way: Any
    std: Any
    add: Any
    keys: Any
    bits: Any
    xi: Any
    places: Any
    index: Any


@intrinsic  # type: ignore[untyped-decorator]
def _popcount(_context: Any, x: Any) -> Any:
    """Bits set in an integer."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(x), code


@compiled
def coincidences(cells: Any, rows: Any, columns: Any, start: Any, stop: Any) -> Any:
    """Rows ``start`` to ``stop`` of a coincidence program; returns the pulses given.

    Args:
        cells: the state.
        rows: trains uint64 ``(batch, rows)`` and signs int8 ``(batch, rows)``.
        columns: the same of columns.
        start: first row.
        stop: first row that is somebody else's.
    """
    block, width, total = _new_block(cells), columns[0].shape[1], 0
    if width > BLOCK:
        for row in range(start, stop):
            for column in range(0, width, BLOCK):
                w = min(BLOCK, width - column)
                total += _samples(cells, block, rows, columns, row, row + 1, column, w)
    else:
        together = BLOCK // width
        for row in range(start, stop, together):
            end = min(row + together, stop)
            total += _samples(cells, block, rows, columns, row, end, 0, width)
    return total


@compiled
def _samples(
    cells: Any,
    block: Any,
    rows: Any,
    columns: Any,
    start: Any,
    stop: Any,
    column: Any,
    w: Any,
) -> Any:
    """All samples on ``w`` columns of some rows, which lie side by side; returns the pulses."""
    first, total, fresh = start * columns[0].shape[1] + column, 0, True
    for b in range(rows[0].shape[0]):
        here = (columns[0][b, column : column + w], columns[1][b, column : column + w])
        fire = 0
        for row in range(start, stop):
            at = (row - start) * w
            given, way = block.given[at : at + w], block.way[at : at + w]
            if rows[0][b, row] == 0:
                given[:] = 0
            else:
                fire += _coincide(cells, given, way, rows[0][b, row], rows[1][b, row], here)
        if fire > 0:
            fresh = _pulse_block(cells, block, first, fire, fresh, (stop - start) * w)
            total += fire
    return total


@compiled
def counts(cells: Any, signed: Any, start: Any, stop: Any) -> Any:
    """Signed counts ``signed`` (int32, one a cell) on cells ``start`` to ``stop``."""
    block, total = _new_block(cells), 0
    for first in range(start, stop, BLOCK):
        w, fire = min(BLOCK, stop - first), 0
        for i in range(w):
            count = signed[first + i]
            block.way[i] = _ONE if count > 0 else -_ONE
            strength = cells.up if count > 0 else cells.down
            block.given[i] = abs(count) if strength != _ZERO else 0
            fire += block.given[i]
        if fire > 0:
            _pulse_block(cells, block, first, fire, True, w)
            total += fire
    return total


@compiled
def runs(cells: Any, which: Any, signed: Any) -> Any:
    """Runs of equal pulses, one after the other; returns the pulses given."""
    total = 0
    for r in range(which.shape[0]):
        j, count = which[r], abs(signed[r])
        way = _ONE if signed[r] > 0 else -_ONE
        if (cells.up if signed[r] > 0 else cells.down) != _ZERO:
            for _ in range(count):
                _pulse(cells, j, way)
            total += count
    return total


@compiled
def train(cells: Any, j: Any, way: Any, before: Any, most: Any) -> Any:
    """Equal pulses on cell j until ``before`` is full or it conducts more than ``most``.

    Fills ``before`` with the conductance before each pulse; returns how many were given.
    """
    for k in range(before.shape[0]):
        if np.float64(cells.g[j]) > most:
            return k
        before[k] = cells.g[j]
        _pulse(cells, j, way)
    return before.shape[0]


@compiled
def readings(g: Any, reads: Any, std: Any, root: Any, which: Any, out: Any) -> None:
    """Readings of cells into ``out``, S, float64."""
    for i in range(which.shape[0]):
        j = which[i]
        xi = np.float64(draw(root, j, reads[j]))
        reads[j] += 1
        out[i] = np.float64(g[j]) * (1.0 + np.float64(std[min(j, std.shape[0] - 1)]) * xi)


@compiled
def _new_block(cells: Any) -> Any:
    block = Block(
        np.empty(BLOCK, np.int32),
        np.empty(BLOCK, np.int32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.uint64),
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.uint64),
        np.empty(BLOCK + 1, np.int32),
    )
    block.std[:], block.add[:] = cells.std[0], cells.add[0]
    return block


@compiled
def _coincide(cells: Any, given: Any, way: Any, train: Any, sign: Any, columns: Any) -> Any:
    """Pulses of one sample for cells of one row; returns how many."""
    trains, signs = columns
    total = 0
    for i in range(given.shape[0]):
        given[i] = np.int32(_popcount(train & trains[i]))
        way[i] = np.float32(sign * signs[i])
    if cells.up == _ZERO or cells.down == _ZERO:
        for i in range(given.shape[0]):
            given[i] = given[i] if (cells.up if way[i] > _ZERO else cells.down) != _ZERO else 0
    for i in range(given.shape[0]):
        total += given[i]
    return total


@compiled
def _pulse_block(cells: Any, block: Any, first: Any, fire: Any, fresh: Any, w: Any) -> Any:
    """``given`` pulses on every cell of a block, ``fire`` in all.

    Returns whether the keys of the cells are still to be worked out.
    """
    pulses, n = cells.pulses[first : first + w], block.n
    if cells.std.shape[0] > 1:
        block.std[:w] = cells.std[first : first + w]
    if cells.add.shape[0] > 1:
        block.add[:w] = cells.add[first : first + w]
    n[:w] = block.given[:w]
    if cells.endurance.shape[0] > 0:
        _tire(n, pulses, cells.endurance[first : first + w])
    if fire * _FEW < w:
        _few(cells, block, pulses, first, 0, w)
        for i in range(w):
            if block.given[i] > 0:
                pulses[i] += block.given[i]
        return fresh
    k, active = 0, _active(n, 0, w)
    while active * _FEW >= w:
        if fresh:
            _keys(block.keys, cells.root, first, w)
            fresh = False
        _draws(block.keys, pulses, k, block.bits, block.xi, w)
        _steps(cells, cells.g[first : first + w], cells.p, first, block, k, block.xi)
        k += 1
        active = _active(n, k, w)
    if active > 0:
        _few(cells, block, pulses, first, k, w)
    pulses += block.given[:w]
    return fresh


@compiled
def _tire(n: Any, pulses: Any, endurance: Any) -> None:
    """Only the pulses that still move a cell."""
    for i in range(pulses.shape[0]):
        n[i] = min(n[i], max(endurance[i] - pulses[i], 0))


@compiled
def _active(n: Any, k: Any, w: Any) -> Any:
    """How many get more than k pulses."""
    active = 0
    for i in range(w):
        active += n[i] > k
    return active


@compiled
def _keys(keys: Any, root: Any, first: Any, w: Any) -> None:
    for i in range(w):
        keys[i] = key_of(root, first + i)


@compiled
def _draws(keys: Any, places: Any, k: Any, bits: Any, xi: Any, w: Any) -> None:
    """What pulse k of every cell draws."""
    for i in range(w):
        bits[i] = bits_of(keys[i], places[i] + k)
    for i in range(w):
        xi[i] = normal_of(bits[i])


@compiled
def _steps(cells: Any, g: Any, p: Any, first: Any, block: Any, k: Any, xi: Any) -> None:
    """Pulse k of every cell that gets more than k."""
    n, way, std, add = block.n, block.way, block.std, block.add
    if cells.up == _ONE and cells.down == _ONE and cells.add.shape[0] == 1 and add[0] == _ZERO:
        for i in range(g.shape[0]):
            q = _step(p, first + i, g[i], way[i])
            moved = _within(p, first + i, g[i] + way[i] * (q * (_ONE + std[i] * xi[i])))
            g[i] = moved if n[i] > k else g[i]
        return
    for i in range(g.shape[0]):
        strength = cells.up if way[i] > _ZERO else cells.down
        moved = _moved(p, first + i, g[i], way[i], strength, std[i], add[i], xi[i])
        g[i] = moved if n[i] > k else g[i]


@compiled
def _few(cells: Any, block: Any, pulses: Any, first: Any, k: Any, w: Any) -> None:
    """Rounds from k on, of the few cells that are still in them."""
    n, index, places = block.n, block.index, block.places
    some = 0
    for i in range(w):
        index[some] = i
        some += n[i] > k
    while some > 0:
        for a in range(some):
            places[a] = np.uint64(pulses[index[a]] + k)
        for a in range(some):
            block.bits[a] = bits_of(key_of(cells.root, first + index[a]), places[a])
        for a in range(some):
            block.xi[a] = normal_of(block.bits[a])
        k += 1
        some = _step_some(cells, block, first, k, some)


@compiled
def _step_some(cells: Any, block: Any, first: Any, k: Any, some: Any) -> Any:
    """A pulse on each cell of the index; returns how many get more than k."""
    g, index, left = cells.g, block.index, 0
    for a in range(some):
        i = np.uint32(index[a])
        j, way = first + i, block.way[i]
        strength = cells.up if way > _ZERO else cells.down
        g[j] = _moved(cells.p, j, g[j], way, strength, block.std[i], block.add[i], block.xi[a])
        index[left] = i
        left += block.n[i] > k
    return left


@compiled
def _pulse(cells: Any, j: Any, way: Any) -> None:
    """One pulse on one cell."""
    n = cells.pulses[j]
    cells.pulses[j] = n + 1
    if cells.endurance.shape[0] > 0 and n >= cells.endurance[j]:
        return
    std, add = cells.std[min(j, cells.std.shape[0] - 1)], cells.add[min(j, cells.add.shape[0] - 1)]
    strength = cells.up if way > _ZERO else cells.down
    xi = draw(cells.root, j, n)
    cells.g[j] = _moved(cells.p, j, cells.g[j], way, strength, std, add, xi)


@compiled
def _moved(p: Any, j: Any, g: Any, way: Any, strength: Any, std: Any, add: Any, xi: Any) -> Any:
    """Conductance of cell j after one pulse; ``way`` is 1 or -1."""
    q = _step(p, j, g, way) * strength
    return _within(p, j, g + way * (q * (_ONE + std * xi) + add * xi))


@compiled
def _step(p: Any, j: Any, g: Any, way: Any) -> Any:
    """Mean step of cell j."""
    cell = np.uint64(j)
    up, down = np.float32(q_up(p, cell, g)), np.float32(q_down(p, cell, g))
    return up if way > _ZERO else down


@compiled
def _within(p: Any, j: Any, g: Any) -> Any:
    """Between the bounds of cell j."""
    cell = np.uint64(j)
    return min(max(g, p[0][cell]), p[1][cell])
