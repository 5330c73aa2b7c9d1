"""Drift: a power law of the time since the last pulse, as in phase-change cells.

``g (t / start)^-nu`` from ``start`` on, and g before (Nandakumar et al., Front. Neurosci. 14:406,
2020; Joshi et al., Nat. Commun. 11:2473, 2020). The exponent differs from cell to cell. The state
itself goes on unaffected: the next pulse starts from it, and the law starts anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from ohmloop.sim_backend.responses import parameter

from .effect import Effect, Moment


@dataclass(frozen=True)
class Drift(Effect):
    """Power-law drift.

    Attributes:
        nu: drift exponent; above 0 a conductance falls.
        start: time after a pulse from which the law holds, s.
    """

    name: ClassVar[str] = "drift"
    timed: ClassVar[bool] = True
    aging: ClassVar[bool] = True
    defaults: ClassVar[dict[str, float]] = {"start": 1.0}

    nu: Any = parameter("1", "drift exponent", -1, 1)
    start: Any = parameter("s", "time after a pulse from which drift counts", 1e-9)

    def seen(self, g: Any, moment: Moment) -> Any:
        """As far as it has gone."""
        times = moment.age / self.start
        return g * moment.arrays.where(times > 1, times, times * 0.0 + 1.0) ** -self.nu

    def without(self, cells: Any) -> Self:
        """Stuck cells do not drift."""
        return replace(self, nu=np.where(cells, np.float32(0), self.nu))
