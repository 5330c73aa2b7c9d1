"""One trial of pulse conditions: trains up and down on a sample of cells, and what they say.

Of every cell, the steps of one direction are fitted by a line in the state, as soft bounds have
them, so that steps up and down can be compared at the same states.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import PulseConditions

Array = NDArray[np.float64]

_CLEAR = 5.0  # noises of a reading that a train has to move a cell by, to count as moving
_TELLING = 15.0  # the same, to tell whether it slows down
_JUMP = 3.0  # noises of a difference that are taken off the largest change
_POINTS = 9  # states over the range at which steps are compared
_WIDE = 0.05  # share of the range over which states have to spread for a slope to count half


@dataclass(frozen=True, slots=True)
class Trial:
    """What was measured under some conditions.

    Attributes:
        conditions: of its pulses.
        readings: ``(steps, cells)``, S; the first before any pulse.
        pulses: of all cells before each reading, signed, ``(steps,)``; 0 before the first.
    """

    conditions: PulseConditions
    readings: Array
    pulses: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Range:
    """Where cells can be, as far as it is known, each ``(cells,)``, S.

    Attributes:
        low: lowest reading.
        high: highest reading.
        noise: of a reading.
    """

    low: Array
    high: Array
    noise: Array

    @classmethod
    def of(cls, trials: list[Trial], quiet: Array) -> Range:
        """By all readings so far.

        Args:
            trials: made so far.
            quiet: readings without a pulse in between, ``(readings, cells)``, S.
        """
        every = np.concatenate([quiet, *(trial.readings for trial in trials)])
        # Relative noise of all cells together: a few readings of one cell say little.
        relative = np.sqrt(np.mean(quiet.var(axis=0, ddof=1) / quiet.mean(axis=0) ** 2))
        return cls(every.min(axis=0), every.max(axis=0), relative * every.mean(axis=0))

    @property
    def span(self) -> Array:
        """From low to high, S; never 0."""
        return np.maximum(self.high - self.low, np.finfo(float).tiny)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial says; medians over the cells that moved.

    Attributes:
        step_up: mean step of an up pulse at mid-range, S.
        step_down: size of that of a down pulse, S.
        span: range of a cell as far as it is known, S.
        states: range over the mean of both steps.
        asymmetry: ``(up - down) / (up + down)`` of the mean steps over the range: 0 is symmetric.
        abruptness: largest change by a single pulse, as a share of the range.
        going_on_up: rate of change in the second half of the up train over that in the first: 1
            where cells go on as they began, or where the change is too small to tell, 0 where they
            have reached the bound; NaN where less than half of the cells moved up.
        going_on_down: the same of the down train.
        covered_up: share of the range as far as known that the up train led through.
        covered_down: the same of the down train.
        noise_up: scatter of a single up step about the fit, without noise of reading, relative to
            the step.
        noise_down: of down steps.
        moved: share of cells that moved clearly, either way.
    """

    step_up: float
    step_down: float
    span: float
    states: float
    asymmetry: float
    abruptness: float
    going_on_up: float
    going_on_down: float
    covered_up: float
    covered_down: float
    noise_up: float
    noise_down: float
    moved: float


def outcome(trial: Trial, within: Range) -> Outcome:
    """What a trial says; pure.

    Args:
        trial: as measured.
        within: ranges of the cells.
    """
    up, down = (_way(trial, within, sign) for sign in (1, -1))
    moved = up.moved | down.moved
    if not moved.any():
        return _still(float(np.median(within.span)))
    total, mean = up.middle + down.middle, up.mean + down.mean
    with np.errstate(divide="ignore", invalid="ignore"):
        asymmetry = (up.mean - down.mean) / mean
        states = 2 * within.span / total
    return Outcome(
        step_up=_median(up.middle[moved]),
        step_down=_median(down.middle[moved]),
        span=_median(within.span[moved]),
        states=float(np.median(states[moved])),
        asymmetry=_median(asymmetry[moved]),
        abruptness=_median(np.maximum(up.abrupt, down.abrupt)[moved]),
        going_on_up=_of_most(up),
        going_on_down=_of_most(down),
        covered_up=_median(up.covered[moved]),
        covered_down=_median(down.covered[moved]),
        noise_up=_median(up.noise[moved]),
        noise_down=_median(down.noise[moved]),
        moved=float(moved.mean()),
    )


def _still(span: float) -> Outcome:
    """Where no cell moved."""
    nobody = dict.fromkeys((f.name for f in fields(Outcome)), np.nan)
    return Outcome(
        **nobody | {"step_up": 0.0, "step_down": 0.0, "span": span, "states": np.inf, "moved": 0.0}
    )


def _of_most(way: _Way) -> float:
    """Whether cells go on, where at least half of them move that way."""
    return _median(way.going_on[way.moved]) if way.moved.mean() >= 0.5 else np.nan


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else np.nan


@dataclass(frozen=True, slots=True)
class _Way:
    """Of one direction, each ``(cells,)``."""

    middle: Array
    mean: Array
    abrupt: Array
    going_on: Array
    covered: Array
    noise: Array
    moved: NDArray[np.bool_]


def _way(trial: Trial, within: Range, sign: int) -> _Way:
    mine = np.flatnonzero(np.sign(trial.pulses) == sign)
    before, after = trial.readings[mine - 1], trial.readings[mine]
    step, state = sign * (after - before), (before + after) / 2
    centre = state.mean(axis=0)
    slope = _slope(state - centre, step, within.span)

    def at(g: Array) -> Array:
        found: Array = np.maximum(step.mean(axis=0) + slope * (g - centre), 0.0)
        return found

    middle = at((within.low + within.high) / 2)
    grid = within.low + np.linspace(0.05, 0.95, _POINTS)[:, None] * within.span
    scatter = ((step - at(state)) ** 2).sum(axis=0) / max(len(mine) - 2, 1)
    noise = np.sqrt(np.maximum(scatter - 2 * within.noise**2, 0.0))
    jump = step.max(axis=0) - _JUMP * np.sqrt(2) * within.noise
    half = len(mine) // 2
    # Means of a few readings at either end and in the middle: less noise than single ones.
    few = max(1, half // 3)
    start, end = before[0], after[-few:].mean(axis=0)
    turn = after[half - 1 : half - 1 + few].mean(axis=0)
    change = sign * (end - start)
    moved = change > _CLEAR * within.noise
    at_turn, at_end = half + (few - 1) / 2, len(mine) - (few - 1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        late = np.maximum(sign * (end - turn), 0.0) / (at_end - at_turn)
        going_on = late / np.maximum(sign * (turn - start) / at_turn, 0.0)
        going_on = np.where(change > _TELLING * within.noise, going_on, 1.0)
        relative = np.where(middle > 0, noise / middle, np.nan)
    abrupt = np.maximum(jump, 0.0) / within.span
    covered = np.maximum(change, 0.0) / within.span
    return _Way(middle, at(grid).mean(axis=0), abrupt, going_on, covered, relative, moved)


def _slope(off: Array, step: Array, span: Array) -> Array:
    """Slope of a line through steps; the less, the smaller a part of the range they are of."""
    power = (off**2).sum(axis=0)
    plain = (off * (step - step.mean(axis=0))).sum(axis=0)
    found: Array = plain / (power + len(step) * (_WIDE * span) ** 2 * (1 - _share(off, span)))
    return found


def _share(off: Array, span: Array) -> Array:
    """Share of the range that states spread over."""
    found: Array = np.minimum(np.ptp(off, axis=0) / span, 1.0)
    return found
