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
_FEW = 4
"""A round with less than one cell in so many is gathered."""
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
    """What is worked out for a block: pulses given, those that move, their way, draws."""

    given: Any
    n: Any
    way: Any
    std: Any
    add: Any
    keys: Any
    bits: Any
    xi: Any
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
    width, block, total = columns[0].shape[1], _new_block(), 0
    for row in range(start, stop):
        for column in range(0, width, BLOCK):
            w, first = min(BLOCK, width - column), row * width + column
            fresh = True
            for b in range(rows[0].shape[0]):
                if rows[0][b, row] == 0:
                    continue
                here = (columns[0][b, column : column + w], columns[1][b, column : column + w])
                fire = _coincide(cells, block, rows[0][b, row], rows[1][b, row], here, w)
                if fire == 0:
                    continue
                if fresh:
                    _prepare(cells, block, first, w)
                    fresh = False
                _pulse_block(cells, block, first, w)
                total += fire
    return total


@compiled
def counts(cells: Any, signed: Any, start: Any, stop: Any) -> Any:
    """Signed counts ``signed`` (int32, one a cell) on cells ``start`` to ``stop``."""
    block, total = _new_block(), 0
    for first in range(start, stop, BLOCK):
        w, fire = min(BLOCK, stop - first), 0
        for i in range(w):
            count = signed[first + i]
            block.way[i] = _ONE if count > 0 else -_ONE
            strength = cells.up if count > 0 else cells.down
            block.given[i] = abs(count) if strength != _ZERO else 0
            fire += block.given[i]
        if fire > 0:
            _prepare(cells, block, first, w)
            _pulse_block(cells, block, first, w)
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
def _new_block() -> Any:
    return Block(
        np.empty(BLOCK, np.int32),
        np.empty(BLOCK, np.int32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.uint64),
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK + 1, np.int32),
    )


@compiled
def _coincide(cells: Any, block: Any, train: Any, sign: Any, columns: Any, w: Any) -> Any:
    """Pulses of one sample for a block; returns how many."""
    trains, signs = columns
    given, way, total = block.given, block.way, 0
    for i in range(w):
        given[i] = np.int32(_popcount(train & trains[i]))
        way[i] = np.float32(sign * signs[i])
    if cells.up == _ZERO or cells.down == _ZERO:
        for i in range(w):
            given[i] = given[i] if (cells.up if way[i] > _ZERO else cells.down) != _ZERO else 0
    for i in range(w):
        total += given[i]
    return total


@compiled
def _prepare(cells: Any, block: Any, first: Any, w: Any) -> None:
    """What a block's cells bring with them."""
    keys = block.keys
    for i in range(w):
        keys[i] = key_of(cells.root, first + i)
    _fill(block.std, cells.std, first, w)
    _fill(block.add, cells.add, first, w)


@compiled
def _fill(out: Any, values: Any, first: Any, w: Any) -> None:
    """A map's block, where one value may stand for all cells."""
    if values.shape[0] == 1:
        out[:w] = values[0]
    else:
        out[:w] = values[first : first + w]


@compiled
def _pulse_block(cells: Any, block: Any, first: Any, w: Any) -> None:
    """``given`` pulses on every cell of a block."""
    n, given, most = block.n, block.given, 0
    pulses = cells.pulses[first : first + w]
    for i in range(w):
        n[i] = given[i]
    if cells.endurance.shape[0] > 0:
        left = cells.endurance[first : first + w]
        for i in range(w):
            n[i] = min(n[i], max(left[i] - pulses[i], 0))
    for i in range(w):
        most = max(most, n[i])
    for k in range(most):
        active = 0
        for i in range(w):
            active += n[i] > k
        if active * _FEW < w:
            _few(cells, block, pulses, first, k, w)
            break
        _round(cells, block, pulses, first, k, w)
    for i in range(w):
        pulses[i] += given[i]


@compiled
def _round(cells: Any, block: Any, pulses: Any, first: Any, k: Any, w: Any) -> None:
    """Round k of a whole block."""
    _draw_all(block.keys, pulses, k, block.bits, w)
    _normals(block.bits, block.xi, w)
    _step_all(
        cells.g[first : first + w],
        cells.p,
        first,
        block.n,
        k,
        block.way,
        cells.up,
        cells.down,
        block.std,
        block.add,
        block.xi,
    )


@compiled
def _draw_all(keys: Any, pulses: Any, k: Any, bits: Any, w: Any) -> None:
    for i in range(w):
        bits[i] = bits_of(keys[i], pulses[i] + k)


@compiled
def _normals(bits: Any, xi: Any, w: Any) -> None:
    for i in range(w):
        xi[i] = normal_of(bits[i])


@compiled
def _step_all(
    g: Any,
    p: Any,
    first: Any,
    n: Any,
    k: Any,
    way: Any,
    up: Any,
    down: Any,
    std: Any,
    add: Any,
    xi: Any,
) -> None:
    for i in range(g.shape[0]):
        strength = up if way[i] > _ZERO else down
        moved = _moved(p, first + i, g[i], way[i], strength, std[i], add[i], xi[i])
        g[i] = moved if n[i] > k else g[i]


@compiled
def _few(cells: Any, block: Any, pulses: Any, first: Any, k: Any, w: Any) -> None:
    """Rounds from k on, of the few cells that are still in them."""
    n, index = block.n, block.index
    some = 0
    for i in range(w):
        index[some] = i
        some += n[i] > k
    while some > 0:
        _draw_some(block.keys, pulses, k, index, block.bits, some)
        _normals(block.bits, block.xi, some)
        k += 1
        some = _step_some(cells, block, first, k, some)


@compiled
def _draw_some(keys: Any, pulses: Any, k: Any, index: Any, bits: Any, some: Any) -> None:
    for a in range(some):
        i = np.uint32(index[a])
        bits[a] = bits_of(keys[i], pulses[i] + k)


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
    cell = np.uint64(j)
    up, down = np.float32(q_up(p, cell, g)), np.float32(q_down(p, cell, g))
    q = (up if way > _ZERO else down) * strength
    moved = g + way * (q * (_ONE + std * xi) + add * xi)
    return min(max(moved, p[0][cell]), p[1][cell])
