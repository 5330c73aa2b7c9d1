"""Time that several runs share."""

from __future__ import annotations

import time


class Budget:
    """Minutes, of which every run may take an equal share of what is left.

    Args:
        minutes: in all.
        runs: how many will share them.
    """

    def __init__(self, minutes: float, runs: int) -> None:
        self._end = time.monotonic() + 60 * minutes
        self._runs = runs

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self._end

    def next_end(self) -> float:
        """On the monotonic clock: when the run that begins now has to end, s."""
        now, runs = time.monotonic(), max(1, self._runs)
        self._runs -= 1
        return now + max(0.0, self._end - now) / runs
