"""A worker: one stage that does its part of a schedule as soon as its neighbours let it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from torch import Tensor

from ohmloop.drivers import OhmloopError

from .execution import Execution, Heard, perform
from .micro_batches import MicroBatches
from .schedule import Action, Schedule
from .stage import Stage

_LOOK = 0.05  # s between two looks at whether to stop, while waiting


class Message(NamedTuple):
    """What goes from a stage to its neighbour.

    Attributes:
        kind: outputs, a gradient, or the word that all gradients of a mini-batch are there.
        micro_batch: of which.
        value: outputs or gradient.
    """

    kind: Literal["forward", "backward", "update"]
    micro_batch: int
    value: Tensor | None


class StoppedError(OhmloopError):
    """Somebody else failed, and this stage stopped for it."""


@dataclass(slots=True)
class Stop:
    """Tells all stages of one process to stop after what they are at."""

    event: threading.Event = field(default_factory=threading.Event)
    reason: str = ""

    def set(self, reason: str) -> None:
        """Ask; the first reason stays."""
        if not self.event.is_set():
            self.reason = reason
            self.event.set()

    def check(self) -> None:
        """Raise where asked to.

        Raises:
            StoppedError: with the reason.
        """
        if self.event.is_set():
            raise StoppedError(self.reason)


Send = Callable[[Message], None]


@dataclass(slots=True)
class Neighbours:
    """How a stage talks to those beside it; a method of sending is None where there is nobody.

    Attributes:
        from_before: outputs of the stage before, and the word to update.
        from_next: gradients from the next stage.
        to_before: sends gradients.
        to_next: sends outputs, and the word to update.
    """

    from_before: queue.SimpleQueue[Message] = field(default_factory=queue.SimpleQueue)
    from_next: queue.SimpleQueue[Message] = field(default_factory=queue.SimpleQueue)
    to_before: Send | None = None
    to_next: Send | None = None


class Worker:
    """Does a stage's actions in the order of the schedule; what it waits for is its neighbours.

    The order of a stage's own actions fixes what it computes, so the numbers are those of the
    exact executor however long anything takes.

    Args:
        stage: whose actions.
        schedule: of all stages.
        work: samples and targets.
        beside: who it talks to.
        stop: looked at before every action and while waiting.
        heard: told losses, at the last stage.
    """

    def __init__(
        self,
        stage: Stage,
        schedule: Schedule,
        work: MicroBatches,
        beside: Neighbours,
        stop: Stop,
        heard: Heard | None,
    ) -> None:
        self.stage, self._schedule, self._work = stage, schedule, work
        self._beside, self._stop, self._heard = beside, stop, heard
        self.execution = Execution(schedule.stages)

    def run(self) -> None:
        """All of the stage's actions.

        Raises:
            StoppedError: another stage failed.
        """
        for action in self._schedule.of_stage(self.stage.number):
            self._stop.check()
            self._do(action)

    def _do(self, action: Action) -> None:
        kind, k = action.kind, action.micro_batch
        received = None
        if kind == "forward" and not self.stage.is_first:
            received = self._get(self._beside.from_before, kind, k)
        elif kind == "backward" and not self.stage.is_last:
            received = self._get(self._beside.from_next, kind, k)
        elif kind == "update" and self._schedule.flush:
            self._agree(k)
        sent = perform(self.stage, action, self._work, received, self.execution, self._heard)
        send = self._beside.to_next if kind == "forward" else self._beside.to_before
        if kind != "update" and send is not None and sent is not None:
            send(Message(kind, k, sent))

    def _agree(self, micro_batch: int) -> None:
        """Wait until all gradients of the mini-batch are there, everywhere."""
        self.stage.check()
        if not self.stage.is_first:
            self._get(self._beside.from_before, "update", micro_batch)
        if self._beside.to_next is not None:
            self._beside.to_next(Message("update", micro_batch, None))
        self._stop.check()

    def _get(self, box: queue.SimpleQueue[Message], kind: str, micro_batch: int) -> Tensor | None:
        while True:
            self._stop.check()
            try:
                message = box.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if (message.kind, message.micro_batch) != (kind, micro_batch):
                raise OhmloopError(
                    f"{self.stage.name} waits for the {kind} of micro-batch {micro_batch + 1} and"
                    f" got the {message.kind} of {message.micro_batch + 1}: the stages are not"
                    " carrying out the same schedule"
                )
            return message.value
