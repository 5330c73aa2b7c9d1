"""From programs, reads and products to operations on lines.

Half-voltage scheme: a line that fires carries half of the pulse, rows one half and columns the
other, all other lines are held at 0 V. Cells at the crossings see the whole pulse, the others of a
firing line half of it, and no other cell anything; no line ever floats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.conditions import PulseConditions, PulseShape
from ohmloop.drivers.errors import ProgramError
from ohmloop.drivers.limits import Limits
from ohmloop.drivers.pulses import CoincidencePulses, PulseProgram
from ohmloop.drivers.units import with_unit

from .channels import CHANNELS, mask_of
from .operations import LONGEST_FAST, SHORTEST_FAST, Levels, Measurement, Pulses
from .words import to_codes

_FAST_STEP, _SLOW_STEP = 10, 20  # ns
_LONGEST = 20 * 0xFFFFFFFF  # of one delay, ns
_SETTLE = 30_000  # after a converter has moved, ns
_TOLERANCE = 0.01  # of a pulse's width that its rounding may cost
Lines = NDArray[np.intp]


class Planner:
    """Plans for one chip.

    Args:
        rows: channel of each row.
        columns: channel of each column.
        limits: no code and no width is ever rounded beyond them.
    """

    def __init__(self, rows: list[int], columns: list[int], limits: Limits) -> None:
        self.rows, self.columns = np.array(rows, np.intp), np.array(columns, np.intp)
        self._limits = limits

    def amplitude(self, pulse: PulseShape) -> tuple[int, int]:
        """Codes of the rows and of the columns that fire: together the amplitude, to one code."""
        code = int(to_codes(pulse.amplitude, min(self._limits.voltage, 10.0)))
        column = -int(code / 2)
        return code + column, column

    def width(self, pulse: PulseShape) -> int:
        """The pulse's width, ns, on the grid of what makes it and never beyond the limit.

        Raises:
            ProgramError: too short or too long for the board, or far off its grid.
        """
        wanted = pulse.width * 1e9
        fast = wanted < LONGEST_FAST + 0.5
        step = _FAST_STEP if fast else _SLOW_STEP
        width = round(wanted / step) * step
        if width > self._limits.width * 1e9 * (1 + 1e-12):
            width -= step
        if not SHORTEST_FAST <= width <= _LONGEST or abs(width - wanted) > _TOLERANCE * wanted:
            raise ProgramError(
                f"a pulse of {with_unit(pulse.width, 's')}: this board makes 40 ns to 500 ms in"
                " steps of 10 ns, and longer ones, up to 85 s, in steps of 20 ns"
            )
        return width

    def check(self, conditions: PulseConditions) -> None:
        """Refuse pulses that the board cannot make.

        Raises:
            ProgramError: says which.
        """
        for pulse in (conditions.up, conditions.down):
            if abs(pulse.amplitude) >= 10.0:
                raise ProgramError(
                    f"a pulse of {with_unit(pulse.amplitude, 'V')}: this board makes less than 10 V"
                )
            if not any(self.amplitude(pulse)):
                raise ProgramError(f"a pulse of {with_unit(pulse.amplitude, 'V')} is no code")
            self.width(pulse)

    def pulses(self, program: PulseProgram, conditions: PulseConditions) -> Iterator[Pulses]:
        """A program as pulses of lines; within each cell in the program's order.

        Raises:
            ProgramError: pulses that the board cannot make.
        """
        self.check(conditions)
        if isinstance(program, CoincidencePulses):
            yield from self._coincidences(program, conditions)
        else:
            yield from self._cells(program, conditions)

    def _cells(self, program: PulseProgram, c: PulseConditions) -> Iterator[Pulses]:
        """Row by row: all columns of a row that still want a pulse get it together."""
        make = self._maker(c)
        for step in program.counts():
            for sign in (1, -1):
                for row, counts in zip(self.rows.tolist(), step * sign, strict=True):
                    done = 0
                    for most in np.unique(counts[counts > 0]).tolist():
                        columns = self.columns[counts >= most].tolist()
                        yield make([row], columns, sign > 0, most - done)
                        done = most

    def _coincidences(self, program: CoincidencePulses, c: PulseConditions) -> Iterator[Pulses]:
        """Sample by sample, in four phases: lines of both signs cannot fire together.

        Slots in which a phase's rows or columns are all silent pulse no cell: they are left out.
        """
        make = self._maker(c)
        for sample in range(program.batch):
            rows = _by_slot(program.row_trains[sample], program.length)
            columns = _by_slot(program.column_trains[sample], program.length)
            for row_sign in (1, -1):
                r = _channels(rows & (program.row_signs[sample] == row_sign), self.rows)
                for column_sign in (1, -1):
                    mine = program.column_signs[sample] == column_sign
                    k = _channels(columns & mine, self.columns)
                    for fired in zip(r, k, strict=True):
                        if all(fired):
                            yield make(*fired, row_sign == column_sign, 1)

    def _maker(self, c: PulseConditions) -> Callable[[list[int], list[int], bool, int], Pulses]:
        """What makes pulses of channels of rows and of columns that fire, up or down, so often."""
        shapes = {
            up: (*self.amplitude(p), self.width(p)) for up, p in ((True, c.up), (False, c.down))
        }
        pause = round(c.rest * 1e9)

        def make(rows: list[int], columns: list[int], up: bool, count: int) -> Pulses:
            row, column, width = shapes[up]
            levels = [0] * CHANNELS
            for channel in rows:
                levels[channel] = row
            for channel in columns:
                levels[channel] = column
            return Pulses(tuple(levels), width, pause, count, len(rows) * len(columns))

        return make

    def slices(
        self, rows: Lines, columns: Lines, voltage: float, settle: float
    ) -> tuple[list[Measurement], int]:
        """Measurements of cells, a line at a time, the fewer lines driven; and the code applied.

        Row minus column is ``voltage``: where columns are driven, they carry its opposite.
        """
        code = int(to_codes(voltage, min(self._limits.read_voltage, 9.9)))
        if rows.size <= columns.size:
            driven, sensed, level = self.rows[rows], self.columns[columns], code
        else:
            driven, sensed, level = self.columns[columns], self.rows[rows], -code
        mask, wait = mask_of(sensed.tolist()), _wait(settle)
        return [Measurement(_one(line, level), mask, wait) for line in driven.tolist()], code

    def products(
        self, volts: NDArray[np.float64], driven: Lines, sensed: Lines, settle: float
    ) -> list[Measurement]:
        """Measurements of products: ``driven`` channels at ``volts`` ``(batch, driven)``."""
        codes = to_codes(volts, min(self._limits.read_voltage, 9.9))
        levels = np.zeros((len(volts), CHANNELS), np.int64)
        levels[:, driven] = codes
        mask, wait = mask_of(sensed.tolist()), _wait(settle)
        return [Measurement(tuple(row), mask, wait) for row in levels.tolist()]


def _by_slot(trains: NDArray[np.uint64], length: int) -> NDArray[np.bool_]:
    """Which lines fire in which slot, ``(slots, lines)``."""
    slots = np.arange(length, dtype=np.uint64)[:, None]
    fires: NDArray[np.bool_] = (trains >> slots & np.uint64(1)).astype(bool)
    return fires


def _channels(fires: NDArray[np.bool_], channels: Lines) -> list[list[int]]:
    """Channels that fire, slot by slot."""
    slots, lines = np.nonzero(fires)
    found = channels[lines].tolist()
    ends = np.searchsorted(slots, np.arange(1, len(fires) + 1)).tolist()
    return [found[start:end] for start, end in pairwise([0, *ends])]


def _one(channel: int, code: int) -> Levels:
    levels = [0] * CHANNELS
    levels[channel] = code
    return tuple(levels)


def _wait(settle: float) -> int:
    return max(_SETTLE, round(settle * 1e9))
