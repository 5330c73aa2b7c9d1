"""A chip whose every line hangs on a pulse channel: what an execution does to it, and measures.

A cell sees the voltage of its row less that of its column, as the channels' own segment tables
make them; whatever a driver meant, this is what counts. Pulses act through ``PulseStrength``, so
half-selected cells are treated like all others. A channel that is off lets its line float: its
cells see nothing.

Read noise is that of a reading: it is drawn once for each cell and measured slot in which no cell
of the chip is under a voltage that switches. Currents measured during pulses are those of the
conductances before the execution, at the read voltage. Not modelled: the resistance
of lines and sources, and what a current beyond the range does to the voltage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import PulseRuns
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.instruments.witness import Witness
from ohmloop.sim_backend.pulse_strength import PulseStrength

from .traces import Floats, Pulses, Times, Trace, pulses_of

_ANY_WIDTH = 1e-6  # a voltage that switches does so at any width, s


@dataclass(frozen=True)
class _Events:
    """Pulses that move cells, in the order of cells, each cell's in order of time.

    ``shapes`` is ``(pulses, 2)``: amplitude (V, signed) and width (s).
    """

    cells: NDArray[np.int64]
    ups: NDArray[np.bool_]
    shapes: Floats
    ends: Times

    def until(self, end: float) -> _Events:
        keep = self.ends <= end
        return _Events(self.cells[keep], self.ups[keep], self.shapes[keep], self.ends[keep])


class ChannelChip:
    """See the module.

    Args:
        cells: the chip.
        strength: how its cells take pulses.
        witness: told of every voltage that cells see.
        rows: channel of each row.
        columns: channel of each column.
    """

    def __init__(
        self,
        cells: CellArray,
        strength: PulseStrength,
        witness: Witness,
        rows: list[int],
        columns: list[int],
    ) -> None:
        self.cells, self.rows, self.columns = cells, rows, columns
        self._strength, self._witness = strength, witness

    def play(self, traces: Mapping[int, Trace], pulses: int | None = None) -> float:
        """Apply what the channels put out.

        Args:
            traces: of the channels that are on.
            pulses: stop when so many have been given; those that end together end all.

        Returns:
            When it stopped, ns; infinite where it went to the end.
        """
        events = self._events(traces)
        stopped = float("inf")
        if pulses is not None and events.cells.size:
            order = np.sort(events.ends)
            stopped = float(order[min(max(pulses, 1), order.size) - 1])
            events = events.until(stopped)
        self._apply(events)
        return stopped

    def _events(self, traces: Mapping[int, Trace]) -> _Events:
        found: list[tuple[int, Pulses]] = []
        own = {c: traces[c] for c in (*self.rows, *self.columns) if c in traces}
        if own:
            times = np.unique(np.concatenate([trace.times for trace in own.values()]))
            volts = {channel: trace.at(times) for channel, trace in own.items()}
            for row, high in enumerate(self.rows):
                for column, low in enumerate(self.columns):
                    if high in volts and low in volts:
                        cell = row * len(self.columns) + column
                        found.append((cell, pulses_of(times, volts[high] - volts[low])))
        parts = [self._of_cell(cell, pulses) for cell, pulses in found]
        return _Events(
            np.concatenate([np.empty(0, np.int64), *(p.cells for p in parts)]),
            np.concatenate([np.empty(0, bool), *(p.ups for p in parts)]),
            np.concatenate([np.empty((0, 2)), *(p.shapes for p in parts)]),
            np.concatenate([np.empty(0, np.int64), *(p.ends for p in parts)]),
        )

    def _of_cell(self, cell: int, pulses: Pulses) -> _Events:
        """Those pulses of a cell that are strong enough to move it."""
        ups = np.zeros(pulses.ends.size, bool)
        keep = np.zeros(pulses.ends.size, bool)
        shapes = np.stack([pulses.amplitudes, pulses.widths], axis=1)
        if pulses.ends.size:
            kinds, which = np.unique(shapes, axis=0, return_inverse=True)
            for kind, (amplitude, ns) in enumerate(kinds.tolist()):
                width = float(f"{ns:.12g}E-9")
                self._witness.saw(amplitude, width)
                here = which.ravel() == kind
                shapes[here, 1] = width
                ups[here], strength = self._strength.of(amplitude, width)
                keep[here] = bool(strength)
        cells = np.full(int(keep.sum()), cell, np.int64)
        return _Events(cells, ups[keep], shapes[keep], pulses.ends[keep])

    def _apply(self, events: _Events) -> None:
        ways = events.ups, ~events.ups
        up, down = (np.unique(events.shapes[way], axis=0).tolist() for way in ways)
        if max(len(up), len(down)) <= 1:
            counts = np.where(events.ups, 1, -1).astype(np.int32)
            runs = PulseRuns(events.cells, counts)
            self.cells.apply(runs, *(self._strength.of(*s[0])[1] if s else 1.0 for s in (up, down)))
            return
        for cell, shape in zip(events.cells.tolist(), events.shapes.tolist(), strict=True):
            self.cells.pulse_cell(cell, *self._strength.of(*shape))

    def currents(
        self, traces: Mapping[int, Trace], before: Floats, until: float
    ) -> dict[int, Floats]:
        """Currents out of the channels of this chip in their windows, A.

        Args:
            traces: of the channels that are on.
            before: conductances before the execution, ``(rows, columns)``, S.
            until: windows that end later are not measured, ns.
        """
        own = {c: traces[c] for c in (*self.rows, *self.columns) if c in traces}
        middles = {c: t.windows[t.windows[:, 1] <= until].mean(axis=1) for c, t in own.items()}
        every = np.unique(np.concatenate([np.empty(0), *middles.values()]))
        high = np.stack([_volts(own, c, every) for c in self.rows])
        low = np.stack([_volts(own, c, every) for c in self.columns])
        across = np.nan_to_num(high[:, None, :] - low[None, :, :])
        measured = {c: np.isin(every, m) for c, m in middles.items()}
        through = across * self._seen(across, before, measured)
        rows, columns = through.sum(axis=1), -through.sum(axis=0)
        lines = {c: rows[k] for k, c in enumerate(self.rows)}
        lines |= {c: columns[k] for k, c in enumerate(self.columns)}
        return {c: lines[c][measured[c]] for c in own}

    def _seen(
        self, across: Floats, before: Floats, measured: Mapping[int, NDArray[np.bool_]]
    ) -> Floats:
        """Conductances as a meter finds them, ``(rows, columns, times)``, S."""
        seen = np.repeat(before[:, :, None], across.shape[2], axis=2)
        none = np.zeros(across.shape[2], bool)
        by_row = np.stack([measured.get(c, none) for c in self.rows])
        by_column = np.stack([measured.get(c, none) for c in self.columns])
        looked_at = (by_row[:, None, :] | by_column[None, :, :]) & (across != 0)
        for k in range(across.shape[2]):
            cells = np.flatnonzero(looked_at[:, :, k])
            if cells.size and not self._switches(float(np.abs(across[:, :, k]).max())):
                volts = across[:, :, k].ravel()[cells]
                seen[:, :, k].flat[cells] = self.cells.arrays.numpy(self.cells.read(cells, volts))
        return seen

    def _switches(self, volts: float) -> bool:
        return any(bool(self._strength.of(v, _ANY_WIDTH)[1]) for v in (volts, -volts))


def _volts(traces: Mapping[int, Trace], channel: int, times: Floats) -> Floats:
    """Voltage of a line; none where it floats."""
    if channel in traces:
        return traces[channel].at(times)
    return np.full(times.shape, np.nan)
