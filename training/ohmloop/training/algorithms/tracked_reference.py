"""Where an array's symmetric point is, found out while training.

An array that gets pulses of either sign is pulled to its symmetric point, so a leaky mean of its
readings finds it, whatever the calibration said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError
from ohmloop.training.tiles.mapping import Map


@dataclass(frozen=True, slots=True)
class TrackedReference:
    """A leaky mean of an array, and a copy of it that is held until it is renewed.

    Attributes:
        rate: weight of a new reading in the mean, above 0 up to 1.

    Raises:
        BadInputError: out of range.
    """

    rate: float

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise BadInputError(f"the weight of a reading must be above 0 up to 1, not {self.rate}")

    def begin(self, shape: tuple[int, int], reference: float = 0.0) -> dict[str, Any]:
        """The mean from 0, and the held reference."""
        return {
            "mean": torch.zeros(shape, dtype=torch.float64),
            "reference": torch.full(shape, reference, dtype=torch.float64),
        }

    def follow(self, state: dict[str, Any], columns: NDArray[np.intp], read: Map) -> None:
        """Take a reading ``(out, columns)`` into the mean."""
        mean = state["mean"].numpy()
        mean[:, columns] += self.rate * (read - mean[:, columns])

    def renew(self, state: dict[str, Any], columns: NDArray[np.intp]) -> None:
        """The mean of these columns becomes their reference."""
        state["reference"].numpy()[:, columns] = state["mean"].numpy()[:, columns]
