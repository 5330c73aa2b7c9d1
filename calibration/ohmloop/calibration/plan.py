"""What a calibration does to a chip: how many pulses, how many reads, in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from ohmloop.drivers.validation import Record

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a plan costs.

    Attributes:
        programs: pulse programs sent; each is at least one message to the instruments.
        maps: whole maps read.
        pulses: pulses a cell, on average where they are random.
        reads: readings a cell, equal to ``maps``.
    """

    programs: int
    maps: int
    pulses: float
    reads: int

    @property
    def actions(self) -> float:
        """Pulses and reads a cell: what the time on a bench goes by."""
        return self.pulses + self.reads

    def seconds(self, cells: int, per_action: float = 12.5e-6, per_message: float = 1e-3) -> float:
        """Rough time, s, for ``cells`` cells at so many seconds a pulse or read and a message."""
        return cells * self.actions * per_action + (self.programs + self.maps) * per_message


class CalibrationPlan(Record):
    """The steps of a calibration; defaults suit a chip of about 100 states.

    First repeated reads, then ``cycles`` of an up train and a down train, then alternating single
    pulses about the symmetric point, then sequences that the fit never sees.

    Attributes:
        reads: readings of the untouched chip; they give the read noise.
        up_pulses: pulses of an up train.
        down_pulses: pulses of a down train.
        cycles: pairs of an up and a down train.
        pulses_per_read: pulses between two readings of a train.
        alternating_reads: readings while pulses alternate; a multiple of 4, of which the second
            half gives the measured symmetric point.
        alternating_pulses: pulses between two of those; an odd number, so that readings after an
            up and after a down pulse are equally many.
        held_out_length: steps of a held-out sequence.
        held_out_pulses: most pulses of such a step; number and direction are drawn for each cell.
        held_out_repeats: how often every cell's sequence is repeated; at least 2, for the chip's
            own repeatability.
        held_out_start: down pulses before every repeat, so that repeats start alike.
    """

    reads: Annotated[int, Field(ge=2)] = 8
    up_pulses: Annotated[int, Field(ge=4)] = 40
    down_pulses: Annotated[int, Field(ge=4)] = 40
    cycles: Count = 2
    pulses_per_read: Count = 5
    alternating_reads: Annotated[int, Field(ge=4)] = 8
    alternating_pulses: Count = 5
    held_out_length: Count = 6
    held_out_pulses: Count = 4
    held_out_repeats: Annotated[int, Field(ge=2)] = 3
    held_out_start: Annotated[int, Field(ge=0)] = 6

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.alternating_reads % 4:
            raise ValueError("alternating_reads must be a multiple of 4")
        if not self.alternating_pulses % 2:
            raise ValueError("alternating_pulses must be odd")
        if self.pulses_per_read * 3 > min(self.up_pulses, self.down_pulses):
            raise ValueError("pulses_per_read must leave at least three readings a train")
        return self

    @property
    def approach(self) -> int:
        """Up pulses from the end of the last down train to about the symmetric point.

        Half a train where steps are constant; less where they shrink towards the bound.
        """
        return round(0.4 * self.up_pulses)

    def cost(self) -> Cost:
        """Programs, maps, and pulses and reads a cell."""
        per = self.pulses_per_read
        train_reads = self.cycles * (-(-self.up_pulses // per) + -(-self.down_pulses // per))
        programs = train_reads + 1 + self.alternating_reads
        programs += self.held_out_repeats * (1 + self.held_out_length)
        held_out = self.held_out_start + self.held_out_length * (1 + self.held_out_pulses) / 2
        pulses = self.cycles * (self.up_pulses + self.down_pulses) + self.approach
        pulses += self.alternating_reads * self.alternating_pulses
        maps = self.reads + programs
        return Cost(programs, maps, pulses + self.held_out_repeats * held_out, maps)
