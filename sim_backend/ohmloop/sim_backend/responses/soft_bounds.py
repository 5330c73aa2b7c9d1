"""The soft-bounds response function, in siemens.

One pulse moves a cell by a fixed share of its distance to the bound it is pushed towards::

    up:    g <- g + slope_up   * (g_max - g) * (1 + dg_std * xi)
    down:  g <- g + slope_down * (g_min - g) * (1 + dg_std * xi)

with xi standard normal, fresh for every pulse. It is the linear device of Fusi and Abbott (2007)
and the soft-bounds model of Frascaroli et al., Sci. Rep. 8:7178 (2018), with
``q_up(g) = slope_up (g_max - g)``; in weight units it is ``alpha (1 - w/tau)`` (Gong et al., 2018).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from .libraries import plain, together
from .linear_family import LinearFamily
from .response_function import Step, parameter


@dataclass(frozen=True)
class SoftBounds(LinearFamily):
    """Parameters of one cell (floats), or of many (arrays of one shape).

    Attributes:
        g_min: lower bound, S.
        g_max: upper bound, S.
        slope_up: share of the distance to ``g_max`` that an up pulse goes, 0 to 1.
        slope_down: share of the distance to ``g_min`` that a down pulse goes, 0 to 1.
    """

    name: ClassVar[str] = "soft-bounds"
    steps: ClassVar[tuple[str, ...]] = ("slope_up", "slope_down")

    slope_up: Any = parameter("1", "share of the way to g_max of an up pulse", 0, 1)
    slope_down: Any = parameter("1", "share of the way to g_min of a down pulse", 0, 1)

    @classmethod
    def from_weights(
        cls,
        w_min: Any,
        w_max: Any,
        step_up: Any,
        step_down: Any,
        reference: Any = 0.0,
        subtract_symmetric_point: bool = False,
    ) -> Self:
        """Cells in weight units, seen from a reference: aihwkit's ``SoftBoundsReferenceDevice``.

        A hidden state h between ``w_min < 0 < w_max`` steps by ``step_up (1 - h/w_max)`` and
        ``step_down (1 - h/w_min)``; the weight is ``h - reference``.

        Args:
            w_min: lower bound of the hidden state.
            w_max: its upper bound.
            step_up: up step at hidden state 0.
            step_down: size of the down step there.
            reference: hidden state that stands for weight 0.
            subtract_symmetric_point: whether the symmetric point is subtracted, too; then it lies
                at minus ``reference``.
        """
        cells = cls(w_min, w_max, step_up / w_max, step_down / -w_min)
        shift = cells.symmetric_point if subtract_symmetric_point else 0.0
        return cells.seen_from(shift + reference)

    def seen_from(self, reference: Any) -> Self:
        """The same cells with their states counted from ``reference``, S."""
        return replace(self, g_min=self.g_min - reference, g_max=self.g_max - reference)

    @staticmethod
    def law(xp: Any) -> tuple[Step, Step]:  # noqa: ARG004
        """A share of the distance to the bound."""

        def q_up(g: Any, _g_min: Any, g_max: Any, slope_up: Any, _slope_down: Any) -> Any:
            return slope_up * (g_max - g)

        def q_down(g: Any, g_min: Any, _g_max: Any, _slope_up: Any, slope_down: Any) -> Any:
            return slope_down * (g - g_min)

        return q_up, q_down

    @staticmethod
    def lines(xp: Any, *parameters: Any) -> tuple[Any, Any, Any, Any]:  # noqa: ARG004
        """Lines that end at the bounds."""
        g_min, g_max, slope_up, slope_down = parameters
        span = g_max - g_min
        return slope_up * span, slope_up, slope_down * span, slope_down

    @property
    def symmetric_point(self) -> Any:
        """Conductance where both steps are equal, S; mid-range for a stuck cell."""
        xp, (low, high, up, down) = together(*self.parameters())
        total = up + down
        point = (up * high + down * low) / xp.where(total == 0, xp.ones_like(total), total)
        return plain(xp.where(total == 0, low + (high - low) / 2, point))

    @property
    def dg_min(self) -> Any:
        """Granularity: the mean step at the symmetric point, S."""
        return self.q_up(self.symmetric_point)

    def after(self, g: Any, up: Any, down: Any = 0) -> Any:
        """Mean conductance after ``up`` up pulses and then ``down`` down pulses, S: closed form.

        Exact for the mean, because the step is linear in ``g``.
        """
        g = self.g_max - (self.g_max - g) * (1 - self.slope_up) ** up
        return self.g_min + (g - self.g_min) * (1 - self.slope_down) ** down
