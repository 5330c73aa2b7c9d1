"""The verdict on a twin, in words, with the reason and what to do.

A limit counts as passed only where it is passed by ``SIGMAS`` standard errors, so that each of the
about dozen tests calls a twin at its limit wrong once in 1,000 times, and all together once in 100;
a perfect twin is far within every limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ohmloop.drivers.units import with_unit

from .change import Change
from .plan import Kind
from .scores import Estimate, KindScore, Scores

SIGMAS = 3.1
GOOD, FAIR = 1.2, 1.5
"""Error over noise up to which a twin is good, and up to which it may serve."""
BEYOND = 2.0
"""Error over noise up to which a twin is good where sequences leave what a fit saw, and it says
so."""
ANNOUNCED = 1.2
"""Error over the spread that the twin expects up to which an error counts as announced."""
HONEST = 0.05
"""How far coverage may be from what it should be."""
STEADY, STEADY_STEPS = 0.1, 1.0
"""Changes that do not matter: of granularity, and of the symmetric point in steps."""
MOST_FAILING = 0.01
"""Share of cells that may fail."""
_EXPLAINED = 0.25
"""Share of the excess error that may be left where a change explains it."""
_TELLING = 0.5
"""Correlation that the same chip must give before another one can be told by its absence."""


class Word(StrEnum):
    """Verdicts."""

    GOOD = "good"
    CARE = "usable with care"
    CHANGED = "changed since the calibration"
    OTHER = "not this chip"
    SHAPE = "wrong shape"


@dataclass(frozen=True)
class Verdict:
    """What to think of a twin.

    Attributes:
        word: in short.
        reasons: what speaks for it, one a line.
        advice: what to do.
    """

    word: Word
    reasons: tuple[str, ...]
    advice: str

    @property
    def serves(self) -> bool:
        """Whether the twin may stand for the chip."""
        return self.word in (Word.GOOD, Word.CARE)

    @property
    def text(self) -> str:
        """As a paragraph."""
        return f"{self.word.capitalize()}: {'; '.join(self.reasons)}. {self.advice}"


_ADVICE = {
    Word.GOOD: "The twin may stand for the chip.",
    Word.CARE: "Mask the cells that fail, and calibrate longer if more is wanted.",
    Word.CHANGED: "Calibrate again.",
    Word.OTHER: "Check which chip is connected and the order of its lines, or calibrate this one.",
    Word.SHAPE: "Calibrate again with another response function, or look at the pulses.",
}


def judge(scores: Scores, change: Change) -> Verdict:
    """Make a verdict of scores and of what has changed."""
    far = [k for k in scores.kinds if k.ratio.above(FAIR, SIGMAS) and not _announced(k)]
    near = [k for k in scores.kinds if k.ratio.above(_allowed(k), SIGMAS)]
    moved = _moved(change)
    if far or (near and moved):
        word, why = _diagnosis(far or near, change, moved)
    else:
        why = [*_near(near), *_dishonest(scores), *_failing(scores), *moved]
        word = Word.CARE if why else Word.GOOD
    if word is Word.GOOD:
        why = [
            f"the twin predicts the chip about as well as the chip repeats itself, {_best(scores)}"
        ]
    return Verdict(word, tuple(why), _ADVICE[word])


def _announced(kind: KindScore) -> bool:
    """Whether errors are no larger than the twin says of itself."""
    return not kind.spread.above(ANNOUNCED, SIGMAS)


def _allowed(kind: KindScore) -> float:
    """Long trains leave what a fit saw: there an error may show, if it was announced."""
    return BEYOND if kind.kind is Kind.LONG and _announced(kind) else GOOD


def _diagnosis(bad: list[KindScore], change: Change, moved: list[str]) -> tuple[Word, list[str]]:
    why = [_error(k) for k in bad]
    found, expected = change.identity
    if {k.kind for k in bad} == {Kind.IDLE}:
        return Word.SHAPE, [*why, "cells move without pulses in a way that the twin does not"]
    if expected >= _TELLING and found < expected / 3:
        told = f"the cells' granularities go with those of the file by {found:.2f} only"
        return Word.OTHER, [*why, f"{told}, where the same chip gives about {expected:.2f}"]
    if _explained(bad, change):
        return Word.CHANGED, [*why, *(moved or ["steps of single cells differ from the file's"])]
    return Word.SHAPE, [*why, "no change of step sizes and scale explains it"]


def _explained(bad: list[KindScore], change: Change) -> bool:
    """Whether the factors leave little of the excess of squared error over noise, in every kind."""
    moving = [k for k in bad if k.kind is not Kind.IDLE]
    return all(
        change.residual[k.kind] ** 2 - 1 < max(_EXPLAINED * (k.ratio.value**2 - 1), GOOD**2 - 1)
        for k in moving
    )


def _moved(change: Change) -> list[str]:
    why, size, point = [], change.granularity_ratio, change.point_shift
    if size.apart(1.0, STEADY, SIGMAS):
        why.append(f"granularity is {_plus(size, 100, '%', 1.0)} off that of the calibration")
    step = float(np.median(change.known))
    if np.isfinite(point.value) and point.apart(0.0, STEADY_STEPS * step, SIGMAS):
        moved = f"{with_unit(float(f'{point.value:.3g}'), 'S')}"
        why.append(f"the symmetric point has moved by {moved}, {point.value / step:+.1f} steps")
    return why


def _near(near: list[KindScore]) -> list[str]:
    return [_error(k) for k in near]


def _dishonest(scores: Scores) -> list[str]:
    why = []
    for level, found in scores.coverage.items():
        if found.apart(level, HONEST, SIGMAS):
            side = "too narrow" if found.value < level else "too wide"
            why.append(f"intervals of {level:.0%} hold {found.value:.1%} of readings, {side}")
    return why


def _failing(scores: Scores) -> list[str]:
    count, of = len(scores.failing), int(scores.usable.sum())
    return [f"{count} of {of} cells fail"] if count > MOST_FAILING * of else []


def _error(kind: KindScore) -> str:
    return f"error over noise is {_pm(kind.ratio)} for {kind.kind} sequences ({kind.kind.meaning})"


def _best(scores: Scores) -> str:
    within = [k for k in scores.kinds if k.kind is not Kind.LONG]
    parts = [f"{_pm(max((k.ratio for k in within), key=_value))} at worst"] if within else []
    parts += [
        f"{_pm(k.ratio)} for long trains, as it announces"
        for k in scores.kinds
        if k.kind is Kind.LONG
    ]
    return "error over noise " + " and ".join(parts)


def _value(estimate: Estimate) -> float:
    return estimate.value


def _pm(value: Estimate) -> str:
    return f"{value.value:.2f} +- {value.stderr:.2f}"


def _plus(value: Estimate, factor: float, unit: str, less: float) -> str:
    return f"{factor * (value.value - less):+.0f} +- {factor * value.stderr:.0f} {unit}"
