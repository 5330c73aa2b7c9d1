"""Steps that shrink exponentially and reach 0 at the bound.

With ``u = 2 (g_max - g) / (g_max - g_min)``, 2 at ``g_min``, 1 at mid-range and 0 at ``g_max``::

    q_up(g) = step_up (e^(gamma_up u) - 1) / (e^gamma_up - 1)

and down with ``g - g_min``. It is the exponential response of arXiv 2502.06309, equation 149
(``u = 1 - w/tau``), not aihwkit's ``ExpStepDevice``, which is ``OneMinusExpStep``. With gamma below
0 it is ``1 - e^(-gamma' (tau_max - w)/range)`` of arXiv 2406.12774, appendix C (``saturating``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from .libraries import nearly_nothing, together
from .response_function import ResponseFunction, Step, parameter


@dataclass(frozen=True)
class ExponentialStep(ResponseFunction):
    """Exponential of the distance to the bound, less 1.

    Attributes:
        g_min: lower bound, S.
        g_max: upper bound, S.
        step_up: step of an up pulse at mid-range, S.
        step_down: size of the step of a down pulse at mid-range, S.
        gamma_up: how steeply up steps shrink; soft bounds at 0, below it they shrink late.
        gamma_down: the same for down pulses.
    """

    name: ClassVar[str] = "exponential-step"
    steps: ClassVar[tuple[str, ...]] = ("step_up", "step_down")
    shrinking: ClassVar[bool] = True

    step_up: Any = parameter("S", "step of an up pulse at mid-range", low=0)
    step_down: Any = parameter("S", "size of the step of a down pulse at mid-range", low=0)
    gamma_up: Any = parameter("1", "exponential rate of up steps over half the range", -40, 40)
    gamma_down: Any = parameter("1", "exponential rate of down steps over half the range", -40, 40)

    @classmethod
    def with_step_at_middle(
        cls, g_min: Any, g_max: Any, step_up: Any, step_down: Any, gamma_up: Any, gamma_down: Any
    ) -> Self:
        """Given by the steps at mid-range, as equation 149 does: the fields themselves."""
        return cls(g_min, g_max, step_up, step_down, gamma_up, gamma_down)

    @classmethod
    def saturating(
        cls, g_min: Any, g_max: Any, step_up: Any, step_down: Any, gamma_up: Any, gamma_down: Any
    ) -> Self:
        """``q_up = step_up (1 - e^(-gamma_up (g_max - g)/(g_max - g_min)))``, down likewise.

        Here ``step`` is what the step would come to far from the bound. Gammas above 0.
        """
        xp, (up, down, rate_up, rate_down) = together(step_up, step_down, gamma_up, gamma_down)
        rate_up, rate_down = -rate_up / 2, -rate_down / 2
        up, down = -up * xp.expm1(rate_up), -down * xp.expm1(rate_down)
        return cls(g_min, g_max, up, down, rate_up, rate_down)

    @staticmethod
    def law(xp: Any) -> tuple[Step, Step]:
        """Exponentials of the distance to the bound, less 1."""
        tiny = nearly_nothing(xp)

        def q_up(
            g: Any,
            g_min: Any,
            g_max: Any,
            step_up: Any,
            _down: Any,
            gamma_up: Any,
            _gamma_down: Any,
        ) -> Any:
            rate, left = gamma_up + tiny, xp.maximum(g_max - g, g - g)
            return step_up * xp.expm1(rate * (left + left) / (g_max - g_min)) / xp.expm1(rate)

        def q_down(
            g: Any,
            g_min: Any,
            g_max: Any,
            _up: Any,
            step_down: Any,
            _gamma_up: Any,
            gamma_down: Any,
        ) -> Any:
            rate, left = gamma_down + tiny, xp.maximum(g - g_min, g - g)
            return step_down * xp.expm1(rate * (left + left) / (g_max - g_min)) / xp.expm1(rate)

        return q_up, q_down
