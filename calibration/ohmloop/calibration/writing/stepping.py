"""How far pulses will take a cell: by its response function where known, and by what it did so far.

A prediction has two parts. The mean step at a state comes from a calibration, or, without one, is
the same everywhere and taken from the first pulses. A gain for every cell and direction, learned
from every round, says how much more or less it moved than predicted.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int32]

_FORGET = 0.7
"""Weight of what was learned before the last round."""
_PRIOR = 2.0
"""Rounds that a gain of 1 counts for at first."""
_GAINS = (0.2, 5.0)
_FURTHEST = 200
"""Pulses ahead that a response function is followed at once."""


class Response(Protocol):
    """Mean steps at a state, both positive, S: a ``ResponseFunction`` with flat maps."""

    def q_up(self, g: Array) -> Array:
        """Of one up pulse."""

    def q_down(self, g: Array) -> Array:
        """Of one down pulse."""


class Stepping:
    """Predicts how many pulses lead to a target.

    Args:
        cells: how many.
        response: of the cells, or None to learn it.
    """

    def __init__(self, cells: int, response: Response | None = None) -> None:
        self._response, self._step = response, 0.0
        self._gain = np.ones((2, cells))
        self._seen, self._weight = np.zeros((2, cells)), np.zeros((2, cells))

    @property
    def known(self) -> bool:
        """Whether anything is known of the size of steps."""
        return self._response is not None or self._step > 0

    def distance(self, g: Array, target: Array, most: float) -> Array:
        """Signed pulses from ``g`` to ``target``, ``(cells,)``; at most about ``most``.

        Before anything is known it is one pulse in the right direction.
        """
        up = target > g
        if not self.known:
            one: Array = np.where(up, 1.0, -1.0)
            return one
        if self._response is None:
            steps = (target - g) / (self._step * self._picked(up))
            limit = min(most, _FURTHEST)
            found: Array = np.clip(steps, -limit, limit)
            return found
        return self._followed(g, target, up, min(most, _FURTHEST))

    def predicted(self, g: Array, counts: Counts) -> Array:
        """Change that ``counts`` pulses are expected to make from ``g``, without the gain, S."""
        up, count = counts > 0, np.abs(counts)
        if self._response is None:
            change: Array = counts.astype(np.float64) * self._step
            return change
        at = g.copy()
        for k in range(int(count.max(initial=0))):
            at += np.where(count > k, self._signed(at, up), 0.0)
        return at - g

    def learn(self, before: Array, counts: Counts, after: Array) -> None:
        """Take in what a round of pulses did, ``(cells,)`` each; cells without pulses are left."""
        given = counts != 0
        if self._response is None and self._step == 0:
            moved = (after - before)[given] / counts[given]
            self._step = max(float(np.median(moved)) if moved.size else 0.0, 0.0)
            if self._step == 0:
                return
        expected = self.predicted(before, counts)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = (after - before) / expected
        fine = given & np.isfinite(ratio)
        size = np.abs(counts).astype(float)
        for way, cells in enumerate((fine & (counts > 0), fine & (counts < 0))):
            self._seen[way, cells] = _FORGET * self._seen[way, cells] + (size * ratio)[cells]
            self._weight[way, cells] = _FORGET * self._weight[way, cells] + size[cells]
            gain = (self._seen[way] + _PRIOR) / (self._weight[way] + _PRIOR)
            self._gain[way] = np.clip(gain, *_GAINS)

    def step_at(self, g: Array, up: NDArray[np.bool_]) -> Array:
        """Size of the next step, S."""
        if self._response is None:
            return self._step * self._picked(up)
        return np.abs(self._signed(g, up)) * self._picked(up)

    def _picked(self, up: NDArray[np.bool_]) -> Array:
        gain: Array = np.where(up, self._gain[0], self._gain[1])
        return gain

    def _signed(self, g: Array, up: NDArray[np.bool_]) -> Array:
        assert self._response is not None
        return np.where(up, self._response.q_up(g), -self._response.q_down(g))

    def _followed(self, g: Array, target: Array, up: NDArray[np.bool_], most: float) -> Array:
        """Step by step along the mean response, to the fraction of the last step."""
        at, left, gain = g.copy(), np.abs(target - g), self._picked(up)
        steps, going = np.zeros(g.size), np.ones(g.size, bool)
        for _ in range(int(most)):
            step = np.maximum(np.abs(self._signed(at, up)) * gain, 1e-300)
            share = np.clip(left / step, 0.0, 1.0)
            steps += np.where(going, share, 0.0)
            at = np.where(going, at + np.where(up, 1, -1) * step * share, at)
            left = np.maximum(left - step, 0.0)
            going &= left > 0
            if not going.any():
                break
        return np.where(up, steps, -steps)
