"""Section ``training`` of an experiment file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ohmloop.drivers.validation import Record

Count = Annotated[int, Field(ge=1)]


class ScheduleConfig(Record):
    """The learning rate is multiplied by ``factor`` every ``every`` epochs."""

    every: Count
    factor: Annotated[float, Field(gt=0, le=1)]


class TrainingConfig(Record):
    """How long, in which portions, and how the learning rate falls."""

    epochs: Count
    batch: Count = 10
    schedule: ScheduleConfig | None = None

    def factor(self, epoch: int) -> float:
        """What the learning rate is multiplied by in epoch ``epoch`` (from 0)."""
        return (
            1.0 if self.schedule is None else self.schedule.factor ** (epoch // self.schedule.every)
        )
