"""Reads that disturb: a read is a weak pulse, and many of them are one.

How weak, the law of ``pulse_strength`` says, with the time of integration for the width. Shares of
a pulse are added up cell by cell, up and down apart, and given to the cell as a whole pulse when
they make one; one up and one down that are due together cancel. Nothing is drawn at random: the
same reads give the same pulses.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ohmloop.drivers import BadInputError, PulseConditions
from ohmloop.drivers.units import Seconds
from ohmloop.drivers.validation import Record
from ohmloop.sim_backend.pulse_strength import PulseStrength

Floats = NDArray[np.float64]


class ReadDisturb(Record):
    """How reads act.

    Attributes:
        time: for how long a cell has its voltage in one read or product, s.
        threshold: share of the amplitude of a modelled pulse below which nothing happens.
    """

    time: Annotated[Seconds, Field(gt=0)]
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.0


class DisturbLedger:
    """Shares of pulses that each cell has had by reads.

    Args:
        disturb: how reads act.
        nominal: the pulses that the cells were modelled at.
        shape: rows and columns.

    Attributes:
        up: shares of up pulses not yet given, ``(rows, columns)``, below 1.
        down: the same of down pulses.
    """

    def __init__(
        self, disturb: ReadDisturb, nominal: PulseConditions, shape: tuple[int, int]
    ) -> None:
        self.disturb = disturb
        self._strength = PulseStrength(nominal, disturb.threshold)
        self.up, self.down = np.zeros(shape), np.zeros(shape)

    def expected(self, voltage: float) -> float:
        """Pulses that one read at ``voltage``, row against column, stands for; negative is down."""
        up, found = self._strength.of(voltage, self.disturb.time)
        strength = float(found)
        return strength if up else -strength

    def read(
        self, voltage: float, rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> NDArray[np.int32]:
        """Note one read of the cells where ``rows`` and ``columns`` cross.

        Args:
            voltage: row against column, V.
            rows: which.
            columns: which.

        Returns:
            Pulses that are due now, ``(rows, columns)`` of the crossbar, positive is up.
        """
        pulses = self.expected(voltage)
        share = self.up if pulses > 0 else self.down
        share[np.ix_(rows, columns)] += abs(pulses)
        return self._due()

    def forward(self, column_voltages: Floats) -> NDArray[np.int32]:
        """Note a product with driven columns, ``(batch, columns)`` V; rows are at 0 V.

        Returns:
            Pulses that are due now, ``(rows, columns)``, positive is up.

        Raises:
            BadInputError: a shape that does not fit.
        """
        # Row against column: a column's own voltage counts negative.
        up, down = self._of_lines(-np.asarray(column_voltages), self.up.shape[1], "column_voltages")
        self.up += up
        self.down += down
        return self._due()

    def backward(self, row_voltages: Floats) -> NDArray[np.int32]:
        """Note a product with driven rows, ``(batch, rows)`` V; columns are at 0 V.

        Returns:
            Pulses that are due now, ``(rows, columns)``, positive is up.

        Raises:
            BadInputError: a shape that does not fit.
        """
        up, down = self._of_lines(np.asarray(row_voltages), self.up.shape[0], "row_voltages")
        self.up += up[:, None]
        self.down += down[:, None]
        return self._due()

    def _of_lines(self, volts: Floats, lines: int, name: str) -> tuple[Floats, Floats]:
        """Shares of up and down pulses of each line, over a batch."""
        if volts.ndim != 2 or volts.shape[1] != lines:
            raise BadInputError(f"{name} must be (batch, {lines}), not {volts.shape}")
        values, place = np.unique(volts, return_inverse=True)
        pulses = np.array([self.expected(v) for v in values.tolist()])[place.reshape(volts.shape)]
        return np.maximum(pulses, 0).sum(axis=0), np.maximum(-pulses, 0).sum(axis=0)

    def _due(self) -> NDArray[np.int32]:
        """Whole pulses, taken out of the shares."""
        up, down = np.floor(self.up), np.floor(self.down)
        self.up -= up
        self.down -= down
        return (up - down).astype(np.int32)
