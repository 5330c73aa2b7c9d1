"""What a cell may suffer from, as numbers that a chip file keeps."""

from __future__ import annotations

from enum import IntEnum


class Health(IntEnum):
    """State of a cell: its worst trouble. Numbers stay, for files hold them."""

    OK = 0
    UNREADABLE = 1
    OPEN = 2
    STUCK = 3
    NOT_CONVERGED = 4
    UNCERTAIN = 5
    STUCK_HIGH = 6
    STUCK_LOW = 7
    LINES_TOGETHER = 8
    NOISY = 9
    SLUGGISH = 10
    DRIFTING = 11

    @property
    def meaning(self) -> str:
        """For people."""
        return _MEANING[self]

    @property
    def word(self) -> str:
        """Its name, for people."""
        return "ok" if self is Health.OK else self.name.lower().replace("_", " ")


_MEANING = {
    Health.OK: "usable",
    Health.UNREADABLE: "a reading is missing or not a number",
    Health.OPEN: "hardly conducts, after any pulses",
    Health.STUCK: "does not respond to pulses above its noise",
    Health.NOT_CONVERGED: "responds, but the fit found no optimum",
    Health.UNCERTAIN: "responds too weakly, or was pulsed too little, to tell",
    Health.STUCK_HIGH: "does not respond, and conducts as much as sound cells at most, or more",
    Health.STUCK_LOW: "does not respond, and conducts as little as sound cells at least",
    Health.LINES_TOGETHER: "its line and another are one node",
    Health.NOISY: "its readings scatter more than those of the chip's other cells",
    Health.SLUGGISH: "its steps are much smaller than those of the chip's other cells",
    Health.DRIFTING: "its readings change while nothing is done to it",
}

STILL = (Health.UNREADABLE, Health.OPEN, Health.STUCK, Health.STUCK_HIGH, Health.STUCK_LOW)
"""Cells that pulses do not move."""
GRADUAL = (Health.NOISY, Health.SLUGGISH, Health.DRIFTING)
"""Troubles of degree: such a cell is usable still, unless it has too much of it."""
