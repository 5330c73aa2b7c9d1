"""NeuroSim's exponential pulse response, as steps in the state.

Published is the state after P of ``pulses`` pulses (Chen, Peng and Yu, IEEE TCAD 37:3067, 2018, and
the manual of MLP+NeuroSim)::

    up:    g(P) = g_min + B (1 - e^(-P/A))                     B = (g_max - g_min)
    down:  g(P) = g_max - B (1 - e^((P - pulses)/A))               / (1 - e^(-pulses/A))

where the down curve is walked from ``P = pulses`` back. With the curvature ``k = pulses/A`` one
pulse up goes ``(1 - e^(-k/pulses)) (g_min + B - g)``: a straight line in the state. So inside its
curve this model is soft bounds, but with their bound at ``g_min + B``, beyond the hard ``g_max`` at
which the curve is cut off; k = 0 is a constant step, and with k below 0 steps grow. The curve goes
from bound to bound in just ``pulses`` pulses.

NeuroSim's nonlinearity label is the greatest distance of the normalised curve from its diagonal,
measured at right angles to it, in units of 0.07. MLP+NeuroSim V3 itself has a table of ``A/pulses``
for labels 0.01 to 9 (``formula.cpp``); this definition gives all of its 900 figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, expm1, log, sqrt
from typing import Any, ClassVar, Self

import numpy as np

from ohmloop.drivers import BadInputError

from .libraries import nearly_nothing, plain, together
from .linear_family import LinearFamily
from .response_function import Step, parameter

_LABEL = 0.07 * sqrt(2)
_HIGHEST = 9.0
_STRAIGHT = 1e-3  # below this curvature, a curve's bulge is a parabola's


@dataclass(frozen=True)
class NeuroSimStep(LinearFamily):
    """Exponential pulse response between hard bounds.

    Attributes:
        g_min: lower bound, S.
        g_max: upper bound, S.
        pulses_up: up pulses from ``g_min`` to ``g_max``.
        pulses_down: down pulses from ``g_max`` to ``g_min``.
        curvature_up: ``pulses/A`` of up pulses; 0 is linear, above it steps shrink on the way.
        curvature_down: the same of down pulses.
    """

    name: ClassVar[str] = "neurosim-step"

    pulses_up: Any = parameter("1", "up pulses from g_min to g_max", low=1, endless=True)
    pulses_down: Any = parameter("1", "down pulses from g_max to g_min", low=1, endless=True)
    curvature_up: Any = parameter("1", "pulses_up over the decay constant A, up", -80, 80)
    curvature_down: Any = parameter("1", "pulses_down over the decay constant A, down", -80, 80)

    @classmethod
    def from_labels(
        cls,
        g_min: Any,
        g_max: Any,
        pulses_up: Any,
        pulses_down: Any,
        label_up: float,
        label_down: float,
    ) -> Self:
        """With NeuroSim's nonlinearity labels, such as 2.4 and -4.88.

        There the label of a down curve is written negative where its steps shrink on the way.

        Raises:
            BadInputError: a label beyond 9.
        """
        up, down = curvature_of(label_up), curvature_of(-label_down)
        return cls(g_min, g_max, pulses_up, pulses_down, up, down)

    @staticmethod
    def law(xp: Any) -> tuple[Step, Step]:
        """Lines towards a bound beyond the hard one."""
        tiny = nearly_nothing(xp)

        def q_up(
            g: Any,
            g_min: Any,
            g_max: Any,
            pulses_up: Any,
            _down: Any,
            curvature_up: Any,
            _curve: Any,
        ) -> Any:
            k = curvature_up + tiny
            left = (g - g_min) + (g_max - g_min) / xp.expm1(-k)
            return xp.maximum(xp.expm1(-k / pulses_up) * left, g - g)

        def q_down(
            g: Any,
            g_min: Any,
            g_max: Any,
            _up: Any,
            pulses_down: Any,
            _curve: Any,
            curvature_down: Any,
        ) -> Any:
            k = curvature_down + tiny
            left = (g_max - g) + (g_max - g_min) / xp.expm1(-k)
            return xp.maximum(xp.expm1(-k / pulses_down) * left, g - g)

        return q_up, q_down

    @staticmethod
    def lines(xp: Any, *parameters: Any) -> tuple[Any, Any, Any, Any]:
        """Its steps as straight lines."""
        g_min, g_max, pulses_up, pulses_down, *curvatures = parameters
        span, tiny = g_max - g_min, nearly_nothing(xp)
        up, down = (k + tiny for k in curvatures)
        share_up, share_down = xp.expm1(-up / pulses_up), xp.expm1(-down / pulses_down)
        step_up, step_down = share_up / xp.expm1(-up), share_down / xp.expm1(-down)
        slope_up, slope_down = (
            xp.where(k == 0, xp.zeros_like(share), -share)
            for k, share in zip(curvatures, (share_up, share_down), strict=True)
        )
        return step_up * span, slope_up, step_down * span, slope_down

    def scaled(self, factor: Any) -> Self:
        """All steps times ``factor``: the same curve in more pulses, endlessly many for 0."""
        up, down = (
            _stretched(pulses, curve, factor)
            for pulses, curve in (
                (self.pulses_up, self.curvature_up),
                (self.pulses_down, self.curvature_down),
            )
        )
        return replace(self, pulses_up=up, pulses_down=down)


def _stretched(pulses: Any, curve: Any, factor: Any) -> Any:
    xp, (pulses, curve, factor) = together(pulses, curve, factor)
    k = curve + nearly_nothing(xp)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return plain(-k / xp.log1p(factor * xp.expm1(-k / pulses)))


def nonlinearity_label(curvature: float) -> float:
    """NeuroSim's nonlinearity label of a curve, from ``pulses/A``."""
    if abs(curvature) < _STRAIGHT:
        return curvature / 8 / _LABEL
    k = abs(curvature)
    flat = -expm1(-k) / k  # e^(-k x) where the curve is parallel to its diagonal
    size = ((1 - flat) / -expm1(-k) + log(flat) / k) / _LABEL
    return size if curvature > 0 else -size


def curvature_of(label: float) -> float:
    """``pulses/A`` of a curve, from NeuroSim's nonlinearity label.

    Raises:
        BadInputError: the label is beyond 9, or no number.
    """
    from scipy.optimize import brentq

    if not abs(label) <= _HIGHEST:
        raise BadInputError(f"nonlinearity label {label}: must be {-_HIGHEST:g} to {_HIGHEST:g}")
    if abs(label) < _STRAIGHT / 8 / _LABEL:
        return 8 * _LABEL * label
    found = brentq(
        lambda x: nonlinearity_label(exp(x)) - abs(label), log(_STRAIGHT / 2), log(80), xtol=1e-15
    )
    return exp(found) if label > 0 else -exp(found)
