"""Section ``zero_shift`` of an experiment file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ohmloop.drivers.validation import Record


class ZeroShiftConfig(Record):
    """Measure the symmetric points of the fast arrays before training, and refer to them.

    Attributes:
        error: share of the distance from the start that may be left.
        budget: most pulses a cell may get for it; what theory asks for if None.
    """

    error: Annotated[float, Field(gt=0, lt=1)] = 0.01
    budget: Annotated[int, Field(ge=8)] | None = None
