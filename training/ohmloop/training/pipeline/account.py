"""What a pipeline did in an epoch, as figures: clocks, time, staleness, pulses and reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .execution import Execution
from .micro_batches import MicroBatches
from .schedule import Schedule
from .schedules import clocks
from .timeline import Span, predict

SHOWN = 16
"""Micro-batches whose spans are kept for a chart."""


@dataclass(frozen=True, slots=True)
class StageAccount:
    """One stage's part.

    Attributes:
        name: of the stage.
        layers: in it.
        utilisation: share of the time it was at work, 0 to 1.
        staleness: most updates between a forward and its backward pass.
        predicted_staleness: of the schedule.
        in_flight: most micro-batches it kept activations of.
        forward: median time of a forward pass, s.
        backward: of a backward pass, s.
        update: of an update, s.
        updates: how many.
        pulses: applied.
        forward_vectors: driven through it.
        backward_vectors: driven back through it; 0 at the first stage, whose inputs want none.
    """

    name: str
    layers: tuple[str, ...]
    utilisation: float
    staleness: int
    predicted_staleness: int
    in_flight: int
    forward: float
    backward: float
    update: float
    updates: int
    pulses: int
    forward_vectors: int
    backward_vectors: int


@dataclass(frozen=True, slots=True)
class PipelineAccount:
    """One epoch.

    Attributes:
        epoch: from 1.
        schedule: its name.
        clocks: that the executor counted.
        predicted_clocks: by the formula.
        density: share of clocks in which stages make passes, 0 to 1.
        seconds: from the first action to the last.
        predicted_seconds: from the stages' median times, s.
        serial_seconds: what the same actions take one after the other, s.
        bubble: share of all stages' time in which they waited.
        stages: each stage's part.
        spans: of the first micro-batches, for a chart.
    """

    epoch: int
    schedule: str
    clocks: int
    predicted_clocks: int
    density: float
    seconds: float
    predicted_seconds: float
    serial_seconds: float
    bubble: float
    stages: tuple[StageAccount, ...]
    spans: tuple[Span, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; ``from_json`` takes them back."""
        return asdict(self) | {"spans": [list(span) for span in self.spans]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> PipelineAccount:
        """From ``to_json``, also after a round trip through JSON."""
        stages = [StageAccount(**s | {"layers": tuple(s["layers"])}) for s in values["stages"]]
        spans = tuple(Span(*span) for span in values["spans"])
        return cls(**values | {"stages": tuple(stages), "spans": spans})


def account(
    epoch: int,
    schedule: Schedule,
    work: MicroBatches,
    execution: Execution,
    names: Sequence[str],
    layers: Sequence[Sequence[str]],
    pulses: Sequence[int],
) -> PipelineAccount:
    """Figures of an execution.

    Args:
        epoch: from 1.
        schedule: as planned.
        work: as given.
        execution: as done.
        names: of the stages.
        layers: names of the layers of each stage.
        pulses: applied at each stage in this epoch.
    """
    timeline = execution.timeline()
    times, used = timeline.times(), timeline.utilisation
    lags, kept = schedule.staleness, schedule.in_flight
    vectors = sum(work.sizes())
    updates = [
        sum(d.kind == "update" and d.stage == m for d in execution.log)
        for m in range(schedule.stages)
    ]
    stages = tuple(
        StageAccount(
            name=names[m],
            layers=tuple(layers[m]),
            utilisation=used[m],
            staleness=max(found, default=0),
            predicted_staleness=lags[m],
            in_flight=kept[m],
            forward=times[m].forward,
            backward=times[m].backward,
            update=times[m].update,
            updates=updates[m],
            pulses=pulses[m],
            forward_vectors=vectors,
            backward_vectors=vectors if m else 0,
        )
        for m, found in enumerate(execution.staleness())
    )
    return PipelineAccount(
        epoch=epoch,
        schedule=schedule.name,
        clocks=execution.clocks,
        predicted_clocks=clocks(schedule.name, schedule.stages, work.batches),
        density=schedule.density,
        seconds=timeline.duration,
        predicted_seconds=predict(schedule, times).duration,
        serial_seconds=sum(timeline.busy),
        bubble=timeline.bubble,
        stages=stages,
        spans=tuple(s for s in timeline.spans if s.micro_batch < SHOWN),
    )
