"""A schedule: who does what at which clock. A description, which any executor can carry out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

from ohmloop.drivers import BadInputError

Kind = Literal["forward", "backward", "update"]

RANK: dict[Kind, int] = {"forward": 0, "backward": 1, "update": 2}
"""Order of what happens in one clock: an update ends it."""


class Action(NamedTuple):
    """One thing that one stage does.

    Attributes:
        clock: when, from 0.
        stage: who, from 0; stage 0 has the first layers.
        kind: a forward or a backward pass takes a clock; an update ends one.
        micro_batch: of what, from 0, counted over the whole schedule.
    """

    clock: int
    stage: int
    kind: Kind
    micro_batch: int

    def __str__(self) -> str:
        return f"{self.kind} of micro-batch {self.micro_batch + 1} at stage {self.stage + 1}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """What all stages do, in order of time.

    Attributes:
        name: of the kind of schedule.
        stages: how many.
        micro_batches: how many.
        actions: sorted by clock, kind and stage.
        flush: an update is of a whole mini-batch, and no stage makes it before all gradients of
            all stages are known.
        serial: one stage works at a time, updates too.
    """

    name: str
    stages: int
    micro_batches: int
    actions: tuple[Action, ...]
    flush: bool = False
    serial: bool = False

    @property
    def clocks(self) -> int:
        """From the first action to the last."""
        return self.actions[-1].clock + 1 if self.actions else 0

    @property
    def busy(self) -> tuple[int, ...]:
        """Clocks in which each stage makes a pass."""
        counts = [0] * self.stages
        for action in self.actions:
            counts[action.stage] += action.kind != "update"
        return tuple(counts)

    @property
    def density(self) -> float:
        """Share of all stages' clocks in which they are busy, 0 to 1; the rest is the bubble."""
        return sum(self.busy) / (self.stages * self.clocks) if self.actions else 0.0

    @property
    def staleness(self) -> tuple[int, ...]:
        """For each stage the most updates between a forward pass and its backward pass."""
        updates = [0] * self.stages
        seen: dict[tuple[int, int], int] = {}
        lags = [0] * self.stages
        for _, stage, kind, micro_batch in self.actions:
            if kind == "update":
                updates[stage] += 1
            elif kind == "forward":
                seen[stage, micro_batch] = updates[stage]
            else:
                lags[stage] = max(lags[stage], updates[stage] - seen[stage, micro_batch])
        return tuple(lags)

    @property
    def in_flight(self) -> tuple[int, ...]:
        """For each stage the most micro-batches whose activations it keeps at a time."""
        kept, most = [0] * self.stages, [0] * self.stages
        for action in self.actions:
            kept[action.stage] += {"forward": 1, "backward": -1, "update": 0}[action.kind]
            most[action.stage] = max(most[action.stage], kept[action.stage])
        return tuple(most)

    def by_clock(self) -> Iterator[tuple[int, list[Action]]]:
        """What happens at each clock at which something does."""
        for clock, actions in groupby(self.actions, key=lambda action: action.clock):
            yield clock, list(actions)

    def of_stage(self, stage: int) -> list[Action]:
        """What one stage does, in order."""
        return [action for action in self.actions if action.stage == stage]

    def check(self) -> None:
        """Look for conflicts.

        Raises:
            BadInputError: a stage is to do two things at once, or something is to happen before
                its cause, twice, or never.
        """
        when = self._when()
        self._check_busy()
        for action in self.actions:
            for cause in causes(self, action):
                found = when.get(cause)
                if found is None:
                    raise BadInputError(
                        f"schedule {self.name}: the {action} wants a {_named(cause)},"
                        " which never happens"
                    )
                same_clock = action.kind == "update" and found == action.clock
                if not (found < action.clock or same_clock):
                    raise BadInputError(
                        f"schedule {self.name}: the {action} at clock {action.clock} comes before"
                        f" its cause, the {_named(cause)} at clock {found}"
                    )
        self._check_backward(when)

    def _when(self) -> dict[Event, int]:
        when: dict[Event, int] = {}
        for action in self.actions:
            if not (0 <= action.stage < self.stages and action.clock >= 0):
                raise BadInputError(f"schedule {self.name}: there is no place for the {action}")
            event = (action.stage, action.kind, action.micro_batch)
            if event in when:
                raise BadInputError(f"schedule {self.name}: the {action} is to happen twice")
            when[event] = action.clock
        return when

    def _check_busy(self) -> None:
        taken: dict[tuple[int, int], Action] = {}
        for action in self.actions:
            if action.kind == "update":
                continue
            other = taken.setdefault((action.clock, action.stage), action)
            if other is not action:
                raise BadInputError(
                    f"schedule {self.name}: clock {action.clock} has both the {other} and the"
                    f" {action}"
                )

    def _check_backward(self, when: dict[Event, int]) -> None:
        if not any(kind == "backward" for _, kind, _ in when):
            return  # inference
        for stage, kind, micro_batch in when:
            if kind == "forward" and (stage, "backward", micro_batch) not in when:
                lost = _named((stage, "backward", micro_batch))
                raise BadInputError(f"schedule {self.name}: the {lost} never happens")


Event = tuple[int, Kind, int]
"""Stage, kind, micro-batch: an action without its clock."""


def causes(schedule: Schedule, action: Action) -> list[Event]:
    """What must have happened for an action to be possible."""
    _, stage, kind, micro_batch = action
    if kind == "forward":
        return [(stage - 1, "forward", micro_batch)] if stage else []
    if kind == "update":
        own: list[Event] = [(stage, "backward", micro_batch)]
        return own + ([(0, "backward", micro_batch)] if schedule.flush and stage else [])
    needs: list[Event] = [(stage, "forward", micro_batch)]
    last = stage == schedule.stages - 1
    return needs if last else [*needs, (stage + 1, "backward", micro_batch)]


def ordered(actions: Sequence[Action]) -> tuple[Action, ...]:
    """Sorted by clock, kind and stage."""
    return tuple(sorted(actions, key=lambda a: (a.clock, RANK[a.kind], a.stage)))


def _named(event: Event) -> str:
    return str(Action(0, *event))
