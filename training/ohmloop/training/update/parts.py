"""Programs in parts: cut to what a chip allows in one, and without the cells that are spared."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import CoincidencePulses, PulseProgram, RunPulses


def split(program: PulseProgram, most: float) -> Iterator[PulseProgram]:
    """Cut a program so that no cell gets more than ``most`` pulses in a part.

    Trains are cut between samples, and a single sample is never cut; a rule that is told ``most``
    keeps each one within it. Other programs are cut anywhere.

    Yields:
        Programs that have the same effect one after the other.
    """
    if _within(program, most):
        yield program
    elif not isinstance(program, CoincidencePulses):
        yield from _cut(program, int(most))
    else:
        half = program.batch // 2
        for part in (slice(0, half), slice(half, None)):
            yield from split(_samples(program, part), most)


def spared(program: PulseProgram, usable: NDArray[np.bool_]) -> RunPulses | None:
    """The same update without the cells that must not be pulsed, for one cell at a time.

    Args:
        program: trains know of lines alone, so they become runs.
        usable: cells that may be pulsed, ``(rows, columns)``.

    Returns:
        The runs of the others, in their order; None where nothing is left.
    """
    runs = program.runs
    kept = usable.ravel()[runs.cells]
    if not kept.any():
        return None
    cells, counts = runs.cells[kept].astype(np.int32), runs.counts[kept]
    return RunPulses(cells, counts, *usable.shape, conditions=program.conditions)


def _within(program: PulseProgram, most: float) -> bool:
    if isinstance(program, CoincidencePulses):
        if program.batch == 1 or program.length * program.batch <= most:
            return True
    elif most == np.inf:
        return True
    return bool(program.per_cell.max() <= most)


def _cut(program: PulseProgram, most: int) -> Iterator[RunPulses]:
    """Part k holds pulses ``k most`` to ``(k + 1) most`` of every cell."""
    runs = program.runs
    sizes = np.abs(runs.counts.astype(np.int64))
    ends = np.cumsum(sizes)
    first = np.ones(sizes.size, bool)
    first[1:] = runs.cells[1:] != runs.cells[:-1]
    before = np.maximum.accumulate(np.where(first, ends - sizes, 0))  # pulses of earlier cells
    starts, ends = ends - sizes - before, ends - before
    for low in range(0, int(ends.max()), most):
        inside = np.minimum(ends, low + most) - np.maximum(starts, low)
        kept = inside > 0
        counts = (inside * np.sign(runs.counts))[kept].astype(np.int32)
        cells = runs.cells[kept].astype(np.int32)
        yield RunPulses(cells, counts, *program.shape, conditions=program.conditions)


def _samples(program: CoincidencePulses, part: slice) -> CoincidencePulses:
    return CoincidencePulses(
        program.row_trains[part],
        program.column_trains[part],
        program.row_signs[part],
        program.column_signs[part],
        program.length,
        conditions=program.conditions,
    )
