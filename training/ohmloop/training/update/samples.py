"""What every update rule starts from: checked samples, and how many pulses they ask for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ohmloop.drivers import BadInputError

from .packing import Floats, survey
from .rule import Rows


class Samples(NamedTuple):
    """Samples that want any change.

    Attributes:
        x: inputs ``(batch, in)``.
        d: errors ``(batch, out)``.
        x_max: largest size of an input ``(batch,)``, above 0.
        d_max: largest size of an error ``(batch,)``, above 0.
        pulses: ``lr x_max d_max / dw_min`` ``(batch,)``: what the strongest cell should get.
        wanted: ``lr |d x| / dw_min`` summed over samples and cells.
    """

    x: Floats
    d: Floats
    x_max: Floats
    d_max: Floats
    pulses: Floats
    wanted: float


def checked(x: Rows, d: Rows, lr: float, dw_min: float) -> Samples | None:
    """Samples of a mini-batch without those that want nothing; None where none is left.

    Raises:
        BadInputError: x, d or lr is not finite, lr is negative, or the batch sizes differ.
    """
    x, d = (part.astype(np.float64, copy=False) for part in fitting(x, d, lr))
    found = survey(x, d, lr, dw_min)
    if not found.finite:
        raise not_finite()
    x_max, d_max, pulses = found.x_max, found.d_max, found.pulses
    if not found.all_count:
        keep = lr * x_max * d_max > 0
        if not keep.any():
            return None
        x, d, x_max, d_max, pulses = x[keep], d[keep], x_max[keep], d_max[keep], pulses[keep]
    return Samples(x, d, x_max, d_max, pulses, found.wanted)


def fitting(x: Rows, d: Rows, lr: float) -> tuple[Rows, Rows]:
    """Both contiguous in double precision; in single where both are.

    Raises:
        BadInputError: lr is not finite or negative, or the batch sizes differ.
    """
    single = x.dtype == d.dtype == np.float32
    kind = np.float32 if single else np.float64
    x, d = np.ascontiguousarray(x, kind), np.ascontiguousarray(d, kind)
    if x.ndim != 2 or d.ndim != 2 or x.shape[0] != d.shape[0]:
        raise BadInputError(f"an update needs (batch, in) and (batch, out): {x.shape}, {d.shape}")
    if not 0 <= lr < np.inf:
        raise BadInputError(f"the learning rate must be 0 or more, not {lr}")
    return x, d


def not_finite() -> BadInputError:
    """What to raise for values that are not."""
    return BadInputError("inputs or gradients are not finite; no pulse was sent for them")
