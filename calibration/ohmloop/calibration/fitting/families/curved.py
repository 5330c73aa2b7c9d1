"""Steps that shrink along curves: powers, exponentials, and a constant less an exponential."""

from __future__ import annotations

import numpy as np

from ohmloop.calibration.fitting.start import Frame
from ohmloop.calibration.fitting.trajectories import Array
from ohmloop.sim_backend.responses import ExponentialStep, OneMinusExpStep, PowerStep

from .family import (
    ABOVE,
    BELOW,
    LOG_STEP,
    Family,
    bounds,
    floor,
    log_steps,
    relative_slopes,
    start_bounds,
)


def _outside(frame: Frame) -> tuple[Array, Array]:
    return np.maximum(np.full_like(frame.span, -0.15), floor(frame)), np.full_like(frame.span, 1.15)


class PowerFamily(Family):
    """Bounds, logarithms of the steps half way between them, exponents."""

    response = PowerStep
    name = "power-step"
    limits = (BELOW, ABOVE, LOG_STEP, LOG_STEP, (0.0, 12.0), (0.0, 12.0))
    width = (0.5, 0.5, np.inf, np.inf, 2.0, 2.0)
    hard = False

    def start(self, frame: Frame) -> Array:
        """Exponents that give the lines' slopes."""
        powers = (np.clip(0.65 * d, 0.3, 2.0) for d in relative_slopes(frame))
        return np.stack([*_outside(frame), *log_steps(frame), *powers])

    def natural(self, x: Array, frame: Frame) -> tuple[Array, ...]:
        """Steps at the far bounds."""
        up, down = (frame.span * np.exp(x[i]) * 2.0 ** x[i + 2] for i in (2, 3))
        return (*bounds(x, frame), up, down, x[4], x[5])


class ExponentialFamily(Family):
    """Bounds, logarithms of the steps half way between them, rates."""

    response = ExponentialStep
    name = "exponential-step"
    limits = (BELOW, ABOVE, LOG_STEP, LOG_STEP, (-15.0, 15.0), (-15.0, 15.0))
    width = (0.5, 0.5, np.inf, np.inf, 3.0, 3.0)
    hard = False

    def start(self, frame: Frame) -> Array:
        """Soft bounds."""
        rates = np.full((2, frame.low.size), 0.1)
        return np.stack([*_outside(frame), *log_steps(frame), *rates])

    def natural(self, x: Array, frame: Frame) -> tuple[Array, ...]:
        """As they are named."""
        steps = (frame.span * np.exp(x[i]) for i in (2, 3))
        return (*bounds(x, frame), *steps, x[4], x[5])


class OneMinusExpFamily(Family):
    """Bounds, logarithms of the steps at measured mid-range, amplitudes, logarithms of the rates.

    ``stretch``, ``offset`` and ``reference`` say nothing that amplitudes and rates do not: they are
    1, 0 and measured mid-range.
    """

    response = OneMinusExpStep
    name = "one-minus-exp-step"
    limits = (
        BELOW,
        ABOVE,
        LOG_STEP,
        LOG_STEP,
        (-20.0, 0.98),
        (-20.0, 0.98),
        (-2.5, 2.5),
        (-2.5, 2.5),
    )
    width = (0.2, 0.2, np.inf, np.inf, 2.0, 2.0, 1.0, 1.0)

    def start(self, frame: Frame) -> Array:
        """Amplitudes that give the lines' slopes at a rate of 1."""
        losses = (d / 2 for d in relative_slopes(frame))  # d = 2 A / (1 - A) at rate 1
        amplitudes = (np.clip(a / (1 + np.maximum(a, -0.5)), -1.0, 0.6) for a in losses)
        rates = np.zeros((2, frame.low.size))
        return np.stack([*start_bounds(frame), *log_steps(frame), *amplitudes, *rates])

    def natural(self, x: Array, frame: Frame) -> tuple[Array, ...]:
        """Steps where the exponential is nothing."""
        up, down = (frame.span * np.exp(x[i]) / (1 - x[i + 2]) for i in (2, 3))
        none = np.zeros_like(up)
        rest = (none + 1, none, none + frame.middle)
        return (*bounds(x, frame), up, down, x[4], x[5], np.exp(x[6]), np.exp(x[7]), *rest)
