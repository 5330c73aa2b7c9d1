"""How a pulse and a read look electrically: amplitudes, widths, rests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PulseShape:
    """One rectangular voltage pulse, row against column.

    Attributes:
        amplitude: signed, V.
        width: s.
    """

    amplitude: float
    width: float


@dataclass(frozen=True, slots=True)
class PulseConditions:
    """What *up* and *down* mean on a bench.

    Attributes:
        up: the pulse that raises conductance.
        down: the pulse that lowers it.
        rest: time at 0 V after every pulse, s.
    """

    up: PulseShape
    down: PulseShape
    rest: float

    @property
    def slot(self) -> float:
        """Time from one pulse to the next, s: the wider pulse and the rest."""
        return max(self.up.width, self.down.width) + self.rest


@dataclass(frozen=True, slots=True)
class ReadCondition:
    """How a cell is read.

    Attributes:
        voltage: V, row against column.
        settle: wait after the lines are selected, s.
        nplc: integration time in power-line cycles.
    """

    voltage: float
    settle: float = 0.0
    nplc: float = 0.1
