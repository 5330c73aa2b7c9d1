"""The exact executor: one process, clock by clock. The definition that the others must match."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .execution import Execution, Heard, failure, perform
from .micro_batches import MicroBatches
from .schedule import Action, Event, Schedule, causes
from .stage import Stage


class ExactExecutor:
    """Does what a schedule says at each clock; stages may share chips.

    What a stage sends at one clock arrives at the next.

    Args:
        stages: all of them, in order.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages: Sequence[Stage] = list(stages)
        self.count = len(stages)

    def run(self, schedule: Schedule, work: MicroBatches, heard: Heard | None = None) -> Execution:
        """See ``Executor``."""
        execution = Execution(self.count)
        sent: dict[Event, Tensor | None] = {}
        for clock, actions in schedule.by_clock():
            execution.clocks = clock + 1
            arriving: dict[Event, Tensor | None] = {}
            self._check_updates(schedule, actions)
            for action in actions:
                out = self._one(schedule, action, work, sent, execution, heard)
                arriving[action.stage, action.kind, action.micro_batch] = out
            sent |= arriving
        return execution

    def infer(self, x: Tensor) -> Tensor:
        """See ``Executor``."""
        for stage in self.stages:
            x = stage.infer(x)
        return x

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        """See ``Executor``."""
        return [list(values)]

    def _one(
        self,
        schedule: Schedule,
        action: Action,
        work: MicroBatches,
        sent: dict[Event, Tensor | None],
        execution: Execution,
        heard: Heard | None,
    ) -> Tensor | None:
        stage = self.stages[action.stage]
        away = [c for c in causes(schedule, action) if c[0] != action.stage]
        received = sent.pop(away[0]) if away and action.kind != "update" else None
        try:
            return perform(stage, action, work, received, execution, heard)
        except BaseException as error:
            self._stop()
            if not isinstance(error, Exception):
                raise
            raise failure(stage, error) from error

    def _check_updates(self, schedule: Schedule, actions: Sequence[Action]) -> None:
        """Where updates wait for each other, none is made when one of them cannot be."""
        if not schedule.flush:
            return
        for stage in [self.stages[a.stage] for a in actions if a.kind == "update"]:
            try:
                stage.check()
            except Exception as error:
                self._stop()
                raise failure(stage, error) from error

    def _stop(self) -> None:
        for stage in self.stages:
            stage.drop()
            stage.make_safe()
