"""Response functions that are straight lines in the state: closed forms for what follows of them.

``q_up = max(step_up - slope_up (g - g_min), 0)`` and
``q_down = max(step_down - slope_down (g_max - g), 0)``, cut off at the bounds.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from .libraries import plain, together
from .response_function import ResponseFunction


class LinearFamily(ResponseFunction):
    """What all straight lines share."""

    @staticmethod
    @abstractmethod
    def lines(xp: Any, *parameters: Any) -> tuple[Any, Any, Any, Any]:
        """``step_up`` at ``g_min`` and ``slope_up``, its loss a siemens; the same down."""

    @property
    def symmetric_point(self) -> Any:
        """Where the lines cross, S; mid-range where they are one; nan where not in the bounds."""
        xp, values = together(*self.parameters())
        low, high = values[:2]
        step_up, slope_up, step_down, slope_down = self.lines(xp, *values)
        total, span = slope_up + slope_down, high - low
        # By how much up steps are ahead at g_min: parallel lines are one line where they are not.
        ahead = step_up - (step_down - slope_down * span)
        rounding = 4 * xp.finfo(total.dtype).eps
        nothing = rounding * (step_up + step_down)
        parallel = abs(total) * span <= nothing
        turn = xp.where(parallel, xp.ones_like(total), total)
        point = low + ahead / turn
        slack = rounding * (abs(low) + abs(high)) + nothing / abs(turn)
        inside = (point >= low - slack) & (point <= high + slack)
        cross = xp.where(inside, xp.minimum(xp.maximum(point, low), high), xp.nan)
        flat = xp.where(abs(ahead) <= nothing, low + span / 2, xp.nan)
        return plain(xp.where(parallel, flat, cross))

    def _ups(self, xp: Any, g: Any, count: Any, *values: Any) -> Any:
        low, high = values[:2]
        step, slope, _, _ = self.lines(xp, *values)
        gone = (step - slope * (g - low)) * discounted(xp, slope, count)
        return xp.where(count > 0, xp.minimum(g + xp.maximum(gone, g - g), high), g)

    def _downs(self, xp: Any, g: Any, count: Any, *values: Any) -> Any:
        low, high = values[:2]
        _, _, step, slope = self.lines(xp, *values)
        gone = (step - slope * (high - g)) * discounted(xp, slope, count)
        return xp.where(count > 0, xp.maximum(g - xp.maximum(gone, g - g), low), g)


def discounted(xp: Any, slope: Any, count: Any) -> Any:
    """First steps that ``count`` pulses make together: the sum of ``(1 - slope)^k`` below it.

    Args:
        xp: numpy or torch.
        slope: share of a step by which the next is smaller; up to 1, below 0 where steps grow.
        count: of pulses.
    """
    special = (slope == 0) | (slope == 1)
    usual = xp.where(special, xp.full_like(slope, 0.5), slope)
    grown = count * xp.log1p(-usual)
    # Beyond this every cell is at its bound, and float32 would overflow.
    grown = xp.where(grown > 80, xp.full_like(grown, 80.0), grown)
    total = xp.where(slope == 0, count, -xp.expm1(grown) / usual)
    return xp.where(slope == 1, xp.clip(count, 0, 1), total)
