"""What the driver needs of the link to a board, whatever carries it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.links.transport import Traffic

from .operations import Measurement, Pulses


class Port(Protocol):
    """A way to a board. Every wait in it is bounded.

    Attributes:
        name: the instrument, for messages.
        resource: where the board is.
        traffic: messages and bytes so far.
    """

    name: str
    resource: str
    traffic: Traffic

    def identify(self) -> str:
        """Who answers.

        Raises:
            NotConnectedError: nobody.
            WrongInstrumentError: somebody else, or another board than before.
        """

    def measure(self, wanted: Sequence[Measurement]) -> NDArray[np.float64]:
        """Measure, as often as it takes: measuring again does no harm.

        Returns:
            ``(measurements, 64)`` currents out of the channels, A; NaN where none was read.

        Raises:
            LinkError: the board did not answer in time.
            InstrumentError: lines are not at 0 V afterwards.
        """

    def pulse(self, wanted: Iterable[Pulses]) -> int:
        """Pulse, once; returns the cell pulses given.

        Raises:
            InDoubtError: nobody can tell how many were given.
            LinkError: nothing was given.
        """

    def ground(self) -> None:
        """Connect all channels to ground.

        Raises:
            LinkError: the board did not answer in time.
            InstrumentError: a line is not at 0 V.
        """

    def close(self) -> None:
        """Let go of the board; never raises."""
