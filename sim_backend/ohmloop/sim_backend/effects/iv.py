"""Current-voltage characteristic: a hyperbolic sine, as of cells that conduct by tunnelling.

``I = g Vr sinh(V/V0) / sinh(Vr/V0)``, so that g is the conductance at the read voltage Vr, as it is
measured (law and V0 as in the Stanford-PKU model of oxide cells: Guan, Yu and Wong, IEEE Electron
Device Lett. 33, 1405, 2012, eq. 3; Jiang et al., IEEE Trans. Electron Devices 63, 1884, 2016). At
the polarity opposite to that of the read it may be less, as in cells that rectify.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ohmloop.sim_backend.responses import parameter
from ohmloop.sim_backend.responses.libraries import together

from .effect import Effect, Moment


@dataclass(frozen=True)
class Iv(Effect):
    """Nonlinear conduction; without it a cell is a resistor.

    Attributes:
        v0: voltage above which the current grows exponentially, V; the larger, the more linear.
        asymmetry: by how much the current is less at the other polarity, as a share; below 0 it is
            more.
    """

    name: ClassVar[str] = "iv"
    defaults: ClassVar[dict[str, float]] = {"asymmetry": 0.0}

    v0: Any = parameter("V", "voltage above which the current grows exponentially", 0.02)
    asymmetry: Any = parameter("1", "loss of current at the polarity opposite to reads", -1, 1)

    def seen(self, g: Any, moment: Moment) -> Any:
        """Current over voltage, at the voltage of the moment."""
        return g * self.gain(moment.voltage, moment.read_voltage)

    def gain(self, voltage: Any, read_voltage: float) -> Any:
        """Conductance at ``voltage``, relative to that at the read voltage, where it is 1.

        Args:
            voltage: V, one or as many as there are parameters.
            read_voltage: V.
        """
        xp, (v, v0, asymmetry) = together(voltage, self.v0, self.asymmetry)
        other = (v < 0) == (read_voltage > 0)
        gain = _over(xp, v / v0) / _over(xp, read_voltage / v0)
        return xp.where(other & (v != 0), gain * (1 - asymmetry), gain)


def _over(xp: Any, x: Any) -> Any:
    """``sinh(x) / x``; beyond 300 as at 300, so that no current is infinite."""
    small = abs(x) < np.finfo(np.float32).tiny
    bounded = xp.where(small, x * 0 + 1, xp.clip(x, -300, 300))
    return xp.where(small, x * 0 + 1, xp.sinh(bounded) / bounded)
