"""Flicker noise, 1/f: many traps a cell, their rates spread evenly over decades.

Each trap's spectrum is a Lorentzian; with rates even on a logarithmic axis they add up to 1/f
between the slowest and the fastest (McWhorter, in Semiconductor Surface Physics, 1957). Rates a
factor of 5 apart leave a ripple of 1 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ohmloop.sim_backend.noise import FLICKER, stream
from ohmloop.sim_backend.responses import parameter

from .effect import Effect, Moment
from .traps import filled

_APART = 5.0
_MOST = 64


@dataclass(frozen=True)
class Flicker(Effect):
    """Noise of spectrum 1/f, relative to the conductance.

    Attributes:
        std: standard deviation over all of its frequencies, relative to the conductance.
        shortest: time constant of the fastest trap, s; above ``1/(2 pi shortest)`` the spectrum
            falls with the square of the frequency.
        longest: time constant of the slowest trap, s; below ``1/(2 pi longest)`` it is flat.
    """

    name: ClassVar[str] = "flicker"
    timed: ClassVar[bool] = True
    defaults: ClassVar[dict[str, float]] = {"shortest": 1e-3, "longest": 1e3}

    std: Any = parameter("1", "1/f noise over all of its frequencies, relative", 0, 1)
    shortest: Any = parameter("s", "time constant of the fastest trap of the 1/f noise", 1e-9)
    longest: Any = parameter("s", "time constant of the slowest trap of the 1/f noise", 1e-9)

    def seen(self, g: Any, moment: Moment) -> Any:
        """With the sum of all traps' states."""
        every, count = g * 0.0, self.traps
        source, noise = stream(moment.seed, FLICKER), every
        ratio = self.shortest / self.longest
        for k in range(count):
            rate = ratio ** (k / (count - 1)) / self.shortest + every
            # Rates of up and down are equal, and add up to the one at which a trap forgets.
            traps = moment.cells * _MOST + k
            state = filled(source, traps, rate, every + 0.5, moment.now, moment.arrays)
            noise = noise + (2 * state - 1)
        return g * (1 + self.std * noise / math.sqrt(count))

    @property
    def traps(self) -> int:
        """How many traps a cell has: enough for the widest range, 2 to 64."""
        widest = float((self.longest / self.shortest).max())
        decades = math.log(max(widest, 1.0)) / math.log(_APART)
        return min(max(math.ceil(decades - 1e-9) + 1, 2), _MOST)
