"""Steps that are constant but for an exponential taken off: aihwkit's ``ExpStepDevice``.

With ``z = 2 a (g - reference) / (g_max - g_min) + b``::

    q_up(g)   = step_up   max(1 - A_up   e^( gamma_up   z), 0)
    q_down(g) = step_down max(1 - A_down e^(-gamma_down z), 0)

as aihwkit 1.2 has it in weight units, where ``reference`` is 0; fitted there to the ReRAM of Gong
et al., Nat. Commun. 9:2102 (2018). A negative ``A`` adds to the step instead. Its steps need not
vanish at the bounds, nor are they normalised anywhere: not the ``ExponentialStep`` of the papers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from .libraries import weak
from .response_function import ResponseFunction, Step, parameter


@dataclass(frozen=True)
class OneMinusExpStep(ResponseFunction):
    """A constant less an exponential of the state.

    Attributes:
        g_min: lower bound, S.
        g_max: upper bound, S.
        step_up: step of an up pulse where the exponential is nothing, S (``scale_up``).
        step_down: size of the step of a down pulse there, S (``scale_down``).
        amplitude_up: ``A_up``.
        amplitude_down: ``A_down``.
        gamma_up: exponential rate in ``z``.
        gamma_down: the same for down pulses.
        stretch: ``a``.
        offset: ``b``.
        reference: state that stands for weight 0, S.
    """

    name: ClassVar[str] = "one-minus-exp-step"
    steps: ClassVar[tuple[str, ...]] = ("step_up", "step_down")

    step_up: Any = parameter("S", "step of an up pulse where the exponential is nothing", low=0)
    step_down: Any = parameter("S", "size of a down step where the exponential is nothing", low=0)
    amplitude_up: Any = parameter("1", "amplitude of the exponential taken off up steps")
    amplitude_down: Any = parameter("1", "amplitude of the exponential taken off down steps")
    gamma_up: Any = parameter("1", "exponential rate of up steps")
    gamma_down: Any = parameter("1", "exponential rate of down steps")
    stretch: Any = parameter("1", "factor of the state in the exponent")
    offset: Any = parameter("1", "offset in the exponent")
    reference: Any = parameter("S", "state from which the exponent counts")

    @staticmethod
    def law(xp: Any) -> tuple[Step, Step]:
        """A constant less an exponential, cut off at 0."""
        one = weak(xp, 1.0)

        def q_up(
            g: Any, g_min: Any, g_max: Any, step_up: Any, _step_down: Any,
            amplitude_up: Any, _amplitude_down: Any, gamma_up: Any, _gamma_down: Any,
            stretch: Any, offset: Any, reference: Any,
        ) -> Any:  # fmt: skip
            z = stretch * (g - reference + g - reference) / (g_max - g_min) + offset
            return step_up * xp.maximum(one - amplitude_up * xp.exp(gamma_up * z), g - g)

        def q_down(
            g: Any, g_min: Any, g_max: Any, _step_up: Any, step_down: Any,
            _amplitude_up: Any, amplitude_down: Any, _gamma_up: Any, gamma_down: Any,
            stretch: Any, offset: Any, reference: Any,
        ) -> Any:  # fmt: skip
            z = stretch * (g - reference + g - reference) / (g_max - g_min) + offset
            return step_down * xp.maximum(one - amplitude_down * xp.exp(-gamma_down * z), g - g)

        return q_up, q_down
