"""Learning-rate schedules: what a rate is multiplied by as training goes on.

Pure functions of the progress in epochs, so a run that is resumed needs no state of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, floor, isfinite, pi
from typing import Protocol

from ohmloop.drivers import BadInputError


class Schedule(Protocol):
    """What the learning rate is multiplied by."""

    def factor(self, progress: float) -> float:
        """At a progress in epochs, from 0: 2.5 is in the middle of the third epoch."""


@dataclass(frozen=True, slots=True)
class StepSchedule:
    """Multiplied by ``by`` every ``every`` epochs.

    Raises:
        BadInputError: ``every`` is below 1, or ``by`` is not positive.
    """

    every: int
    by: float

    def __post_init__(self) -> None:
        if self.every < 1 or not 0 < self.by < float("inf"):
            raise BadInputError("a step schedule needs every of 1 or more and a positive factor")

    def factor(self, progress: float) -> float:
        """See ``Schedule``."""
        return float(self.by ** (floor(progress) // self.every))


@dataclass(frozen=True, slots=True)
class CosineSchedule:
    """Half a cosine from 1 down to ``least`` over ``epochs``, then ``least``.

    ``least + (1 - least) (1 + cos(pi t / T)) / 2`` (Loshchilov and Hutter, "SGDR", ICLR 2017,
    eq. 5, without restarts), batch by batch.

    Raises:
        BadInputError: no epochs, or ``least`` is not from 0 to 1.
    """

    epochs: float
    least: float = 0.0

    def __post_init__(self) -> None:
        if not self.epochs > 0 or not 0 <= self.least <= 1:
            raise BadInputError("a cosine schedule needs epochs above 0 and least from 0 to 1")

    def factor(self, progress: float) -> float:
        """See ``Schedule``."""
        done = min(progress / self.epochs, 1.0)
        return self.least + (1 - self.least) * (1 + cos(pi * done)) / 2


@dataclass(frozen=True, slots=True)
class ListSchedule:
    """Given factors, each for ``every`` epochs; the last one stays.

    Raises:
        BadInputError: no factor, one that is negative, or ``every`` below 1.
    """

    factors: Sequence[float]
    every: int = 1

    def __post_init__(self) -> None:
        fine = all(isfinite(factor) and factor >= 0 for factor in self.factors)
        if not self.factors or not fine or self.every < 1:
            raise BadInputError(
                "a list schedule needs factors of 0 or more, and every of 1 or more"
            )

    def factor(self, progress: float) -> float:
        """See ``Schedule``."""
        return float(self.factors[min(floor(progress) // self.every, len(self.factors) - 1)])


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Rises in a straight line over the first ``epochs``, on top of another schedule.

    The first batch has ``first`` of the rate: a large rate meets weights that nothing is known of.

    Raises:
        BadInputError: ``epochs`` is not positive, or ``first`` not from 0 to 1.
    """

    epochs: float
    then: Schedule
    first: float = 0.0

    def __post_init__(self) -> None:
        if not self.epochs > 0 or not 0 <= self.first <= 1:
            raise BadInputError("a warm-up needs epochs above 0, and first from 0 to 1")

    def factor(self, progress: float) -> float:
        """See ``Schedule``."""
        risen = min(progress / self.epochs, 1.0)
        return (self.first + (1 - self.first) * risen) * self.then.factor(progress)
