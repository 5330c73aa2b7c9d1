"""A routed crossbar's parts: a matrix that selects, a pulser that plays, a meter that reads.

Three small protocols; instrument drivers fulfil them. The exactly-once rule is between
``Pulser.play`` and ``Pulser.after_doubt``: whoever plays must be able to say afterwards, from what
the instrument itself holds, what became of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ohmloop.drivers.conditions import PulseConditions, ReadCondition


class Evidence(Enum):
    """What an instrument's memory says of one train of pulses."""

    NOTHING = "it was surely not started"
    WHOLE = "all of it was applied"
    PART = "it stopped on the way"
    UNKNOWN = "nobody can tell"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one train.

    Attributes:
        evidence: how it ended.
        applied: pulses that the instrument counted; None where it counted none.
        clipped: runs of the train in which the source reached its limit.
        problem: what went wrong, in words.
    """

    evidence: Evidence
    applied: int | None
    clipped: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Route:
    """Crosspoints of the lines of a crossbar, for one source.

    Attributes:
        rows: what connects each row to the source, in order.
        columns: what connects each column to its return.
    """

    rows: Sequence[str]
    columns: Sequence[str]

    def points(self, row: int, column: int) -> tuple[str, str]:
        """What selects one cell."""
        return self.rows[row], self.columns[column]


class Part(Protocol):
    """An instrument of a routed crossbar. All methods raise ``InstrumentError``."""

    name: str

    @property
    def resource(self) -> str:
        """Where it answers."""

    @property
    def messages(self) -> int:
        """Messages sent to it so far."""

    def make_safe(self) -> None:
        """Off; works after a lost link too; raises where it is not off afterwards."""

    def close(self) -> None:
        """Let go of the link."""


class Matrix(Part, Protocol):
    """A switch matrix. Nothing here may be called while a source is on at more than 0 V."""

    def open_all(self) -> None:
        """Open everything and make sure of it; comes back after a lost link."""

    def select(self, points: Sequence[str]) -> bool:
        """Close exactly these, and make sure of it; comes back after a lost link.

        Returns:
            Whether the relays were still as the last call had left them.
        """

    def holds(self) -> bool:
        """Whether the relays are as the last call left them."""


class Meter(Part, Protocol):
    """What reads cells."""

    def prepare_meter(self, reading: ReadCondition) -> None:
        """Settings for reading; the output stays off. Comes back after a lost link."""

    def measure(self, voltage: float) -> float:
        """Settle at ``voltage`` (V), measure the current (A), and go back to 0 V.

        May be repeated: it moves no cell. Comes back after a lost link.
        """

    def idle(self) -> None:
        """Output off; comes back after a lost link."""


class Pulser(Part, Protocol):
    """What plays trains of equally spaced pulses by itself, the base being 0 V."""

    longest: int
    """Most pulses in one train."""

    def refusal(self, conditions: PulseConditions) -> str:
        """Why such pulses cannot be played; empty where they can."""

    def prepare_pulser(self, conditions: PulseConditions) -> None:
        """Settings for pulses, tried out without a pulse. Comes back after a lost link.

        Afterwards the instrument remembers that nothing has been played. Does nothing where it
        is prepared for these conditions already and has kept its memory.
        """

    def mixes(self, counts: Sequence[int]) -> bool:
        """Whether several runs, up and down, can be played in one go, as it is prepared now."""

    def play(self, counts: Sequence[int]) -> Outcome:
        """Play runs of pulses, up where positive, one after the other; once.

        Raises:
            LinkError: what became of it is to be asked with ``after_doubt``.
        """

    def after_doubt(self, counts: Sequence[int]) -> Outcome:
        """Come back and ask what became of the train that was played last.

        Raises:
            LinkError: it does not come back.
        """

    def idle(self) -> None:
        """Output off; comes back after a lost link."""
