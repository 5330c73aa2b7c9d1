"""The probe card: what the instruments on one bench share.

Which cell the source sees is decided by which crosspoints the matrix has closed. Several rows or
columns closed at once put their cells in parallel; none is an open circuit. Unselected lines float
and carry nothing (each cell has its selector).
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable
from itertools import groupby

from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.pulse_strength import PulseStrength

from .meter import Meter
from .witness import Witness

log = logging.getLogger("ohmloop.emulator")

_REMEMBERED = 1 << 16  # selections
_TRIPPED = 0.95  # share of its voltage that a tripped source makes


class Fixture:
    """A chip between a source and a matrix.

    Args:
        cells: the chip.
        strength: how its cells take pulses of any shape.
        rows: crosspoint -> row of the chip, on the source's HI.
        columns: crosspoint -> column of the chip, on the source's LO.
        clock: the bench's time.
        witness: told of every voltage that cells see.
        meter: what the source's meter adds.

    Attributes:
        series: resistance of leads and contacts between the place where the source senses and the
            cells, ohm; 0 where it senses at the chip.
    """

    def __init__(
        self,
        cells: CellArray,
        strength: PulseStrength,
        rows: dict[str, int],
        columns: dict[str, int],
        clock: VirtualClock,
        witness: Witness | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.cells, self.clock = cells, clock
        self.lock = threading.RLock()
        self.hot_switches = 0
        self.compliance_pulses = 0
        self._strength, self._rows, self._columns = strength, rows, columns
        self._between: list[int] = []
        self._known: dict[tuple[str, ...], list[int]] = {}
        self._voltage, self._limit, self._since = 0.0, float("inf"), 0
        self._witness = witness or Witness(0.0)
        self._shows = (meter or Meter()).shows
        self._tripped = False
        self._action: tuple[int, Callable[[], None]] | None = None
        self.series = self._load = 0.0

    def after(self, pulses: int, action: Callable[[], None]) -> None:
        """Call ``action`` once, when so many pulses more have ended."""
        self._action = (self.pulses_applied + pulses, action)

    def trip(self) -> None:
        """The next pulse finds its source in compliance, a little short of what it asks for."""
        self._tripped = True

    @property
    def pulses_applied(self) -> int:
        """Pulses that moved a cell of the chip, counted by the chip itself."""
        return self.cells.pulses_applied

    def connect(self, closed: Iterable[str]) -> None:
        """The matrix has moved: ``closed`` are the crosspoints closed now."""
        with self.lock:
            if self._voltage:
                self.hot_switches += 1
                log.warning("hot switch: relays moved at %g V", self._voltage)
            self._end_pulse()
            self._between = self._cells_of(tuple(closed))
            self._since = self.clock.ns

    def _cells_of(self, points: tuple[str, ...]) -> list[int]:
        """Cells between the terminals; kept, because the same few points come again and again."""
        found = self._known.get(points)
        if found is None:
            rows = [self._rows[p] for p in points if p in self._rows]
            columns = [self._columns[p] for p in points if p in self._columns]
            width = self.cells.shape[1]
            found = [row * width + column for row in rows for column in columns]
            if len(self._known) < _REMEMBERED:
                self._known[points] = found
        return found

    def drive(self, voltage: float, limit: float) -> None:
        """The source puts ``voltage`` (V) across the closed cells, up to ``limit`` (A)."""
        with self.lock:
            self._end_pulse()
            self._voltage, self._limit, self._since = voltage, limit, self.clock.ns
            if self._action and self.pulses_applied >= self._action[0]:
                (_, action), self._action = self._action, None
                action()

    @property
    def quiet(self) -> bool:
        """Whether nothing is to go wrong: then a train of pulses may be applied at once."""
        return self._action is None and not self._tripped

    @property
    def in_compliance(self) -> bool:
        """Whether the source is at its current limit."""
        return self._across()[1]

    def true_current(self) -> float:
        """What flows now without noise, A; the limit itself where the source is at it."""
        with self.lock:
            across, limited = self._across()
            if limited and self._limit < math.inf:
                return math.copysign(self._limit, self._voltage)
            return across * self._conductance()

    def train(
        self, voltages: Iterable[float], limit: float, width: float
    ) -> tuple[list[float], list[int]]:
        """Pulses of one width one after the other, at once; the same bits as one by one.

        Args:
            voltages: of each pulse, V; 0 is a slot without one.
            limit: of the source, A.
            width: of every pulse, s.

        Returns:
            Current of each without noise, A, and which of them were at the limit.
        """
        currents: list[float] = []
        limited: list[int] = []
        with self.lock:
            self._end_pulse()
            self._limit = limit
            for voltage, group in groupby(voltages):
                left = sum(1 for _ in group)
                self._voltage = voltage
                while left:
                    seen = self._equal_pulses(voltage, left, width)
                    if not seen:
                        across, at_limit = self._across()
                        seen = [math.copysign(limit, voltage) if at_limit else across * self._load]
                        limited += [len(currents)] if at_limit else []
                        if self._acts(width):
                            self._pulse(width, across, at_limit)
                    currents += seen
                    left -= len(seen)
            self._voltage, self._since = 0.0, self.clock.ns
        return currents, limited

    def _equal_pulses(self, voltage: float, count: int, width: float) -> list[float]:
        """As many pulses as one cell takes before it reaches the limit; their currents, A."""
        if len(self._between) != 1 or self.series or not voltage or self._tripped:
            return []
        up, strength = self._strength.of(voltage, width)
        if not strength:
            return []
        self._witness.saw(voltage, width)
        size = abs(voltage)
        before = self.cells.pulse_train(self._between[0], up, strength, count, size, self._limit)
        return [voltage * g for g in before]

    def current(self) -> float:
        """What the source's meter reads now, A; draws read noise of every cell it sees."""
        return self.measured()[0]

    def measured(self) -> tuple[float, bool]:
        """``current``, and whether the source is at its limit."""
        with self.lock:
            volts, limited = self._across()
            if len(self._between) == 1:
                flows = self.cells.read_cell(self._between[0], volts) * volts
            else:
                flows = sum(self.cells.read_cell(cell, volts) * volts for cell in self._between)
            return float(self._shows(flows)), limited

    @property
    def settled_current(self) -> float:
        """The current without a meter's noise, A; draws nothing."""
        with self.lock:
            return self._across()[0] * self._conductance()

    def _conductance(self) -> float:
        """Of the cells, at what the source puts out: leads and compliance take little of it."""
        if len(self._between) == 1:  # nearly always
            return self.cells.seen(self._between[0], self._voltage)
        return sum(self.cells.seen(cell, self._voltage) for cell in self._between)

    def _across(self) -> tuple[float, bool]:
        """Voltage that the cells see, and whether the source is at its current limit."""
        conductance = self._load = self._conductance()
        voltage = self._voltage / (1.0 + conductance * self.series)
        if abs(voltage) * conductance > self._limit:
            return math.copysign(self._limit / conductance, self._voltage), True
        return (_TRIPPED * voltage, True) if self._tripped else (voltage, False)

    def _end_pulse(self) -> None:
        """What the source did since it last changed was a pulse, if it was strong enough."""
        if self._voltage and self._between:
            width = (self.clock.ns - self._since) / 1e9
            if self._acts(width):
                self._pulse(width, *self._across())

    def _acts(self, width: float) -> bool:
        """Whether cells were under voltage for ``width`` (s), and that moves them."""
        if not self._voltage or not self._between:
            return False
        self._witness.saw(self._voltage, width)
        return bool(self._strength.of(self._voltage, width)[1])

    def _pulse(self, width: float, across: float, limited: bool) -> None:
        """The cells between the terminals saw ``across`` (V) for ``width`` (s)."""
        up, strength = self._strength.of(across, width)
        self._tripped = False
        self.compliance_pulses += limited
        if strength:
            for cell in self._between:
                self.cells.pulse_cell(cell, up, strength)
