"""What an update rule is: it turns wanted rank-one changes of the weights into a pulse program."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import PulseProgram

Rows = NDArray[np.floating[Any]]
"""Of samples, in single or in double precision."""


class PulsedUpdate(NamedTuple):
    """The pulses of a mini-batch.

    Attributes:
        program: one rank-one update a sample, in order; None where there is nothing to do.
        clipped: share of the wanted update, summed over |d x|, that could not be pulsed: lines
            cannot fire more often than a train has slots. Rounding to whole pulses is no clipping.
        wanted: ``lr |d x| / dw_min`` summed over samples and cells: pulses that it would take.
        strongest: the largest of them, for one cell and sample.
    """

    program: PulseProgram | None
    clipped: float
    wanted: float = 0.0
    strongest: float = 0.0


class UpdateReport(NamedTuple):
    """What an update came to.

    Attributes:
        pulses: applied.
        clipped: see ``PulsedUpdate``.
        wanted: see there.
        strongest: see there.
    """

    pulses: int
    clipped: float
    wanted: float = 0.0
    strongest: float = 0.0


class UpdateRule(Protocol):
    """How the change ``-lr * d.T @ x``, sample by sample, becomes pulses."""

    def draw(
        self, x: Rows, d: Rows, lr: float, dw_min: float, rng: np.random.Generator, most: float
    ) -> PulsedUpdate:
        """A program for a mini-batch.

        Args:
            x: inputs ``(batch, in)``.
            d: gradients of the loss by the outputs ``(batch, out)``.
            lr: learning rate, not negative.
            dw_min: mean weight step of one pulse.
            rng: what is random.
            most: pulses that a cell may get for one sample.

        Raises:
            BadInputError: not finite, or shapes that do not fit.
        """
