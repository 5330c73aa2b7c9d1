"""Retention: a state relaxes exponentially to where it rests, as the charge of a capacitor cell.

``rest + (g - rest) exp(-t/lifetime)`` (Li et al., VLSI Technology 2018, for capacitor cells). The
state itself is lost: the next pulse starts from what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from ohmloop.sim_backend.responses import parameter
from ohmloop.sim_backend.responses.libraries import library

from .effect import Effect, Moment


@dataclass(frozen=True)
class Retention(Effect):
    """Exponential relaxation.

    Attributes:
        lifetime: time in which the distance to the rest falls to 1/e, s.
        rest: conductance that a cell left alone comes to, S.
    """

    name: ClassVar[str] = "retention"
    timed: ClassVar[bool] = True
    aging: ClassVar[bool] = True
    lasting: ClassVar[bool] = True

    lifetime: Any = parameter("s", "time in which a state relaxes to 1/e", 1e-9, endless=True)
    rest: Any = parameter("S", "conductance that a cell left alone comes to", 0)

    def seen(self, g: Any, moment: Moment) -> Any:
        """What is left."""
        return self.rest + (g - self.rest) * library(g).exp(-moment.age / self.lifetime)

    def without(self, cells: Any) -> Self:
        """Stuck cells keep their state."""
        return replace(self, lifetime=np.where(cells, np.float32(np.inf), self.lifetime))
