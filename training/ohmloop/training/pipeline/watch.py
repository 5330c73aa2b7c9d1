"""Noticing that a learning rate was too large, and which one would not be."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from statistics import fmean

import numpy as np

from ohmloop.drivers import OhmloopError

from .stability import largest_step, largest_step_of, step_of_growth

_FIRST = 5  # micro-batches that tell the loss to begin with
_LEARNED = 0.97  # of it, or less, is some progress
_FAR = 10.0  # times the first losses: above it, a few micro-batches are proof enough
_LEAST = 1e-12  # loss whose logarithm is still taken
_STEEPEST = math.log(2.0)  # growth with an update: what rises faster is far from a quadratic


class DivergenceError(OhmloopError):
    """The loss rises instead of falling.

    Attributes:
        rate: that was too large.
        safe: one that should not be.
    """

    def __init__(self, problem: str, rate: float, safe: float) -> None:
        self.rate, self.safe = rate, safe
        super().__init__(problem)


class Watch:
    """Listens to losses of micro-batches, and stops a run that a too large rate has spoilt.

    That is one whose mean loss is far above that of its first micro-batches; or one that has not
    learned anything after ``patience`` micro-batches, at a rate above the safe one: units that
    were driven out of their range do not come back.

    Args:
        rate: the learning rate that runs.
        staleness: of the first stage, for the advice.
        safe: a safe rate that was found before; else one is taken from the ratio of the bounds.
        window: micro-batches whose losses are averaged.
        factor: so many times the loss of the first micro-batches is far above it.
        patience: micro-batches.
    """

    def __init__(
        self,
        rate: Callable[[], float],
        staleness: int,
        safe: float | None = None,
        *,
        window: int = 50,
        factor: float = 3.0,
        patience: int = 1000,
    ) -> None:
        self._rate, self._staleness, self._safe = rate, staleness, safe
        self._factor, self._patience = factor, patience
        self._start: list[float] = []
        self._recent = deque[float](maxlen=window)
        self._heard = 0

    def __call__(self, _micro_batch: int, loss: float) -> None:
        """One micro-batch more.

        Raises:
            DivergenceError: with the rate that would be safe.
        """
        self._heard += 1
        self._recent.append(loss)
        if len(self._start) < _FIRST:
            self._start.append(loss)
            return
        first, last = fmean(self._start), list(self._recent)[-_FIRST:]
        if min(last) > _FAR * first:  # it may be infinite before the window is full
            raise self._rising(first, fmean(last))
        if len(self._recent) < (self._recent.maxlen or 0):
            return
        mean = fmean(self._recent)
        if mean > self._factor * first:
            raise self._rising(first, mean)
        spoilt = self._heard == self._patience and mean > _LEARNED * first
        if spoilt and self._rate() > self.advice():
            what = f"does not learn: the mean loss went from {first:.3g} to {mean:.3g}"
            raise self._found(what, self.advice())

    def advice(self) -> float:
        """A rate that should be safe, by what was known before."""
        if self._safe is not None:
            return min(self._safe, self._rate())
        return self._rate() * largest_step(self._staleness) / largest_step(0)

    def advice_by_growth(self) -> float:
        """A rate that should be safe for a run that diverges.

        What was known before is believed where it is far below the rate. Else the run knows better:
        how fast losses rise tells the curvature. A loss that rises by a factor with every
        micro-batch is of weights that are off by its root; the rate times curvature that does so,
        were it alike in all stages, is above the bound, and half the bound is taken.
        """
        known = math.inf if self._safe is None else self._safe
        if known < self._rate() / 2:
            return known
        shares = [1 / (self._staleness + 1)] * (self._staleness + 1)
        grows = math.exp(min(_rise(list(self._recent)) / 2, _STEEPEST))
        found = largest_step_of(shares) / (2 * step_of_growth(grows, shares))
        return min(known, self._rate() * found)

    def _rising(self, first: float, mean: float) -> DivergenceError:
        what = f"diverges: the mean loss rose from {first:.3g} to {mean:.3g}"
        return self._found(what, self.advice_by_growth())

    def _found(self, what: str, safe: float) -> DivergenceError:
        old = f" with weights up to {self._staleness} updates old" if self._staleness else ""
        rate = self._rate()
        return DivergenceError(
            f"training {what} within {self._heard} micro-batches at learning rate {rate:g}{old};"
            f" a rate of {safe:.2g} or less would be safe",
            rate,
            safe,
        )


def _rise(losses: list[float]) -> float:
    """Slope of the logarithm of losses from their least on, a micro-batch; 0 where there is none.

    By least squares: losses of single micro-batches scatter.
    """
    rising = losses[losses.index(min(losses)) :]
    if len(rising) < 2:
        return 0.0
    logarithms = np.log(np.maximum(rising, _LEAST))
    return max(0.0, float(np.polyfit(np.arange(len(rising)), logarithms, 1)[0]))
