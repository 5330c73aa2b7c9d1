"""Write noise: what is seen of a state differs from the state, anew after every pulse.

``g + std xi(cell, n)`` after n pulses, xi standard normal: numbered by the cell's pulses, so that
nothing is stored, and a state reads the same until the next pulse. The hidden state goes on
unaffected. It is ``write_noise_std`` of aihwkit's pulsed devices, in siemens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from ohmloop.sim_backend.noise import WRITE, normal, stream
from ohmloop.sim_backend.responses import parameter

from .effect import Effect, Moment


@dataclass(frozen=True)
class WriteNoise(Effect):
    """Normal noise that is drawn anew by each pulse.

    Attributes:
        std: its standard deviation, S.
    """

    name: ClassVar[str] = "write"

    std: Any = parameter("S", "write noise: standard deviation of the state as seen", 0)

    def seen(self, g: Any, moment: Moment) -> Any:
        """With the noise of the last pulse."""
        source = stream(moment.seed, WRITE)
        xi = normal(source, moment.cells, moment.pulses, moment.arrays)
        return g + self.std * moment.arrays.float64(xi)

    def without(self, cells: Any) -> Self:
        """Stuck cells are not written."""
        return replace(self, std=np.where(cells, np.float32(0), self.std))
