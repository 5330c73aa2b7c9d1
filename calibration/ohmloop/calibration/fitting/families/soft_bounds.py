"""Soft bounds: bounds and the logarithms of both slopes."""

from __future__ import annotations

import numpy as np

from ohmloop.calibration.fitting.start import Frame
from ohmloop.calibration.fitting.trajectories import Array
from ohmloop.sim_backend.responses import SoftBounds

from .family import ABOVE, BELOW, Family, bounds, floor

_SLOPE = (float(np.log(1e-6)), float(np.log(0.9)))


class SoftBoundsFamily(Family):
    """Nothing is known before."""

    response = SoftBounds
    name = "soft-bounds"
    limits = (BELOW, ABOVE, _SLOPE, _SLOPE)
    width = (np.inf,) * 4
    hard = False

    def start(self, frame: Frame) -> Array:
        """Where the lines reach 0, but not far away."""
        ends = []
        for step, slope in ((frame.down, frame.slope_down), (frame.up, frame.slope_up)):
            away = step / np.maximum(slope, 1e-300) / frame.span
            ends.append(np.clip(away, 0.5, 3.5))
        low = np.maximum(0.5 - ends[0], floor(frame))
        up = frame.up / (ends[1] * frame.span)
        down = frame.down / ((0.5 - low) * frame.span)
        slopes = (np.log(np.clip(s, 1e-6, 0.9)) for s in (up, down))
        return np.stack([low, 0.5 + ends[1], *slopes])

    def natural(self, x: Array, frame: Frame) -> tuple[Array, ...]:
        """As they are named."""
        return (*bounds(x, frame), np.exp(x[2]), np.exp(x[3]))
