"""What voltages on lines do to the cells between them.

Every cell sees its row's voltage less its column's, at every moment. When that changes, what it was
until then was a pulse, if it was strong enough; half-selected cells are no exception.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import PulseRuns
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.witness import Witness
from ohmloop.sim_backend.pulse_strength import PulseStrength


class ChipLines:
    """A chip on numbered channels.

    Args:
        cells: the chip.
        strength: how its cells take pulses of any shape.
        rows: channel of each row.
        columns: channel of each column.
        clock: the bench's time.
        witness: told of every voltage that cells see.

    Attributes:
        events: pulses so far, however many cells each moved.
    """

    def __init__(
        self,
        cells: CellArray,
        strength: PulseStrength,
        rows: Sequence[int],
        columns: Sequence[int],
        clock: VirtualClock,
        witness: Witness,
    ) -> None:
        self.cells, self.clock, self.events = cells, clock, 0
        self.rows, self.columns = np.array(rows, np.intp), np.array(columns, np.intp)
        self._strength, self._witness = strength, witness
        self._across = np.zeros(cells.shape)
        self._since = np.full(cells.shape, clock.ns)
        self._channels = np.full(64, np.nan)

    def drive(self, channels: NDArray[np.float64]) -> None:
        """Channels are at these voltages from now on; NaN is an open line: it carries nothing."""
        if np.array_equal(channels, self._channels, equal_nan=True):
            return
        self._channels = channels
        across = channels[self.rows][:, None] - channels[self.columns]
        across = np.where(np.isnan(across), 0.0, across)
        changed = across != self._across
        if changed.any():
            self._end(changed & (self._across != 0))
            self._since[changed] = self.clock.ns
            self._across = across

    def currents(self, wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Currents out of the ``wanted`` channels, A; draws read noise of cells that carry any."""
        seen = wanted[self.rows][:, None] | wanted[self.columns]
        flat = np.flatnonzero(seen & (self._across != 0))
        flow = np.zeros(self._across.size)
        volts = self._across.ravel()[flat]
        flow[flat] = self.cells.arrays.numpy(self.cells.read(flat, volts)) * volts
        flow = flow.reshape(self._across.shape)
        out = np.zeros(64)
        out[self.rows] = flow.sum(axis=1)
        out[self.columns] = -flow.sum(axis=0)
        return np.where(wanted, out, 0.0)

    def _end(self, ended: NDArray[np.bool_]) -> None:
        """What these cells saw until now is over."""
        flat = np.flatnonzero(ended)
        if not flat.size:
            return
        volts, widths = self._across.ravel()[flat], self.clock.ns - self._since.ravel()[flat]
        moved = False
        for volt, width in sorted(set(zip(volts.tolist(), widths.tolist(), strict=True))):
            seconds = width / 1e9
            self._witness.saw(volt, seconds)
            up, strength = self._strength.of(volt, seconds)
            if strength:
                moved = True
                mine = flat[(volts == volt) & (widths == width)].astype(np.int64)
                signs = np.full(mine.size, 1 if up else -1, np.int32)
                self.cells.apply(PulseRuns(mine, signs), strength, strength)
        self.events += moved
