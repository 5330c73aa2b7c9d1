"""What a routine costs a chip and the people who wait for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ohmloop.drivers import Crossbar

_MESSAGE = 1e-3  # s: a round trip on a local network
_LINE_CYCLE = 0.02  # s, at 50 Hz


@dataclass(frozen=True, slots=True)
class Cost:
    """What a routine does at most.

    Attributes:
        programs: pulse programs sent; each is at least one message to the instruments.
        maps: readings of many cells at once: maps, rows of currents, products.
        pulses: pulses a cell, averaged over all cells of the crossbar.
        reads: readings a cell, averaged over all cells of the crossbar.
        waiting: time in which nothing is done, s.
        most_pulses: most that any one cell can get; by default ``pulses``, rounded up.
        most_per_program: most that any one cell can get in one program.
        key: the parameter that a ``most_per_program`` beyond the limits is due to.
    """

    programs: int = 0
    maps: int = 0
    pulses: float = 0.0
    reads: float = 0.0
    waiting: float = 0.0
    most_pulses: int = 0
    most_per_program: int = 0
    key: str = ""

    @property
    def steps(self) -> int:
        """Programs and maps: what progress is counted in."""
        return self.programs + self.maps

    @property
    def life(self) -> int:
        """Most pulses that any one cell can get."""
        return self.most_pulses or math.ceil(self.pulses)

    @property
    def actions(self) -> float:
        """Pulses and reads a cell: what the time on a bench goes by."""
        return self.pulses + self.reads

    def __add__(self, other: Cost) -> Cost:
        """One after the other."""
        return Cost(
            self.programs + other.programs,
            self.maps + other.maps,
            self.pulses + other.pulses,
            self.reads + other.reads,
            self.waiting + other.waiting,
            self.life + other.life,
            max(self.most_per_program, other.most_per_program),
        )

    def seconds(self, pace: Pace) -> float:
        """Time it takes, s."""
        acting = pace.cells * (self.pulses * pace.pulse + self.reads * pace.read)
        return acting + self.steps * pace.message + self.waiting


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a bench is.

    Attributes:
        cells: of the crossbar.
        pulse: time of a pulse of one cell, s.
        read: time of reading one cell, s.
        message: time of a message beside that, s.
    """

    cells: int
    pulse: float
    read: float
    message: float = _MESSAGE

    @classmethod
    def expected(cls, crossbar: Crossbar) -> Pace:
        """By the bench file: one cell after the other, everything as slow as it is set."""
        cells = crossbar.shape[0] * crossbar.shape[1]
        reading = crossbar.reading
        return cls(cells, crossbar.conditions.slot, reading.settle + reading.nplc * _LINE_CYCLE)

    def corrected(self, pulses: Timed, reads: Timed) -> Pace:
        """By what was measured so far, where it was."""
        pulse, read = pulses.each, reads.each
        known = pulse is not None and read is not None
        return Pace(
            self.cells,
            self.pulse if pulse is None else pulse,
            self.read if read is None else read,
            0.0 if known else self.message,  # the messages are in the figures
        )


@dataclass(slots=True)
class Timed:
    """Time that something took in all: ``count`` of it, ``seconds``."""

    count: float = 0.0
    seconds: float = 0.0

    def add(self, count: float, seconds: float) -> None:
        """Some more of it."""
        self.count += count
        self.seconds += seconds

    @property
    def each(self) -> float | None:
        """Time of one, s; None where there was none yet."""
        return self.seconds / self.count if self.count else None


def words(seconds: float) -> str:
    """A time for people, such as ``3.5 min``."""
    if seconds < 1:
        return "less than a second"
    unit, size = next(
        (pair for pair in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)) if seconds >= 2 * pair[1]),
        ("s", 1.0),
    )
    return f"{seconds / size:.2g} {unit}" if seconds < 10 * size else f"{seconds / size:.0f} {unit}"


def as_dict(cost: Cost, pace: Pace) -> dict[str, Any]:
    """For machines: figures and the time, s."""
    return {
        "programs": cost.programs,
        "maps": cost.maps,
        "pulses_a_cell": cost.pulses,
        "most_pulses_a_cell": cost.life,
        "reads_a_cell": cost.reads,
        "waiting_s": cost.waiting,
        "seconds": cost.seconds(pace),
    }
