"""Section ``training`` of an experiment file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ohmloop.drivers.validation import Record

if TYPE_CHECKING:
    from ohmloop.training import EarlyStopping, Schedule

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]


class StepConfig(Record):
    """The learning rate is multiplied by ``factor`` every ``every`` epochs."""

    type: Literal["step"]
    every: Count
    factor: Annotated[float, Field(gt=0, le=1)]

    def schedule(self, epochs: int, rate: float) -> Schedule:
        """A ``StepSchedule``."""
        del epochs, rate
        from ohmloop.training import StepSchedule

        return StepSchedule(self.every, self.factor)


class CosineConfig(Record):
    """The learning rate falls to ``least`` of itself, over all epochs or over ``epochs``."""

    type: Literal["cosine"]
    epochs: Count | None = None
    least: Annotated[float, Field(ge=0, le=1)] = 0.0

    def schedule(self, epochs: int, rate: float) -> Schedule:
        """A ``CosineSchedule``."""
        del rate
        from ohmloop.training import CosineSchedule

        return CosineSchedule(self.epochs or epochs, self.least)


class ListConfig(Record):
    """Learning rates one after the other, each for ``every`` epochs; the last one stays."""

    type: Literal["list"]
    learning_rates: Annotated[list[Rate], Field(min_length=1)]
    every: Count = 1

    def schedule(self, epochs: int, rate: float) -> Schedule:
        """A ``ListSchedule``."""
        del epochs
        from ohmloop.training import ListSchedule

        return ListSchedule([wanted / rate for wanted in self.learning_rates], self.every)


def _with_type(given: Any) -> Any:
    """A step schedule, where ``type`` is left out."""
    return {"type": "step", **given} if isinstance(given, dict) else given


ScheduleConfig = Annotated[
    StepConfig | CosineConfig | ListConfig,
    Field(discriminator="type"),
    BeforeValidator(_with_type),
]


class StoppingConfig(Record):
    """Stop after so many evaluations that were no better than the best one.

    Attributes:
        patience: evaluations.
        min_delta: by how much one must be better to count.
        monitor: held-out accuracy, or held-out loss.
        restore_best: go back to the best epoch where nothing of the model is on a chip.
    """

    patience: Count
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    monitor: Literal["accuracy", "loss"] = "accuracy"
    restore_best: bool = True

    def stopping(self) -> EarlyStopping:
        """An ``EarlyStopping``."""
        from ohmloop.training import EarlyStopping

        return EarlyStopping(self.patience, self.min_delta, self.monitor)


class TrainingConfig(Record):
    """How long, in which portions, how the learning rate goes, and what is kept on the way.

    Attributes:
        epochs: how often all samples are seen.
        batch: samples a mini-batch.
        schedule: how the learning rate goes.
        warm_up: epochs over which it rises at first, batch by batch.
        evaluate_every: epochs from one evaluation to the next.
        early_stopping: stop before ``epochs`` where it does not get better.
        checkpoint_every: batches from one checkpoint to the next within an epoch; there is always
            one after an epoch.
        confusion: keep which classes were taken for which.
    """

    epochs: Count
    batch: Count = 10
    schedule: ScheduleConfig | None = None
    warm_up: Annotated[float, Field(ge=0)] = 0.0
    evaluate_every: Count = 1
    early_stopping: StoppingConfig | None = None
    checkpoint_every: Count | None = None
    confusion: bool = False

    def rates(self, learning_rate: float) -> Schedule | None:
        """What the learning rate is multiplied by, where that changes at all."""
        from ohmloop.training import ListSchedule, WarmUp

        given = None
        if self.schedule is not None:
            given = self.schedule.schedule(self.epochs, learning_rate)
        if not self.warm_up:
            return given
        return WarmUp(self.warm_up, given or ListSchedule([1.0]))

    def stopping(self) -> EarlyStopping | None:
        """When to stop early, where that is asked for."""
        return None if self.early_stopping is None else self.early_stopping.stopping()
