"""Whether lines are where they should be: at 0 V."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.errors import InstrumentError

if TYPE_CHECKING:
    from .port import Port


def check_lines(
    port: Port, volts: NDArray[np.float64], channels: Iterable[int], tolerance: float
) -> None:
    """Refuse to believe that lines are grounded.

    Args:
        port: whose channels they are.
        volts: ``(64,)`` as read, V; NaN where there is no reading.
        channels: those that must be at 0 V.
        tolerance: V.

    Raises:
        InstrumentError: names the worst channel.
    """
    mine = np.array(list(channels), np.intp)
    read = volts[mine]
    worst = int(np.argmax(np.where(np.isnan(read), np.inf, np.abs(read))))
    if not abs(read[worst]) <= tolerance:
        raise InstrumentError(
            port.name,
            port.resource,
            f"channel {mine[worst]} reads {read[worst]:.3g} V, not 0 V: an output does not go off;"
            " switch the board off before touching the chip",
        )
