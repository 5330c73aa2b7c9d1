"""Pulse programs as beats: which rows and columns fire together, in which direction, how often.

Half-voltage scheme: a firing row is at half the pulse, a firing column at minus half; a cell with
both sees all of it, a cell with one sees half, which leaves it alone. Lines of both signs cannot
fire together without pulsing the wrong cells, so every sample of a coincidence program is played
in four phases, one for each pair of signs. Slots without a coincidence are not played: they would
only disturb half-selected cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.pulses import CoincidencePulses, PulseProgram, PulseRuns

from .waveform import LIST_LENGTH

MOST_BEATS = 4096
"""Slots in one execution: what a channel's buffer holds with ease."""


@dataclass(frozen=True, slots=True)
class Beat:
    """Equal slots, one after the other.

    Attributes:
        rows: that fire.
        columns: that fire.
        up: direction.
        loops: how often.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    up: bool
    loops: int

    @property
    def cells(self) -> int:
        """Cells pulsed in each slot."""
        return len(self.rows) * len(self.columns)


@dataclass(frozen=True, slots=True)
class Part:
    """Beats of one execution."""

    beats: tuple[Beat, ...]

    @property
    def slots(self) -> int:
        """Slots played."""
        return sum(beat.loops for beat in self.beats)

    def pulses(self, slots: int | None = None) -> int:
        """Pulses that cells got when ``slots`` slots were played; all of them by default."""
        left, total = self.slots if slots is None else slots, 0
        for beat in self.beats:
            played = min(beat.loops, left)
            total += played * beat.cells
            left -= played
        return total


def lower(program: PulseProgram) -> list[Part]:
    """A program as executions, in order; none for a program without pulses."""
    if isinstance(program, CoincidencePulses):
        beats = _merged(_coincidences(program))
    else:
        beats = _cells(program.runs, program.shape[1])
    return list(_parts(beats))


def _coincidences(program: CoincidencePulses) -> Iterator[Beat]:
    slots = np.arange(program.length, dtype=np.uint64)
    for sample in range(program.batch):
        rows = _fires(program.row_trains[sample], slots)
        columns = _fires(program.column_trains[sample], slots)
        row_signs, column_signs = program.row_signs[sample], program.column_signs[sample]
        for row_sign in (1, -1):
            for column_sign in (1, -1):
                firing = rows & (row_signs == row_sign), columns & (column_signs == column_sign)
                yield from _phase(*firing, row_sign == column_sign)


def _fires(trains: NDArray[np.uint64], slots: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """``(slots, lines)``: whether a line fires in a slot."""
    return (trains >> slots[:, None] & np.uint64(1)).astype(bool)


def _phase(rows: NDArray[np.bool_], columns: NDArray[np.bool_], up: bool) -> Iterator[Beat]:
    for slot in np.flatnonzero(rows.any(axis=1) & columns.any(axis=1)):
        yield Beat(_indices(rows[slot]), _indices(columns[slot]), up, 1)


def _indices(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(mask).tolist())


def _cells(runs: PulseRuns, columns: int) -> Iterator[Beat]:
    """Row by row: its columns fire until each has had its pulses.

    Runs of one cell stay in order: the k-th run of every cell is played before any (k+1)-th.
    """
    first = np.r_[True, runs.cells[1:] != runs.cells[:-1]][: runs.cells.size]
    starts = np.flatnonzero(first)
    place = np.arange(runs.cells.size) - np.repeat(starts, np.diff(np.r_[starts, first.size]))
    for turn in range(int(place.max(initial=-1)) + 1):
        now = place == turn
        cells, counts = runs.cells[now], runs.counts[now]
        for row in np.unique(cells // columns):
            here = cells // columns == row
            yield from _row(int(row), cells[here] % columns, counts[here])


def _row(row: int, columns: NDArray[np.int64], counts: NDArray[np.int32]) -> Iterator[Beat]:
    for sign in (1, -1):
        wanted = np.maximum(sign * counts.astype(np.int64), 0)
        done = 0
        for level in np.unique(wanted[wanted > 0]).tolist():
            fire = tuple(columns[wanted >= level].tolist())
            yield Beat((row,), fire, sign > 0, level - done)
            done = level


def _merged(beats: Iterable[Beat]) -> Iterator[Beat]:
    """Equal neighbours as one."""
    last: Beat | None = None
    for beat in beats:
        if last is not None and replace(beat, loops=last.loops) == last:
            last = replace(last, loops=last.loops + beat.loops)
            continue
        if last is not None:
            yield last
        last = beat
    if last is not None:
        yield last


def _parts(beats: Iterable[Beat]) -> Iterator[Part]:
    """Cut where a list or a buffer would be full."""
    part: list[Beat] = []
    room = MOST_BEATS
    for beat in beats:
        left = beat.loops
        while left:
            if not room or len(part) == LIST_LENGTH - 1:  # one entry is the tag's
                yield Part(tuple(part))
                part, room = [], MOST_BEATS
            take = min(left, room)
            part.append(replace(beat, loops=take))
            left, room = left - take, room - take
    if part:
        yield Part(tuple(part))


def levels(beat: Beat, amplitude: float, shape: tuple[int, int]) -> Sequence[float]:
    """Voltage of every line, rows first, V."""
    rows, columns = shape
    half = amplitude / 2
    volts = [0.0] * (rows + columns)
    for row in beat.rows:
        volts[row] = half
    for column in beat.columns:
        volts[rows + column] = -half
    return volts
