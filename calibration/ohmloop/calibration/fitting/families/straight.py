"""Steps along straight lines between hard bounds: constant, linear, NeuroSim's."""

from __future__ import annotations

import numpy as np

from ohmloop.calibration.fitting.start import Frame
from ohmloop.calibration.fitting.trajectories import Array
from ohmloop.sim_backend.responses import ConstantStep, LinearStep, NeuroSimStep

from .family import (
    ABOVE,
    BELOW,
    LOG_STEP,
    Family,
    bounds,
    log_steps,
    relative_slopes,
    start_bounds,
)

_BOUND = 0.2
"""Width of the prior of a hard bound, in ranges: just outside of what was measured."""


class ConstantFamily(Family):
    """Bounds and the logarithms of both steps."""

    response = ConstantStep
    name = "constant-step"
    limits = (BELOW, ABOVE, LOG_STEP, LOG_STEP)
    width = (_BOUND, _BOUND, np.inf, np.inf)

    def start(self, frame: Frame) -> Array:
        """Steps at mid-range."""
        return np.stack([*start_bounds(frame), *log_steps(frame)])

    def natural(self, x: Array, frame: Frame) -> tuple[Array, ...]:
        """As they are named."""
        return (*bounds(x, frame), *(frame.span * np.exp(v) for v in x[2:4]))


class LinearFamily(Family):
    """Bounds, logarithms of the steps at measured mid-range, and their losses over the range."""

    response = LinearStep
    name = "linear-step"
    limits = (BELOW, ABOVE, LOG_STEP, LOG_STEP, (-3.0, 6.0), (-3.0, 6.0))
    width = (_BOUND, _BOUND, np.inf, np.inf, 3.0, 3.0)

    def start(self, frame: Frame) -> Array:
        """The lines that were found."""
        return np.stack([*start_bounds(frame), *log_steps(frame), *relative_slopes(frame)])

    def natural(self, x: Array, frame: Frame) -> tuple[Array, ...]:
        """Steps at the far bounds, not below 0, and slopes."""
        low, high = bounds(x, frame)
        up, down = self._line(x[2], x[4], x[0], frame), self._line(x[3], x[5], 1 - x[1], frame)
        return low, high, up[0], down[0], up[1], down[1]

    @staticmethod
    def _line(step: Array, loss: Array, far: Array, frame: Frame) -> tuple[Array, Array]:
        middle, way = np.exp(step), np.maximum(0.5 - far, 1e-3)
        first = np.maximum(middle * (1 + loss * way), 0.0)
        return frame.span * first, np.minimum((first - middle) / way, 1.0)


class NeuroSimFamily(Family):
    """Bounds, logarithms of the steps half way between them, and curvatures."""

    response = NeuroSimStep
    name = "neurosim-step"
    limits = (BELOW, ABOVE, LOG_STEP, LOG_STEP, (-8.0, 8.0), (-8.0, 8.0))
    width = (_BOUND, _BOUND, np.inf, np.inf, 3.0, 3.0)

    def start(self, frame: Frame) -> Array:
        """Curvature is the logarithm of the ratio of the steps at both bounds."""
        ends = (2 * np.arctanh(np.clip(d, -1.8, 1.8) / 2) for d in relative_slopes(frame))
        return np.stack([*start_bounds(frame), *log_steps(frame), *ends])

    def natural(self, x: Array, frame: Frame) -> tuple[Array, ...]:
        """Pulses from bound to bound."""
        low, high = bounds(x, frame)
        width = np.maximum(x[1] - x[0], 1e-6)
        up, down = (self._pulses(np.exp(x[i]) / width, x[i + 2]) for i in (2, 3))
        return low, high, up, down, x[4], x[5]

    @staticmethod
    def _pulses(middle: Array, curvature: Array) -> Array:
        """Of a step ``middle`` (of the range) half way: its slope is ``2 middle tanh(k/2)``."""
        k = np.where(np.abs(curvature) < 1e-6, 1e-6, curvature)
        slope = np.minimum(2 * middle * np.tanh(k / 2), 1 - 1e-9)
        return np.maximum(k / -np.log1p(-slope), 1.0)
