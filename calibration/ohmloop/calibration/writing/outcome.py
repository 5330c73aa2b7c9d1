"""What became of a cell that was written."""

from __future__ import annotations

from enum import IntEnum


class Outcome(IntEnum):
    """Why writing a cell ended."""

    HIT = 0
    MASKED = 1
    OUT_OF_RANGE = 2
    UNRESPONSIVE = 3
    COARSE = 4
    PULSES_SPENT = 5
    ROUNDS_SPENT = 6
    LIFETIME = 7
    INTERRUPTED = 8

    @property
    def meaning(self) -> str:
        """For people."""
        return _MEANING[self]


_MEANING = {
    Outcome.HIT: "within the tolerance",
    Outcome.MASKED: "not usable, and left as it is",
    Outcome.OUT_OF_RANGE: "target beyond what the cell reaches",
    Outcome.UNRESPONSIVE: "does not move on towards the target",
    Outcome.COARSE: "went past the target again and again: its steps are too coarse",
    Outcome.PULSES_SPENT: "budget of pulses spent",
    Outcome.ROUNDS_SPENT: "budget of rounds spent",
    Outcome.LIFETIME: "no pulse left in its life (limits.pulses_per_cell)",
    Outcome.INTERRUPTED: "writing was interrupted",
}
