"""From where on a cell is ill, and from where on it is of no use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from scipy import stats

from ohmloop.drivers.validation import Record

Share = Annotated[float, Field(gt=0, lt=1)]

TESTS = 8
"""Tests that a healthy cell must pass: responds, large enough, and slow; reads, steps; trend, and
two kinds of lines. Each gets an equal part of the false alarms."""


class HealthCriteria(Record):
    """Thresholds of the health tests.

    Attributes:
        false_alarms: healthy cells that may be called ill, all tests together.
        still: a cell is stuck where it surely moves less than this share of the chip's typical
            step.
        slow: a cell is sluggish only where its step is below this share of the typical one ...
        slow_for_use: ... and of no use where it is below this one.
        noisy: a cell is noisy only where it scatters more than so many times the typical amount ...
        noisy_for_use: ... and of no use where its read noise is more than this share of the range
            it was seen in.
        drift: a cell drifts only where it changes by more than this share of that range ...
        drift_for_use: ... and is of no use where it changes by more than this one.
    """

    false_alarms: Share = 1e-3
    still: Share = 0.1
    slow: Share = 0.5
    slow_for_use: Share = 0.2
    noisy: Annotated[float, Field(gt=1)] = 2.0
    noisy_for_use: Share = 0.2
    drift: Share = 0.05
    drift_for_use: Share = 0.2

    @property
    def alpha(self) -> float:
        """False alarms of one test."""
        return self.false_alarms / TESTS

    @property
    def z(self) -> float:
        """The same as a one-sided threshold in standard deviations of a normal variable."""
        return float(stats.norm.isf(self.alpha))
