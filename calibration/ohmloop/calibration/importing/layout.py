"""From rows in a file to steps of cells: who is where, what follows on what."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

from .columns import Columns

Index = NDArray[np.intp]
LARGEST = 200_000_000
"""Steps times cells that a table may span."""
_LINES = 65_536


@dataclass(frozen=True, slots=True)
class Layout:
    """Where every row of a table goes.

    Attributes:
        shape: rows and columns of the crossbar.
        labels: what the file calls the cells, in order; empty where it gives rows and columns.
        cell: flat cell of every row, ``(rows,)``.
        step: step of every row, ``(rows,)``.
        steps: how many there are.
        fresh: steps at which a run begins, ``(steps,)``.
        uneven: how many cells have fewer readings than others.
    """

    shape: tuple[int, int]
    labels: tuple[str, ...]
    cell: Index
    step: Index
    steps: int
    fresh: NDArray[np.bool_]
    uneven: int


def layout_of(columns: Columns) -> Layout:
    """Rows of a cell follow one another as in the file; runs of all cells begin together.

    Raises:
        BadInputError: rows of a cell out of order or twice; cells beyond what fits.
    """
    shape, labels, cell = _cells(columns)
    run = _runs(columns)
    order = np.lexsort((np.arange(cell.size), run, cell))
    _check_order(columns, cell, run, order)
    first = np.r_[True, (np.diff(cell[order]) != 0) | (np.diff(run[order]) != 0)]
    starts = np.flatnonzero(first)
    lengths = np.diff(np.r_[starts, cell.size])
    place = np.arange(cell.size) - np.repeat(starts, lengths)
    longest = np.zeros(int(run.max()) + 1, np.intp)
    np.maximum.at(longest, run[order][starts], lengths)
    begin = np.r_[0, np.cumsum(longest)]
    step = np.empty(cell.size, np.intp)
    step[order] = begin[run[order]] + place
    steps = int(begin[-1])
    if steps * math.prod(shape) > LARGEST:
        raise BadInputError(
            f"{columns.table.path}: {steps} steps of {shape[0]} x {shape[1]} cells are too many;"
            " keep fewer, or name cells in a column 'cell' in place of row and column"
        )
    fresh = np.zeros(steps, bool)
    fresh[begin[:-1]] = True
    readings = np.bincount(cell, minlength=math.prod(shape))
    uneven = int(((readings > 0) & (readings < steps)).sum())
    return Layout(shape, labels, cell, step, steps, fresh, uneven)


def _cells(columns: Columns) -> tuple[tuple[int, int], tuple[str, ...], Index]:
    if "row" in columns and "column" in columns:
        row, column = (columns.counts(name, 0, _LINES - 1) for name in ("row", "column"))
        shape = int(row.max()) + 1, int(column.max()) + 1
        flat: Index = (row * shape[1] + column).astype(np.intp)
        _check_named_once(columns, flat)
        return shape, (), flat
    if "row" in columns or "column" in columns:
        there, lacks = ("row", "column") if "row" in columns else ("column", "row")
        raise columns.missing(f"there is a column {there!r}, but no column {lacks!r}")
    if "cell" not in columns:
        return (1, 1), (), np.zeros(len(columns.table.rows), np.intp)
    names = columns.texts("cell")
    labels = tuple(dict.fromkeys(names))
    number = {label: i for i, label in enumerate(labels)}
    return (1, len(labels)), labels, np.array([number[name] for name in names], np.intp)


def _check_named_once(columns: Columns, flat: Index) -> None:
    """Where cells have names and places, each name has one place."""
    if "cell" not in columns:
        return
    names: dict[str, int] = {}
    places: dict[int, str] = {}
    for label, place, (line, _) in zip(
        columns.texts("cell"), flat.tolist(), columns.table.rows, strict=True
    ):
        if names.setdefault(label, place) != place or places.setdefault(place, label) != label:
            raise BadInputError(
                f"{columns.table.path}: line {line}: cell {label!r} is at two places, or two cells"
                " are at one"
            )


def _runs(columns: Columns) -> Index:
    """Number of the run of every row, in the order of the file."""
    if "run" not in columns:
        return np.zeros(len(columns.table.rows), np.intp)
    names = columns.texts("run")
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], np.intp)


def _check_order(columns: Columns, cell: Index, run: Index, order: Index) -> None:
    """Time, and the step within a cycle, go on from row to row of a cell."""
    same = (np.diff(cell[order]) == 0) & (np.diff(run[order]) == 0)
    if "time" in columns:
        _check_rising(columns, "time", columns.numbers("time")[order], same, order)
    if "step" in columns:
        if "cycle" in columns:
            same &= np.diff(columns.counts("cycle")[order]) == 0
        steps = columns.counts("step").astype(float)[order]
        _check_rising(columns, "step", steps, same, order)


def _check_rising(
    columns: Columns, name: str, values: NDArray[np.float64], same: NDArray[np.bool_], order: Index
) -> None:
    change = np.diff(values)
    wrong = same & (change <= 0)
    if not wrong.any():
        return
    at = int(wrong.argmax())
    before, line = (columns.table.rows[int(order[k])][0] for k in (at, at + 1))
    problem = (
        f"a cell has two readings at the same {name}: are there two of the same name, or two runs?"
        " (a column 'run' tells them apart)"
        if change[at] == 0
        else f"{name} goes back; sort the rows, or tell runs apart in a column 'run'"
    )
    raise BadInputError(f"{columns.table.path}: lines {before} and {line}: {problem}")
