"""How a response function is fitted: coordinates of order 1, their start, what is known of them.

Coordinates are counted in a cell's own measured range (``Frame``), so a fit does not depend on the
unit of the states, nor on where 0 lies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from ohmloop.calibration.fitting.start import Frame
from ohmloop.calibration.fitting.trajectories import Array
from ohmloop.sim_backend.responses import ResponseFunction

LOG_STEP = (float(np.log(1e-7)), float(np.log(0.9)))
"""Of a step, relative to the measured range."""
BELOW, ABOVE = (-6.0, 0.6), (0.4, 7.0)
"""Of bounds: so many measured ranges away."""


class Family(ABC):
    """Coordinates of one response function.

    Attributes:
        response: the response function.
        name: of the choice; piecewise functions of different nodes are different choices.
        limits: lowest and highest value of each coordinate, but for the bounds of cells whose
            states cannot be negative (``floor``).
        width: of a normal prior about the start, coordinate by coordinate; infinite for none. Such
            priors are weak: they decide only where the data say nothing.
        bounded: whether the first two coordinates are the bounds.
        hard: whether nothing but reaching a bound tells where it is.
    """

    response: type[ResponseFunction]
    name: str
    limits: Sequence[tuple[float, float]]
    width: Sequence[float]
    bounded: bool = True
    hard: bool = True

    @property
    def size(self) -> int:
        """How many coordinates."""
        return len(self.limits)

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters that are fitted, in the order of ``natural``; tables node by node."""
        return tuple(self.response.units)

    @abstractmethod
    def start(self, frame: Frame) -> Array:
        """Coordinates ``(size, cells)`` to start from."""

    @abstractmethod
    def natural(self, x: Array, frame: Frame) -> tuple[Array, ...]:
        """Parameters of the response function, S and 1.

        Args:
            x: coordinates ``(size, ..., cells)``.
            frame: of the cells.

        Returns:
            Each ``(..., cells)``; tables ``(..., cells, nodes)``.
        """

    def box(self, frame: Frame) -> tuple[Array, Array]:
        """Lowest and highest coordinates ``(size, cells)``."""
        shape = (self.size, frame.low.size)
        low, high = (
            np.broadcast_to(np.array(v)[:, None], shape).copy()
            for v in zip(*self.limits, strict=True)
        )
        if self.bounded:
            low[0] = np.maximum(low[0], floor(frame))
        return low, high

    def precision(self) -> Array:
        """Of the prior about the start, ``(size, size)``."""
        return np.diag(np.array(self.width, float) ** -2.0)

    def unresolved(self, parameters: tuple[Array, ...]) -> Array:
        """By how much parameters may be off however many readings there are, ``(names, cells)``.

        Args:
            parameters: ``natural`` of the cells.

        Returns:
            Standard deviations, in the parameters' units; nothing for a function that is exact.
        """
        return np.zeros((len(self.names), len(parameters[0])))


def floor(frame: Frame) -> Array:
    """The state 0 in the range of cells that never read below it; else far below."""
    positive: Array = np.where(frame.low > 0, -frame.low / frame.span, -np.inf)
    return positive


def bounds(x: Array, frame: Frame) -> tuple[Array, Array]:
    """``g_min`` and ``g_max`` of the first two coordinates."""
    return frame.low + frame.span * x[0], frame.low + frame.span * x[1]


def start_bounds(frame: Frame) -> tuple[Array, Array]:
    """Just outside of what was measured."""
    low = np.maximum(np.full_like(frame.span, -0.03), floor(frame))
    return low, np.full_like(frame.span, 1.03)


def log_steps(frame: Frame) -> tuple[Array, Array]:
    """Steps up and down at mid-range, relative to the range."""
    low, high = LOG_STEP
    up, down = (np.clip(np.log(q / frame.span), low, high) for q in (frame.up, frame.down))
    return up, down


def relative_slopes(frame: Frame) -> tuple[Array, Array]:
    """Loss of a step over the measured range, relative to the step at mid-range."""
    up = frame.slope_up * frame.span / frame.up
    down = frame.slope_down * frame.span / frame.down
    return np.clip(up, -2.0, 2.0), np.clip(down, -2.0, 2.0)


Names = Sequence[str]
Parameters = tuple[Any, ...]
