"""Implicit pulses: every cell gets its own count, exact in the mean, without trains.

For every sample the wanted change of a cell is ``v = lr |d x| / dw_min`` pulses. It gets
``n = floor(v)`` or one more, with odds of the rest, so that

    E[n] = v,     Var[n] = f (1 - f)  with  f = v - floor(v):

the least noise that whole pulses of the right mean can have, at most 1/4, where trains have
``v (1 - v / BL)``. aihwkit knows the like as pulse type ``MEAN_COUNT``, and without rounding as
``NONE_WITH_DEVICE``. The price: cells are pulsed one at a time, as no trains of lines give such
counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError, RunPulses

from .rule import PulsedUpdate, Rows
from .samples import Samples, checked

Counts = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ImplicitPulses:
    """An ``UpdateRule``: see the module.

    Attributes:
        most: pulses that one cell gets for one sample; what is beyond is clipped.

    Raises:
        BadInputError: ``most`` is below 1.
    """

    most: int = 31

    def __post_init__(self) -> None:
        if self.most < 1:
            raise BadInputError(f"a cell must be allowed 1 pulse a sample or more, not {self.most}")

    def draw(
        self, x: Rows, d: Rows, lr: float, dw_min: float, rng: np.random.Generator, most: float
    ) -> PulsedUpdate:
        """Runs of pulses, sample after sample. See ``UpdateRule``."""
        samples = checked(x, d, lr, dw_min)
        if samples is None:
            return PulsedUpdate(None, 0.0)
        limit = int(min(self.most, most))
        counts = np.empty((len(samples.x), samples.d.shape[1], samples.x.shape[1]), np.int32)
        lost = 0.0
        for k, count in enumerate(counts):
            lost += _count(samples, k, lr / dw_min, limit, rng, count)
        program = RunPulses.of_counts(counts) if counts.any() else None
        strongest = float(samples.pulses.max())
        return PulsedUpdate(program, lost / samples.wanted, samples.wanted, strongest)


def _count(
    samples: Samples, k: int, scale: float, limit: int, rng: np.random.Generator, found: Counts
) -> float:
    """Signed counts of sample k into ``found (out, in)``; returns the pulses that are clipped."""
    wanted = -scale * np.outer(samples.d[k], samples.x[k])
    size = np.abs(wanted)
    lost = float(np.maximum(size - limit, 0).sum())
    size = np.minimum(size, limit)
    whole = np.floor(size)
    found[:] = np.copysign(whole + (rng.random(size.shape) < size - whole), wanted)
    return lost
