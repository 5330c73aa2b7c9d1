"""Pristine cells, which hardly conduct and do not switch before a strong pulse has formed them.

The first up pulse that reaches a cell's forming voltage forms it (Wong et al., Proc. IEEE 100,
1951, 2012, section II); one that is higher than that by a margin breaks it down for good, as where
nothing limits the current. Pulse width does not matter here, nor does current compliance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from ohmloop.sim_backend.responses import parameter

from .effect import Effect, Moment


@dataclass(frozen=True)
class Forming(Effect):
    """What forming takes, and where it leads.

    Attributes:
        voltage: amplitude of an up pulse that forms a cell, V; 0 = it is formed already.
        margin: how much higher an up pulse has to be to break the cell, formed or not, V.
        pristine: conductance before, S.
        start: where a cell is when it has been formed, as a share of its range.
        short: conductance of a broken cell, which no pulse changes any more, S.
    """

    name: ClassVar[str] = "forming"
    of_pulses: ClassVar[bool] = True
    defaults: ClassVar[dict[str, float]] = {
        "margin": 0.5,
        "pristine": 1e-7,
        "start": 0.8,
        "short": 5e-4,
    }

    voltage: Any = parameter("V", "amplitude that forms a pristine cell; 0 = it is formed", 0)
    margin: Any = parameter("V", "how much higher a pulse breaks the cell", 1e-3)
    pristine: Any = parameter("S", "conductance before forming", 0)
    start: Any = parameter("1", "state after forming, as a share of the range", 0, 1)
    short: Any = parameter("S", "conductance of a cell that forming has broken", 0)

    def seen(self, g: Any, moment: Moment) -> Any:  # noqa: ARG002
        """Reading is as ever."""
        return g

    def without(self, cells: Any) -> Self:
        """Stuck cells have nothing to be formed."""
        return replace(self, voltage=np.where(cells, np.float32(0), self.voltage))
