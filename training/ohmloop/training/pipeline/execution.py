"""Carrying out a schedule: what all executors share, and what they tell afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from torch import Tensor

from ohmloop.drivers import OhmloopError

from .micro_batches import MicroBatches
from .schedule import Action, Kind, Schedule
from .stage import Stage
from .timeline import Span, Timeline, timeline_of

Heard = Callable[[int, float], None]
"""Is told a micro-batch and its loss. Raising from it stops the pipeline in order."""


class Done(NamedTuple):
    """An action as it was carried out.

    Attributes:
        clock: of the schedule.
        stage: from 0.
        kind: what.
        micro_batch: of what.
        version: of the weights that were used: updates before it.
        start: s, on a clock of its own.
        end: s.
    """

    clock: int
    stage: int
    kind: Kind
    micro_batch: int
    version: int
    start: float
    end: float


@dataclass(slots=True)
class Execution:
    """What an executor did.

    Attributes:
        stages: how many.
        clocks: that passed.
        log: all actions, in order of the schedule.
        losses: mean loss of each micro-batch.
    """

    stages: int
    clocks: int = 0
    log: list[Done] = field(default_factory=list)
    losses: dict[int, float] = field(default_factory=dict)

    def staleness(self) -> list[list[int]]:
        """For each stage and micro-batch: updates between its forward and its backward pass."""
        used = {(d.stage, d.kind, d.micro_batch): d.version for d in self.log}
        count = 1 + max((d.micro_batch for d in self.log), default=-1)
        return [
            [used[m, "backward", k] - used[m, "forward", k] for k in range(count)]
            for m in range(self.stages)
        ]

    def timeline(self) -> Timeline:
        """When it happened."""
        spans = (Span(d.stage, d.kind, d.micro_batch, d.start, d.end) for d in self.log)
        return timeline_of(self.stages, spans)


class PipelineError(OhmloopError):
    """A stage failed; all others stopped in order, and all outputs are off.

    Attributes:
        stage: which, from 0.
        problem: what it said.
    """

    def __init__(self, stage: int, name: str, problem: str) -> None:
        self.stage, self.problem = stage, problem
        super().__init__(f"{name}: {problem}")


class Executor(Protocol):
    """Carries out schedules on the stages that it has."""

    @property
    def stages(self) -> Sequence[Stage]:
        """Those of this process."""

    @property
    def count(self) -> int:
        """Stages in all processes."""

    def run(self, schedule: Schedule, work: MicroBatches, heard: Heard | None = None) -> Execution:
        """Carry out a schedule from an empty pipeline to an empty pipeline.

        Raises:
            PipelineError: a stage failed.
        """

    def infer(self, x: Tensor) -> Tensor:
        """Outputs of the last stage, in evaluation mode."""

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        """What each process gave here, in order of stages; one row where there is one process."""


def perform(
    stage: Stage,
    action: Action,
    work: MicroBatches,
    received: Tensor | None,
    execution: Execution,
    heard: Heard | None,
) -> Tensor | None:
    """Do one action, and write it down.

    Args:
        stage: who.
        action: what.
        work: samples for the first stage, and targets for the last.
        received: what the neighbour sent: inputs, or gradients.
        execution: where it is written down.
        heard: told the loss.

    Returns:
        What the next stage, or the one before, wants.
    """
    kind, k, version = action.kind, action.micro_batch, stage.version
    start, loss, sent = time.perf_counter(), None, None
    if kind == "forward":
        sent = stage.forward(k, work.x(k) if received is None else received)
    elif kind == "update":
        if work.factors:
            stage.set_rate(work.factors[k])
        stage.update()
    elif stage.is_last:
        sent, loss = stage.backward_from_loss(k, work.y(k), work.shares[k])
    elif received is None:
        raise OhmloopError(f"no gradient of micro-batch {k + 1} arrived")
    else:
        sent = stage.backward(k, received)
    end = time.perf_counter()
    execution.log.append(Done(*action[:2], kind, k, version, start, end))
    if loss is not None:
        execution.losses[k] = loss
        if heard is not None:
            heard(k, loss)
    return sent


def failure(stage: Stage, error: Exception) -> PipelineError:
    """What a stage's error means to the pipeline."""
    return PipelineError(stage.number, stage.name, str(error) or type(error).__name__)
