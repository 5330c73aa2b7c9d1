"""What a pipeline did in an epoch, as figures: clocks, time, staleness, pulses, reads, energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .execution import Execution
from .micro_batches import MicroBatches
from .schedule import Schedule
from .schedules import clocks
from .stage_use import StageUse
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
        forward_vectors: driven through it while training.
        backward_vectors: driven back through it; 0 at the first stage, whose inputs want none.
        pulses: applied.
        chip_seconds: its tiles' reads and pulses on a chip with its own periphery, estimated, s;
            evaluation included, like all that follows.
        chip_joules: what its cells turned into heat there, estimated, J.
        bench_seconds: the same on the bench, s.
        bench_joules: in the cells there, J.
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
    forward_vectors: int
    backward_vectors: int
    pulses: int = 0
    chip_seconds: float = 0.0
    chip_joules: float = 0.0
    bench_seconds: float = 0.0
    bench_joules: float = 0.0


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
) -> PipelineAccount:
    """Figures of an execution, without what its tiles were used for: see ``with_use``.

    Args:
        epoch: from 1.
        schedule: as planned.
        work: as given.
        execution: as done.
        names: of the stages.
        layers: names of the layers of each stage.
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


def joined(parts: Sequence[PipelineAccount]) -> PipelineAccount:
    """An epoch that went through the pipeline in portions, each from empty to empty.

    Counts and times add up; shares are means over the time, and medians over the updates, of the
    portions; the spans are those of the first.

    Args:
        parts: one or more, in order.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    seconds, clocked = [p.seconds for p in parts], [float(p.clocks) for p in parts]
    return replace(
        first,
        clocks=sum(p.clocks for p in parts),
        predicted_clocks=sum(p.predicted_clocks for p in parts),
        density=_mean([p.density for p in parts], clocked),
        seconds=sum(seconds),
        predicted_seconds=sum(p.predicted_seconds for p in parts),
        serial_seconds=sum(p.serial_seconds for p in parts),
        bubble=_mean([p.bubble for p in parts], seconds),
        stages=tuple(
            _joined_stage(s, seconds) for s in zip(*(p.stages for p in parts), strict=True)
        ),
    )


def _joined_stage(parts: Sequence[StageAccount], seconds: Sequence[float]) -> StageAccount:
    updates = [float(p.updates) for p in parts]
    return replace(
        parts[0],
        utilisation=_mean([p.utilisation for p in parts], seconds),
        staleness=max(p.staleness for p in parts),
        predicted_staleness=max(p.predicted_staleness for p in parts),
        in_flight=max(p.in_flight for p in parts),
        forward=_mean([p.forward for p in parts], updates),
        backward=_mean([p.backward for p in parts], updates),
        update=_mean([p.update for p in parts], updates),
        updates=sum(p.updates for p in parts),
        forward_vectors=sum(p.forward_vectors for p in parts),
        backward_vectors=sum(p.backward_vectors for p in parts),
    )


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    total = sum(weights)
    return sum(v * w for v, w in zip(values, weights, strict=True)) / total if total else values[0]


def with_use(account: PipelineAccount, used: Sequence[StageUse]) -> PipelineAccount:
    """The same with what the tiles of each stage were used for."""
    stages = tuple(
        replace(
            stage,
            pulses=use.pulses,
            chip_seconds=use.chip_seconds,
            chip_joules=use.chip_joules,
            bench_seconds=use.bench_seconds,
            bench_joules=use.bench_joules,
        )
        for stage, use in zip(account.stages, used, strict=True)
    )
    return replace(account, stages=stages)
