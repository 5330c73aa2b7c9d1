"""The search for pulse conditions: a ladder of amplitudes, then steps towards the target.

Steps grow about exponentially with the amplitude, so the search goes by the logarithm of the step.
It knows cells only through trials, and makes no pulse beyond the limits that it is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ohmloop.drivers import Limits, PulseConditions, PulseShape

from .pulse_trial import Outcome
from .shapes import with_duty

Try = Callable[[PulseConditions, int], Outcome | None]
"""``try_(conditions, pulses)`` of each direction; None where the budget does not reach."""

_AT_BOUND = 0.3  # rate of a train's second half over its first: cells have reached the bound
_SLOWER = 0.6  # the same: they come near it
_WIDE = 0.25  # share of the range that such a train leads through
_STEEP = 10.0  # of the logarithm of a step with that of the amplitude, where nothing is known
_DAMPED = 0.7  # of a correction: what it goes by is noisy


@dataclass(frozen=True, slots=True)
class Aim:
    """What a search is after.

    Attributes:
        states: number of states.
        symmetric_within: largest asymmetry.
        abrupt: largest share of the range that a single pulse may take.
    """

    states: float
    symmetric_within: float
    abrupt: float

    def score(self, found: Outcome) -> float:
        """How far conditions are from the aim, 0 at best; infinite where cells did not move.

        ``|log2(states / target)| + |asymmetry| / symmetric_within
        + max(0, abruptness / abrupt - 1)``.
        """
        if not found.moved or not np.isfinite([found.asymmetry, found.states]).all():
            return math.inf
        off = abs(math.log2(max(found.states, 1e-9) / self.states))
        over = max(0.0, found.abruptness / self.abrupt - 1)
        return off + abs(found.asymmetry) / self.symmetric_within + over

    def is_met(self, found: Outcome) -> bool:
        """Gradual: half to twice the states, symmetric, no jumps, and most cells move."""
        return bool(
            found.moved >= 0.5
            and self.states / 2 <= found.states <= 2 * self.states
            and abs(found.asymmetry) <= self.symmetric_within
            and found.abruptness <= self.abrupt
        )


def range_is_known(found: list[Outcome]) -> bool:
    """Whether cells came near both bounds: without that, nobody can tell states."""
    return all(
        any(
            getattr(o, f"going_on_{way}") <= _SLOWER and getattr(o, f"covered_{way}") >= _WIDE
            for o in found
        )
        for way in ("up", "down")
    )


@dataclass(frozen=True, slots=True)
class Ladder:
    """Amplitudes to try.

    Attributes:
        up: sizes, ascending, V.
        down: sizes, ascending, V.
    """

    up: tuple[float, ...]
    down: tuple[float, ...]


class Search:
    """One search, at one pair of widths.

    Args:
        own: the conditions to start from: polarities, widths and rest.
        ladder: amplitudes.
        limits: of the chip.
        aim: what is wanted.
        try_: makes a trial.
    """

    def __init__(
        self, own: PulseConditions, ladder: Ladder, limits: Limits, aim: Aim, try_: Try
    ) -> None:
        self._own, self._ladder, self._limits, self._aim = own, ladder, limits, aim
        self._try = try_
        self._seen: list[tuple[tuple[float, float], Outcome]] = []

    def run(self, short: int, long: int, refinements: int) -> None:
        """Climb until both directions reach the bounds, then approach the aim.

        Args:
            short: pulses of a train while climbing.
            long: pulses of a train while refining.
            refinements: how many trials to refine by.
        """
        top = self._climb(short)
        if top is None:
            return
        if not range_is_known([found for _, found in self._seen]):
            # The strongest are not strong enough for a short train; a long one may be.
            self._trial(*top, math.ceil(self._aim.states))
        if not any(found.moved for _, found in self._seen):
            return
        at = self._interpolated(0), self._interpolated(1)
        for _ in range(refinements):
            found = self._trial(*at, long)
            if found is None:
                return
            at = self._closer(at, found)

    def _climb(self, pulses: int) -> tuple[float, float] | None:
        """The pair at which it ends; None where the budget ended first.

        A direction ends at its top rung, or where its trains reach the bound; also where cells do
        not move that way any more, and did before: they are at the bound already.
        """
        sizes = self._ladder.up, self._ladder.down
        rung, moves = [0, 0], [False, False]
        while True:
            found = self._trial(sizes[0][rung[0]], sizes[1][rung[1]], pulses)
            if found is None:
                return None
            ended = []
            for way, going_on in enumerate((found.going_on_up, found.going_on_down)):
                at_bound = moves[way] if math.isnan(going_on) else going_on < _AT_BOUND
                moves[way] |= not math.isnan(going_on)
                ended.append(at_bound or rung[way] == len(sizes[way]) - 1)
            if all(ended):
                return sizes[0][rung[0]], sizes[1][rung[1]]
            rung = [k + (not end) for k, end in zip(rung, ended, strict=True)]

    def _trial(self, up: float, down: float, pulses: int) -> Outcome | None:
        found = self._try(self.conditions(up, down), pulses)
        if found is not None:
            self._seen.append(((up, down), found))
        return found

    def conditions(self, up: float, down: float) -> PulseConditions:
        """Pulses of these sizes, V, within the duty cycle."""
        own, ladder = self._own, self._ladder

        def shape(size: float, top: float, like: PulseShape) -> PulseShape:
            rounded = min(float(f"{size:.6g}"), top)
            return PulseShape(math.copysign(rounded, like.amplitude), like.width)

        new_up = shape(up, ladder.up[-1], own.up)
        new_down = shape(down, ladder.down[-1], own.down)
        return with_duty(replace(own, up=new_up, down=new_down), self._limits)

    def _interpolated(self, way: int) -> float:
        """The size at which a step is a ``states``-th of the range, by what was seen, V."""
        points = self._steps(way)
        target = self._span() / self._aim.states
        below = [p for p in points if p[1] <= target]
        above = [p for p in points if p[1] > target]
        if not above or not below:
            nearest = below[-1:] + above[:1]
            return nearest[0][0] if nearest else self._seen[-1][0][way]
        (a, qa), (b, qb) = below[-1], above[0]
        if a >= b:
            return (a + b) / 2
        return a + (b - a) * math.log(target / qa) / math.log(qb / qa)

    def _steps(self, way: int) -> list[tuple[float, float]]:
        """Sizes, V, ascending, and the steps that they made, S, where they made any.

        A step that is far below that of a smaller pulse is of cells that were at the bound.
        """
        points = sorted(
            (sizes[way], found.step_down if way else found.step_up) for sizes, found in self._seen
        )
        found, most = [], 0.0
        for size, step in points:
            if step > most / 2:
                found.append((size, step))
            most = max(most, step)
        return found

    def _span(self) -> float:
        """The range as it is known now, S."""
        return self._seen[-1][1].span

    def _closer(self, at: tuple[float, float], found: Outcome) -> tuple[float, float]:
        """The next pair: both directions towards the states, and each towards the other."""
        following = []
        for way, sizes in enumerate((self._ladder.up, self._ladder.down)):
            change = self._wanted(found, way) / self._slope(way)
            rung = sizes[1] - sizes[0]
            change = min(max(change, -rung), rung)
            following.append(min(max(at[way] + change, sizes[0]), sizes[-1]))
        return following[0], following[1]

    def _wanted(self, found: Outcome, way: int) -> float:
        """By how much the logarithm of a direction's step is to change."""
        if not np.isfinite([found.states, found.asymmetry]).all():
            return 1.0
        apart = math.atanh(min(max(found.asymmetry, -0.99), 0.99))
        common = math.log(found.states / self._aim.states)
        return _DAMPED * (common + (apart if way else -apart))

    def _slope(self, way: int) -> float:
        """Of the logarithm of the step with size, 1/V, by what was seen; a guess where nothing."""
        # Of a step that is a large part of the range nothing can be learnt: the bound cuts it.
        most = self._aim.abrupt * self._span()
        use = [(size, math.log(step)) for size, step in self._steps(way) if step < most]
        sizes = np.array([size for size, _ in use])
        guess = _STEEP / self._seen[-1][0][way]
        if sizes.size < 2 or np.ptp(sizes) == 0:
            return guess
        slope = float(np.polyfit(sizes, [step for _, step in use], 1)[0])
        return min(max(slope, guess * 0.7), guess * 5)


def rungs(smallest: float, largest: float, count: int) -> tuple[float, ...]:
    """Evenly spaced sizes, V."""
    return tuple(np.linspace(smallest, largest, count).tolist())


def pairs_of_widths(own: PulseConditions, widths: tuple[float, ...]) -> Iterator[PulseConditions]:
    """The same conditions at each width, both pulses alike; as they are where none is given."""
    if not widths:
        yield own
    for width in widths:
        yield replace(own, up=replace(own.up, width=width), down=replace(own.down, width=width))
