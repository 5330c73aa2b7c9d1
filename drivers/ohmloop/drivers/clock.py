"""Time as a crossbar has it: a bench's is the host's, a twin's is virtual."""

from __future__ import annotations

import time
from typing import Protocol

_SLICE = 0.2  # s: a signal is dealt with between two slices, whatever the platform


class Clock(Protocol):
    """What tells the time and lets it pass."""

    @property
    def now(self) -> float:
        """Time, s, since whenever the clock counts from; it never goes back."""

    def sleep(self, seconds: float) -> None:
        """Return ``seconds`` later."""


class HostClock:
    """The computer's own: counts from 1970, so that it goes on from process to process."""

    @property
    def now(self) -> float:
        """Time since 1970, s."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Sleep in short slices, so that an interrupt ends it in order."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE))
