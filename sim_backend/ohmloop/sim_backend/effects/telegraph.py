"""Random telegraph noise: one trap a cell takes a share of its conductance while it is filled.

Dwell times are exponential (Kirton and Uren, Adv. Phys. 38:367, 1989), so the spectrum is a
Lorentzian with its corner at ``(1/filled + 1/empty) / 2 pi`` (Machlup, J. Appl. Phys. 25:341,
1954).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ohmloop.sim_backend.noise import TELEGRAPH, stream
from ohmloop.sim_backend.responses import parameter

from .effect import Effect, Moment
from .traps import filled


@dataclass(frozen=True)
class Telegraph(Effect):
    """A trap a cell.

    Attributes:
        amplitude: share of the conductance that is missing while the trap is filled.
        filled: mean time for which it stays filled, s.
        empty: mean time for which it stays empty, s.
    """

    name: ClassVar[str] = "telegraph"
    timed: ClassVar[bool] = True

    amplitude: Any = parameter("1", "share of the conductance that a filled trap takes", 0, 1)
    filled: Any = parameter("s", "mean time for which the trap stays filled", 1e-9)
    empty: Any = parameter("s", "mean time for which the trap stays empty", 1e-9)

    def seen(self, g: Any, moment: Moment) -> Any:
        """Less what the filled ones take."""
        every = g * 0.0
        rate = 1 / self.filled + 1 / self.empty + every
        share = self.filled / (self.filled + self.empty) + every
        source = stream(moment.seed, TELEGRAPH)
        taken = filled(source, moment.cells, rate, share, moment.now, moment.arrays)
        return g * (1 - self.amplitude * taken)
