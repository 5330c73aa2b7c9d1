"""The digital hidden matrix H between two arrays: it gathers what is read, and fires whole pulses.

Kept in pulses of the array it feeds. Below one pulse nothing is written, so read noise and the
noise of the fast array average out before they reach the main one (Tiki-Taka version 2: Gokmen,
Front. Artif. Intell. 4:699148, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError
from ohmloop.training.tiles.mapping import Map
from ohmloop.training.tiles.protocol import Tile


@dataclass(frozen=True, slots=True)
class HiddenBuffer:
    """See the module.

    Attributes:
        forget: after firing keep only ``momentum`` of H, whatever was fired; else take from H
            ``1 - momentum`` of what was fired (both as aihwkit's ``forget_buffer``).
        momentum: 0 to below 1.
        most: pulses that a cell may get at once.

    Raises:
        BadInputError: out of range.
    """

    forget: bool = False
    momentum: float = 0.0
    most: int = 1

    def __post_init__(self) -> None:
        if not (0 <= self.momentum < 1 and self.most >= 1):
            raise BadInputError(
                f"momentum must lie from 0 to below 1, not {self.momentum}, and a cell get 1 pulse"
                f" or more at a transfer, not {self.most}"
            )

    def add(
        self, hidden: Map, columns: NDArray[np.intp], gained: Map, kept: float = 1.0
    ) -> NDArray[np.int64]:
        """``H <- kept H + gained`` in some columns, then fire where H has reached a pulse.

        Args:
            hidden: H ``(out, in)``, changed in place.
            columns: which, each once.
            gained: in pulses, ``(out, columns)``.
            kept: share of H that stays before.

        Returns:
            Pulses to apply ``(out, columns)``, positive up.
        """
        held = kept * hidden[:, columns] + gained
        counts = np.clip(np.trunc(held), -self.most, self.most)
        if self.forget:
            held[counts != 0] *= self.momentum
        else:
            held -= (1 - self.momentum) * counts
        hidden[:, columns] = held
        return counts.astype(np.int64)


def granularity_of(tile: Tile) -> float:
    """``dw_min`` of the array that a buffer feeds: its unit.

    Raises:
        BadInputError: it is 0, so no number of pulses makes a change.
    """
    if not tile.dw_min > 0:
        raise BadInputError("a buffer of whole pulses needs an array with a granularity above 0")
    return tile.dw_min
