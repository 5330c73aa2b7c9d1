"""How often lines fire together: counted in numpy, or compiled where that is loaded anyway."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .compiled import direct, worth_compiling

_SPARSE = 8
"""A crossing that is listed costs as much as so many cells of which each is looked at."""


def add_crossings(
    total: NDArray[np.int64], rows: NDArray[np.uint64], columns: NDArray[np.uint64]
) -> None:
    """Add how often lines fire together, sample by sample.

    Args:
        total: ``(rows, columns)``, contiguous.
        rows: trains ``(samples, rows)``, contiguous.
        columns: trains ``(samples, columns)``, contiguous.
    """
    if worth_compiling(len(rows) * total.size):
        _compiled()(total, rows, columns)
    else:
        _add(total, rows, columns)


def _add(total: NDArray[np.int64], rows: NDArray[np.uint64], columns: NDArray[np.uint64]) -> None:
    """Only lines that do fire, where they are few."""
    (sample, row), (of_sample, column) = np.nonzero(rows), np.nonzero(columns)
    firing = np.bincount(of_sample, minlength=len(columns))
    many = firing[sample]
    if many.sum() * _SPARSE > len(rows) * total.size:
        dense = np.zeros(total.shape, np.int32)
        for row_train, column_train in zip(rows, columns, strict=True):
            dense += np.bitwise_count(row_train[:, None] & column_train[None, :])
        total += dense
        return
    # Of every row that fires, the columns that fire in its sample lie side by side.
    ahead = (np.cumsum(firing) - firing)[sample] - (np.cumsum(many) - many)
    which = np.arange(int(many.sum())) + np.repeat(ahead, many)
    both = np.repeat(rows[sample, row], many) & columns[of_sample, column][which]
    cells = np.repeat(row * total.shape[1], many) + column[which]
    # Of the same type, or numpy adds them the slow way.
    np.add.at(total.reshape(-1), cells, np.bitwise_count(both).astype(total.dtype))


@cache
def _compiled() -> Callable[..., None]:
    from .crossings_kernel import add  # compiles

    trains = np.zeros((1, 1), np.uint64)
    trains.setflags(write=False)
    return direct(add, np.zeros((1, 1), np.int64), trains, trains)
