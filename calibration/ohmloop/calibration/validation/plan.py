"""What a validation does to a chip: kinds of sequences, how long, how often."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from ohmloop.drivers.units import Seconds
from ohmloop.drivers.validation import Record

Count = Annotated[int, Field(ge=1)]


class Kind(StrEnum):
    """Kinds of pulse sequences; none of them is what a fit sees."""

    MIX = "mix"
    SPARSE = "sparse"
    LONG = "long"
    POINT = "point"
    IDLE = "idle"

    @property
    def meaning(self) -> str:
        """For people."""
        return _MEANING[self]


_MEANING = {
    Kind.MIX: "random pulses up and down, drawn for each cell",
    Kind.SPARSE: "coincidences, as training's updates make them",
    Kind.LONG: "long trains in one direction, then in the other",
    Kind.POINT: "up and down in turn about the symmetric point",
    Kind.IDLE: "no pulses, only time",
}


class ValidationPlan(Record):
    """How a twin is put to the test; defaults suit a chip of about 100 states.

    Every kind of sequence is repeated as a whole from comparable starts, so each kind has the
    chip's own repeatability beside it.

    Attributes:
        kinds: which kinds, in order.
        repeats: how often each is repeated, at least 2.
        positions: readings of a sequence of random pulses, of sparse updates, or without pulses.
        mix_pulses: most pulses of a cell between two readings of random pulses; the sequence goes
            through shares of it, and through shares of cells that are pulsed at all.
        sparse_batch: samples between two readings of sparse updates.
        sparse_length: slots of a sample's trains.
        sparse_odds: odds of a line that fires most; inputs and errors below it are uniform.
        long_pulses: pulses of a long train; as many as a fit by the standard recipe saw in one.
        long_reads: readings on the way.
        point_pulses: pulses between two readings about the symmetric point.
        point_reads: readings there.
        idle_wait: time between two readings without pulses, s.
        start_pulses: down pulses before every sequence, so that repeats start alike.
        start_reads: readings of the start; their mean is where predictions begin.
        copies: of the twin, of which a prediction's distribution is made; one less than a multiple
            of 40, so that the edges of intervals lie between copies.
    """

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = tuple(Kind)
    repeats: Annotated[int, Field(ge=2)] = 3
    positions: Annotated[int, Field(ge=2)] = 6
    mix_pulses: Count = 8
    sparse_batch: Count = 5
    sparse_length: Annotated[int, Field(ge=1, le=64)] = 10
    sparse_odds: Annotated[float, Field(gt=0, le=1)] = 0.5
    long_pulses: Count = 80
    long_reads: Count = 4
    point_pulses: Count = 2
    point_reads: Annotated[int, Field(ge=2)] = 8
    idle_wait: Annotated[Seconds, Field(ge=0)] = 1.0
    start_pulses: Annotated[int, Field(ge=0)] = 10
    start_reads: Count = 2
    copies: Count = 79

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.copies + 1) % 40:
            raise ValueError("copies must be one less than a multiple of 40")
        if len(set(self.kinds)) < len(self.kinds):
            raise ValueError("kinds must name each kind once")
        if self.long_reads > self.long_pulses:
            raise ValueError("long_reads must not be more than long_pulses")
        return self
