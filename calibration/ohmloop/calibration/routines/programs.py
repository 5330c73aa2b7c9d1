"""Pulse programs that several routines use."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import CellPulses, CoincidencePulses


def uniform(shape: tuple[int, int], pulses: int) -> CellPulses:
    """The same pulses for every cell; positive = up."""
    return CellPulses(np.full(shape, pulses, np.int32))


def chosen(
    shape: tuple[int, int], pulses: int, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> CellPulses:
    """The same pulses for the cells at some crossings, none for the others."""
    counts = np.zeros(shape, np.int32)
    counts[np.ix_(rows, columns)] = pulses
    return CellPulses(counts)


def alternation(shape: tuple[int, int], signs: NDArray[np.int64]) -> CoincidencePulses:
    """Single pulses of all cells, one after the other, in one program."""
    batch = signs.size
    return CoincidencePulses(
        row_trains=np.ones((batch, shape[0]), np.uint64),
        column_trains=np.ones((batch, shape[1]), np.uint64),
        row_signs=np.repeat(signs[:, None], shape[0], axis=1).astype(np.int8),
        column_signs=np.ones((batch, shape[1]), np.int8),
        length=1,
    )


def portions(pulses: int, per_read: int) -> Iterator[int]:
    """A train in portions, after each of which the cells are read."""
    for start in range(0, pulses, per_read):
        yield min(per_read, pulses - start)
