"""When something is transferred from one array to the next, and which columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError


@dataclass(frozen=True, slots=True)
class TransferSchedule:
    """Every so many steps the next columns in turn (Gokmen and Haensch 2020).

    Attributes:
        every: steps from one transfer to the next.
        columns: at each; all columns if None, and never one twice.

    Raises:
        BadInputError: a number below 1.
    """

    every: int = 1
    columns: int | None = 1

    def __post_init__(self) -> None:
        if self.every < 1 or (self.columns is not None and self.columns < 1):
            raise BadInputError("transfer_every and transfer_columns must be 1 or more")

    def begin(self) -> dict[str, Any]:
        """Steps done, and the column that is next."""
        return {"steps": 0, "next_column": 0}

    def due(self, state: dict[str, Any], width: int) -> NDArray[np.intp] | None:
        """Count a step; the columns to transfer now, of ``width``, or None."""
        state["steps"] += 1
        if state["steps"] % self.every:
            return None
        count = width if self.columns is None else min(self.columns, width)
        first: int = state["next_column"]
        state["next_column"] = (first + count) % width
        columns: NDArray[np.intp] = np.arange(first, first + count) % width
        return columns

    def steps_between(self, width: int) -> float:
        """Steps from one transfer of a column to its next."""
        count = width if self.columns is None else min(self.columns, width)
        return self.every * width / count
