"""Limits of a chip, and the guard that holds every pulse and read against them.

The guard sits inside ``Crossbar`` itself, below every caller and above every driver: there is no
crossbar without one, so there is nothing to bypass. It refuses; it never clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from .conditions import PulseConditions, ReadCondition
from .errors import LimitError
from .pulses import PulseProgram
from .units import with_unit
from .wear import WearLedger

__all__ = ["Guard", "Limits", "WearLedger"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a chip may be given. The default allows everything (a twin cannot be hurt).

    Attributes:
        voltage: largest pulse amplitude, V.
        width: longest pulse, s.
        read_voltage: largest voltage of a read or a product, V.
        current: compliance that instruments are set to, A.
        duty_cycle: largest share of time under voltage during a train, 0 to 1.
        pulses_per_program: most pulses one cell may get in one program.
        pulses_per_cell: most pulses one cell may get in its life; kept in a wear ledger.
    """

    voltage: float = inf
    width: float = inf
    read_voltage: float = inf
    current: float = inf
    duty_cycle: float = 1.0
    pulses_per_program: float = inf
    pulses_per_cell: float = inf

    def check_conditions(self, conditions: PulseConditions) -> None:
        """Refuse pulses beyond voltage, width or duty cycle.

        Raises:
            LimitError: says which pulse and which limit.
        """
        if not conditions.rest >= 0:
            raise LimitError(f"a rest of {with_unit(conditions.rest, 's')} after a pulse cannot be")
        for name, pulse in (("up", conditions.up), ("down", conditions.down)):
            if not abs(pulse.amplitude) <= self.voltage:
                raise LimitError(
                    f"the {name} pulse of {with_unit(pulse.amplitude, 'V')} is beyond"
                    f" limits.voltage, {with_unit(self.voltage, 'V')}"
                )
            if not 0 < pulse.width <= self.width:
                raise LimitError(
                    f"the {name} pulse of {with_unit(pulse.width, 's')} is beyond"
                    f" limits.width, {with_unit(self.width, 's')}"
                )
            duty = pulse.width / (pulse.width + conditions.rest)
            if not duty <= self.duty_cycle:
                raise LimitError(
                    f"{name} pulses with a rest of {with_unit(conditions.rest, 's')} have a duty"
                    f" cycle of {duty:.3g}, beyond limits.duty_cycle, {self.duty_cycle:g}"
                )

    def check_read(self, voltage: float) -> None:
        """Refuse a read beyond ``read_voltage``.

        Raises:
            LimitError: says both voltages.
        """
        if not abs(voltage) <= self.read_voltage:
            raise LimitError(
                f"a read at {with_unit(voltage, 'V')} is beyond limits.read_voltage,"
                f" {with_unit(self.read_voltage, 'V')}"
            )


class Guard:
    """Admits or refuses, before a byte leaves.

    Args:
        limits: what the chip may be given.
        conditions: the bench's own pulses, used by programs that bring none.
        reading: the bench's read.
        ledger: life-time pulse counts.

    Raises:
        LimitError: the bench's own conditions are beyond its limits.
    """

    def __init__(
        self,
        limits: Limits,
        conditions: PulseConditions,
        reading: ReadCondition,
        ledger: WearLedger,
    ) -> None:
        self.limits, self.ledger = limits, ledger
        self._default = conditions
        limits.check_conditions(conditions)
        limits.check_read(reading.voltage)

    def admit(self, program: PulseProgram, shape: tuple[int, int]) -> None:
        """Book the program's pulses, or refuse all of it.

        Raises:
            LimitError: wrong shape, pulses beyond the limits, too many pulses on a cell.
        """
        if program.shape != shape:
            raise LimitError(f"the program is for a crossbar of {program.shape}, this is {shape}")
        if program.conditions is not None:
            self.limits.check_conditions(program.conditions)
        limits = self.limits
        unbounded = limits.pulses_per_cell == inf and program.at_most <= limits.pulses_per_program
        if unbounded and self.ledger.path is None:
            self.ledger.note(program)
            return
        per_cell = program.per_cell
        row, column = divmod(int(per_cell.argmax()), shape[1])
        if not per_cell[row, column] <= self.limits.pulses_per_program:
            raise LimitError(
                f"cell (row {row}, column {column}) would get {per_cell[row, column]} pulses in"
                f" one program, beyond limits.pulses_per_program,"
                f" {self.limits.pulses_per_program:g}"
            )
        self._admit_wear(per_cell)

    def _admit_wear(self, pulses: NDArray[np.int64]) -> None:
        after = self.ledger.pulses + pulses
        over = (after > self.limits.pulses_per_cell) & (pulses > 0)
        if over.any():
            row, column = map(int, np.argwhere(over)[0])
            raise LimitError(
                f"cell (row {row}, column {column}) would reach {after[row, column]} pulses in its"
                f" life, beyond limits.pulses_per_cell, {self.limits.pulses_per_cell:g}"
                f" ({int(over.sum())} cells in all)"
            )
        self.ledger.book(pulses)
