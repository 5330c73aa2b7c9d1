"""Steps that shrink as a power of the distance to the bound, in both normalisations in use.

With ``z = (g_max - g) / (g_max - g_min)``, 1 at ``g_min`` and 0 at ``g_max``::

    q_up(g) = step_up z^gamma_up          q_down(g) = step_down (1 - z)^gamma_down

Here ``step`` is the step at the far bound, its largest: aihwkit's ``PowStepDevice``. The papers
write ``(1 - w/tau)^gamma`` with bounds at +-tau instead (arXiv 2502.06309, equation 148), where
``step`` is the step at mid-range: ``2^gamma`` times less than at the bound, 8 times for gamma 3.
The two constructors say which is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from .response_function import ResponseFunction, Step, parameter


@dataclass(frozen=True)
class PowerStep(ResponseFunction):
    """Power law of the distance to the bound.

    Attributes:
        g_min: lower bound, S.
        g_max: upper bound, S.
        step_up: step of an up pulse at ``g_min``, S.
        step_down: size of the step of a down pulse at ``g_max``, S.
        gamma_up: exponent, not negative; 1 is soft bounds, 0 a constant step.
        gamma_down: the same for down pulses.
    """

    name: ClassVar[str] = "power-step"
    steps: ClassVar[tuple[str, ...]] = ("step_up", "step_down")
    shrinking: ClassVar[bool] = True

    step_up: Any = parameter("S", "step of an up pulse at g_min", low=0)
    step_down: Any = parameter("S", "size of the step of a down pulse at g_max", low=0)
    gamma_up: Any = parameter("1", "exponent of the distance to g_max, up", low=0)
    gamma_down: Any = parameter("1", "exponent of the distance to g_min, down", low=0)

    @classmethod
    def with_step_at_bound(
        cls, g_min: Any, g_max: Any, step_up: Any, step_down: Any, gamma_up: Any, gamma_down: Any
    ) -> Self:
        """Given by the steps at the far bound, as ``PowStepDevice``: the fields themselves."""
        return cls(g_min, g_max, step_up, step_down, gamma_up, gamma_down)

    @classmethod
    def with_step_at_middle(
        cls, g_min: Any, g_max: Any, step_up: Any, step_down: Any, gamma_up: Any, gamma_down: Any
    ) -> Self:
        """Given by the steps at mid-range, as the papers do: there ``F`` is 1 step."""
        up, down = step_up * 2.0**gamma_up, step_down * 2.0**gamma_down
        return cls(g_min, g_max, up, down, gamma_up, gamma_down)

    @staticmethod
    def law(xp: Any) -> tuple[Step, Step]:
        """Powers of the distance to the bound."""

        def q_up(
            g: Any,
            g_min: Any,
            g_max: Any,
            step_up: Any,
            _down: Any,
            gamma_up: Any,
            _gamma_down: Any,
        ) -> Any:
            return step_up * (xp.maximum(g_max - g, g - g) / (g_max - g_min)) ** gamma_up

        def q_down(
            g: Any,
            g_min: Any,
            g_max: Any,
            _up: Any,
            step_down: Any,
            _gamma_up: Any,
            gamma_down: Any,
        ) -> Any:
            return step_down * (xp.maximum(g - g_min, g - g) / (g_max - g_min)) ** gamma_down

        return q_up, q_down
