"""Choppers: signs of an array's inputs that turn now and then.

A slow error of the fast array, such as a wrong symmetric point, keeps its sign when a chopper
turns, while the gradient that the array gathers changes it; so the error cancels over time (Rasch
et al., Nat. Commun. 15:7133, 2024).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError
from ohmloop.training.tiles.mapping import Map
from ohmloop.training.update.rule import Rows


@dataclass(frozen=True, slots=True)
class Chopper:
    """See the module.

    Attributes:
        probability: of a column's turn at each of its readings; 0 for never.
        random: draw it; else turn at every ``ceil(1 / probability)``-th reading.
        together: one chopper for all columns, asked at each transfer.

    Raises:
        BadInputError: out of range.
    """

    probability: float = 0.1
    random: bool = True
    together: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise BadInputError(f"a chopper turns with odds of 0 to 1, not {self.probability}")

    def begin(self, width: int) -> dict[str, Any]:
        """Signs and number of readings, each ``(width,)``."""
        return {
            "chopper": torch.ones(width, dtype=torch.float64),
            "readings": torch.zeros(width, dtype=torch.int64),
        }

    def chop(self, state: dict[str, Any], x: Rows) -> Map:
        """Inputs ``(batch, width)``, each by its sign."""
        chopped: Map = x * state["chopper"].numpy()
        return chopped

    def unchop(self, state: dict[str, Any], columns: NDArray[np.intp], read: Map) -> Map:
        """What was read of some columns, ``(out, columns)``, in the signs of the gradient."""
        straight: Map = read * state["chopper"].numpy()[columns]
        return straight

    def turn(
        self, state: dict[str, Any], columns: NDArray[np.intp], rng: np.random.Generator
    ) -> NDArray[np.intp]:
        """Some columns have been read; turn what turns, and return which did."""
        signs, readings = state["chopper"].numpy(), state["readings"].numpy()
        asked = np.arange(signs.size) if self.together else columns
        readings[asked] += 1
        if self.probability == 0:
            return asked[:0]
        if not self.random:
            turns = readings[asked] % math.ceil(1 / self.probability) == 0
        elif self.together:
            turns = np.full(asked.size, rng.random() < self.probability)
        else:
            turns = rng.random(asked.size) < self.probability
        turned: NDArray[np.intp] = asked[turns]
        signs[turned] *= -1
        return turned
