"""How alternating pulses bring a cell to its symmetric point, where its response is straight.

With steps that fall in a straight line to 0 at both bounds, and of size ``dg`` at the symmetric
point s, a pulse takes of the distance to s the share

    rate = dg (1 / (g_max - s) + 1 / (s - g_min)) / 2

so ``exp(-n rate)`` of it is left after n pulses, and ``n = ln(1 / error) / rate`` are needed: range
times ``ln(1 / error)`` over granularity (Xiao et al., arXiv:2602.21321, theorem 2.2, for the order;
the constant follows from the response). The noise of the steps goes on: about s a cell wanders with
the variance ``noise^2 / (2 rate)``, noise being that of one pulse. With random signs a pulse is
itself noise of size dg, and the variance ``dg / (2 rate)`` times dg; alternating, what is left is
its cycle-to-cycle noise. Either way it is of the order of the granularity: pulses beyond that
cannot help, only averaging can.
"""

from __future__ import annotations

from math import log

import numpy as np

from ohmloop.drivers import BadInputError
from ohmloop.training.tiles.mapping import Map


def attraction(dg_min: Map, below: Map, above: Map) -> Map:
    """Share of its distance to the symmetric point that a cell goes with a pulse, ``rate``.

    Args:
        dg_min: granularity, S.
        below: from the lower bound to the symmetric point, S; positive.
        above: from there to the upper bound, S; positive.
    """
    rate: Map = dg_min * (1 / below + 1 / above) / 2
    return rate


def pulses_for(error: float, rate: Map) -> Map:
    """Alternating pulses after which ``error`` of the distance is left.

    Raises:
        BadInputError: ``error`` is not between 0 and 1.
    """
    if not 0 < error < 1:
        raise BadInputError(f"the error of a symmetric point must lie between 0 and 1, not {error}")
    needed: Map = log(1 / error) / rate
    return needed


def left_after(pulses: Map | float, rate: Map) -> Map:
    """Share of the distance that is left after so many alternating pulses."""
    left: Map = (1 - np.minimum(rate, 1.0)) ** pulses
    return left


def wander(noise: Map, rate: Map) -> Map:
    """Standard deviation of a cell about its symmetric point in the long run, S.

    Args:
        noise: standard deviation of one pulse about its mean, S; the granularity itself where signs
            are random.
        rate: of ``attraction``.
    """
    deviation: Map = noise / np.sqrt(2 * rate)
    return deviation
