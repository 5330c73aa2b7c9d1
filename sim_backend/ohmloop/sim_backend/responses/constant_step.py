"""Constant steps: one pulse is worth the same everywhere, up to a hard bound.

``q_up(g) = step_up`` and ``q_down(g) = step_down``; aihwkit's ``ConstantStepDevice`` (``scale_up``
and ``scale_down`` are the steps, ``b_max`` and ``b_min`` the bounds), the device of Gokmen and
Vlasov, Front. Neurosci. 10:333 (2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from .linear_family import LinearFamily
from .response_function import Step, parameter


@dataclass(frozen=True)
class ConstantStep(LinearFamily):
    """Steps that do not depend on the state.

    The symmetric point is mid-range where both steps are equal: then every state is one. Where they
    are not it is nan: alternating pulses drive the cell to a bound.

    Attributes:
        g_min: lower bound, S.
        g_max: upper bound, S.
        step_up: step of an up pulse, S.
        step_down: size of the step of a down pulse, S.
    """

    name: ClassVar[str] = "constant-step"
    steps: ClassVar[tuple[str, ...]] = ("step_up", "step_down")

    step_up: Any = parameter("S", "step of an up pulse", low=0)
    step_down: Any = parameter("S", "size of the step of a down pulse", low=0)

    @staticmethod
    def law(xp: Any) -> tuple[Step, Step]:  # noqa: ARG004
        """Constants, with the shape of ``g``."""

        def q_up(g: Any, _g_min: Any, _g_max: Any, step_up: Any, _step_down: Any) -> Any:
            return step_up + (g - g)

        def q_down(g: Any, _g_min: Any, _g_max: Any, _step_up: Any, step_down: Any) -> Any:
            return step_down + (g - g)

        return q_up, q_down

    @staticmethod
    def lines(xp: Any, *parameters: Any) -> tuple[Any, Any, Any, Any]:
        """Lines without a slope."""
        _, _, step_up, step_down = parameters
        return step_up, xp.zeros_like(step_up), step_down, xp.zeros_like(step_down)
