"""The soft-bounds response function, in siemens.

One pulse moves a cell by a fixed share of its distance to the bound it is pushed towards::

    up:    g <- g + slope_up   * (g_max - g) * (1 + dg_std * xi)
    down:  g <- g + slope_down * (g_min - g) * (1 + dg_std * xi)

with xi standard normal, fresh for every pulse. It is the linear device of Fusi and Abbott (2007)
and the soft-bounds model of Frascaroli et al., Sci. Rep. 8:7178 (2018), with
``q_up(g) = slope_up (g_max - g)``; in weight units it is ``alpha (1 - w/tau)`` (Gong et al., 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .arrays import Arrays


@dataclass(frozen=True, slots=True)
class SoftBounds:
    """Parameters of one cell (floats), or of many (arrays of one shape).

    Attributes:
        g_min: lower bound, S.
        g_max: upper bound, S.
        slope_up: share of the distance to ``g_max`` that an up pulse goes, 0 to 1.
        slope_down: share of the distance to ``g_min`` that a down pulse goes, 0 to 1.
    """

    g_min: Any
    g_max: Any
    slope_up: Any
    slope_down: Any

    def parameters(self):
        return (self.g_min, self.g_max, self.slope_up, self.slope_down)

    def checked(self):
        return self

    @staticmethod
    def law(xp: Any) -> tuple[Any, Any]:  # noqa: ARG004
        """``q_up(g, *parameters)`` and ``q_down(g, *parameters)``."""

        def up(g: Any, g_min: Any, g_max: Any, slope_up: Any, slope_down: Any) -> Any:  # noqa: ARG001
            return slope_up * (g_max - g)

        def down(g: Any, g_min: Any, g_max: Any, slope_up: Any, slope_down: Any) -> Any:  # noqa: ARG001
            return slope_down * (g - g_min)

        return up, down

    def q_up(self, g: Any) -> Any:
        """Mean step of an up pulse at conductance ``g``, S (positive)."""
        return self.slope_up * (self.g_max - g)

    def q_down(self, g: Any) -> Any:
        """Mean size of the step of a down pulse at ``g``, S (positive)."""
        return self.slope_down * (g - self.g_min)

    @property
    def symmetric_point(self) -> Any:
        """Conductance where both steps are equal, S."""
        return (self.slope_up * self.g_max + self.slope_down * self.g_min) / (
            self.slope_up + self.slope_down
        )

    @property
    def dg_min(self) -> Any:
        """Granularity: the mean step at the symmetric point, S."""
        return self.q_up(self.symmetric_point)

    @property
    def states(self) -> Any:
        """Range over granularity."""
        return (self.g_max - self.g_min) / self.dg_min

    def after(self, g: Any, up: Any, down: Any = 0) -> Any:
        """Mean conductance after ``up`` up pulses and then ``down`` down pulses, S: closed form.

        Exact for the mean, because the step is linear in ``g``.
        """
        g = self.g_max - (self.g_max - g) * (1 - self.slope_up) ** up
        return self.g_min + (g - self.g_min) * (1 - self.slope_down) ** down

    def towards(self, cells: Any, up: Any, arrays: Arrays) -> tuple[Any, Any]:
        """Slope and bound of each pulse: ``up[i]`` says the direction for cell ``cells[i]``."""
        slope = arrays.where(up, self.slope_up[cells], self.slope_down[cells])
        bound = arrays.where(up, self.g_max[cells], self.g_min[cells])
        return slope, bound


def step(g: Any, slope: Any, bound: Any, swing: Any) -> Any:
    """One pulse, before clipping: the one place where a soft-bounds cell moves.

    Works on floats and on arrays, with the same operations in the same order.

    Args:
        g: conductance, S.
        slope: share of the way.
        bound: where to, S.
        swing: ``1 + dg_std * xi``.
    """
    return g + (bound - g) * (slope * swing)
