"""Virtual time: a pulse costs its width, a relay its settling, and nobody waits."""

from __future__ import annotations


class VirtualClock:
    """Whole nanoseconds, so that a width read off the clock is exactly the width asked for."""

    def __init__(self) -> None:
        self.ns = 0

    @property
    def now(self) -> float:
        """Time since the start, s."""
        return self.ns * 1e-9

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if seconds > 0:
            self.ns += round(seconds * 1e9)
