"""When things happened, or will: spans of stages at work; and the model that predicts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from ohmloop.drivers import BadInputError

from .schedule import Event, Kind, Schedule, causes


class Span(NamedTuple):
    """A stage at work.

    Attributes:
        stage: from 0.
        kind: what it did.
        micro_batch: of what, from 0.
        start: s.
        end: s.
    """

    stage: int
    kind: Kind
    micro_batch: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class StageTimes:
    """How long one stage takes, s.

    Attributes:
        forward: a forward pass of a micro-batch.
        backward: a backward pass.
        update: an update.

    Raises:
        BadInputError: a negative time.
    """

    forward: float
    backward: float
    update: float

    def __post_init__(self) -> None:
        if not min(self.forward, self.backward, self.update) >= 0:
            raise BadInputError("times of a stage must be 0 s or more")

    def of(self, kind: Kind) -> float:
        """One of them."""
        return {"forward": self.forward, "backward": self.backward, "update": self.update}[kind]


UNIT = StageTimes(1.0, 1.0, 0.0)
"""A clock a pass, nothing for an update: what clocks are counted in."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Spans of a schedule as executed or as predicted.

    Attributes:
        stages: how many.
        spans: in order of their ends, a stage's own in order.
    """

    stages: int
    spans: tuple[Span, ...]

    @property
    def duration(self) -> float:
        """From the first start to the last end, s."""
        if not self.spans:
            return 0.0
        return max(s.end for s in self.spans) - min(s.start for s in self.spans)

    @property
    def busy(self) -> tuple[float, ...]:
        """Seconds that each stage was at work."""
        totals = [0.0] * self.stages
        for span in self.spans:
            totals[span.stage] += span.end - span.start
        return tuple(totals)

    @property
    def utilisation(self) -> tuple[float, ...]:
        """Share of the duration that each stage was at work, 0 to 1."""
        duration = self.duration
        return tuple(busy / duration if duration else 0.0 for busy in self.busy)

    @property
    def bubble(self) -> float:
        """Share of all stages' time in which they wait, 0 to 1."""
        return 1.0 - sum(self.utilisation) / self.stages

    def times(self) -> list[StageTimes]:
        """What each stage takes in the median: what ``predict`` wants."""
        found: dict[tuple[int, Kind], list[float]] = {}
        for span in self.spans:
            found.setdefault((span.stage, span.kind), []).append(span.end - span.start)
        return [
            StageTimes(
                *(median(found.get((m, kind), [0.0])) for kind in ("forward", "backward", "update"))
            )
            for m in range(self.stages)
        ]


def predict(schedule: Schedule, times: Sequence[StageTimes], link: float = 0.0) -> Timeline:
    """When things happen where every stage does its actions in order, as soon as it can.

    Args:
        schedule: who does what in which order.
        times: of each stage.
        link: from the end of a pass until the next stage has its result, s.

    Raises:
        BadInputError: not as many times as stages.
    """
    if len(times) != schedule.stages:
        raise BadInputError(f"{schedule.stages} stages need as many times, not {len(times)}")
    free, done = [0.0] * schedule.stages, dict[Event, float]()
    spans: list[Span] = []
    last = 0.0
    for action in schedule.actions:
        _, m, kind, k = action
        starts = [free[m]]
        for cause in causes(schedule, action):
            away = abs(cause[0] - m)  # the word that all gradients are there goes stage by stage
            starts.append(done[cause] + away * link)
        start = max([last, *starts]) if schedule.serial else max(starts)
        last = free[m] = done[m, kind, k] = start + times[m].of(kind)
        spans.append(Span(m, kind, k, start, last))
    return Timeline(schedule.stages, tuple(spans))


def speed_up(slow: Timeline | float, fast: Timeline | float) -> float:
    """How many times faster the second is."""
    first, second = (t.duration if isinstance(t, Timeline) else t for t in (slow, fast))
    return first / second


def timeline_of(stages: int, spans: Iterable[Span]) -> Timeline:
    """A measured one: in order of ends, from 0 s."""
    found = sorted(spans, key=lambda span: span.end)
    zero = min((span.start for span in found), default=0.0)
    moved = (span._replace(start=span.start - zero, end=span.end - zero) for span in found)
    return Timeline(stages, tuple(moved))
