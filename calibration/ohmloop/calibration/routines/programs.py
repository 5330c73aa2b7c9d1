"""Pulse programs that several routines use."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import CellPulses


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


def portions(pulses: int, per_read: int) -> Iterator[int]:
    """A train in portions, after each of which the cells are read."""
    for start in range(0, pulses, per_read):
        yield min(per_read, pulses - start)
