"""Steps that shrink (or grow) along a straight line, up to a hard bound.

``q_up(g) = step_up - slope_up (g - g_min)`` and ``q_down(g) = step_down - slope_down (g_max - g)``,
not below 0. It is aihwkit's ``LinearStepDevice`` written so that no number depends on where weight
0 lies; with ``slope = step / (g_max - g_min)`` it is soft bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from .linear_family import LinearFamily
from .response_function import Step, parameter


@dataclass(frozen=True)
class LinearStep(LinearFamily):
    """Steps linear in the state, between hard bounds.

    Attributes:
        g_min: lower bound, S.
        g_max: upper bound, S.
        step_up: step of an up pulse at ``g_min``, S.
        step_down: size of the step of a down pulse at ``g_max``, S.
        slope_up: by how much ``step_up`` is less for each siemens above ``g_min``; up to 1, below 0
            where steps grow.
        slope_down: by how much ``step_down`` is less for each siemens below ``g_max``.
    """

    name: ClassVar[str] = "linear-step"
    steps: ClassVar[tuple[str, ...]] = ("step_up", "step_down", "slope_up", "slope_down")

    step_up: Any = parameter("S", "step of an up pulse at g_min", low=0)
    step_down: Any = parameter("S", "size of the step of a down pulse at g_max", low=0)
    slope_up: Any = parameter("1", "loss of step_up for each siemens above g_min", high=1)
    slope_down: Any = parameter("1", "loss of step_down for each siemens below g_max", high=1)

    @classmethod
    def from_aihwkit(
        cls,
        b_min: Any,
        b_max: Any,
        scale_up: Any,
        scale_down: Any,
        gamma_up: Any,
        gamma_down: Any,
        w_min: Any = None,
        w_max: Any = None,
    ) -> Self:
        """A ``LinearStepDevice`` of aihwkit 1.2, in weight units.

        There the up step is ``scale_up (1 - gamma_up w / w_max)`` and the down step
        ``scale_down (1 - gamma_down w / w_min)``, for a cell of bounds ``b_min < 0 < b_max``.

        Args:
            b_min: the cell's lower bound.
            b_max: the cell's upper bound.
            scale_up: its up step at weight 0 (there ``dwmin_up``).
            scale_down: its down step at weight 0.
            gamma_up: relative slope.
            gamma_down: relative slope.
            w_min: the mean lower bound, to which ``gamma_down`` relates; the cell's own if not
                given (``mean_bound_reference=False``).
            w_max: the mean upper bound.
        """
        slope_up = gamma_up * scale_up / (b_max if w_max is None else w_max)
        slope_down = gamma_down * scale_down / -(b_min if w_min is None else w_min)
        step_up, step_down = scale_up - slope_up * b_min, scale_down + slope_down * b_max
        return cls(b_min, b_max, step_up, step_down, slope_up, slope_down)

    @staticmethod
    def law(xp: Any) -> tuple[Step, Step]:
        """Two lines, cut off at 0."""

        def q_up(
            g: Any,
            g_min: Any,
            _g_max: Any,
            step_up: Any,
            _down: Any,
            slope_up: Any,
            _slope_down: Any,
        ) -> Any:
            return xp.maximum(step_up - slope_up * (g - g_min), g - g)

        def q_down(
            g: Any,
            _g_min: Any,
            g_max: Any,
            _up: Any,
            step_down: Any,
            _slope_up: Any,
            slope_down: Any,
        ) -> Any:
            return xp.maximum(step_down - slope_down * (g_max - g), g - g)

        return q_up, q_down

    @staticmethod
    def lines(xp: Any, *parameters: Any) -> tuple[Any, Any, Any, Any]:  # noqa: ARG004
        """As they are given."""
        _, _, step_up, step_down, slope_up, slope_down = parameters
        return step_up, slope_up, step_down, slope_down
