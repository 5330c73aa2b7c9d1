"""A small crossbar on the pulse cards of a 4200A-SCS: a channel for every line, all driven at once.

Programs of coincidences, products and reads are native: an execution plays all lines together, by
segment-arb sequences. Pulses follow the half-voltage scheme (see ``lowering``), and are counted by
the instrument itself: the first row's channel measures every slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.bench_crossbar import BenchCrossbar
from ohmloop.drivers.characteristics import Characteristics
from ohmloop.drivers.conditions import PulseConditions
from ohmloop.drivers.crossbar import Capabilities, log
from ohmloop.drivers.errors import (
    InDoubtError,
    InstrumentError,
    LinkError,
    NotConnectedError,
)
from ohmloop.drivers.pulses import PulseProgram

from .commands import channel_name
from .execution import Execution, Outcome, Player
from .keithley4200a import Keithley4200A, Point
from .kxci_wiring import (
    check_pulses,
    check_wiring,
    pulse_range,
    pulse_timings,
    read_timing,
    wiring_of,
)
from .lowering import Part, levels, lower
from .waveform import Slot, Timing

_MOST_VECTORS = 256
"""In one execution: each may need a sequence of its own on every channel."""


class KxciKind:
    """Kind ``kxci`` of the bench file."""

    @staticmethod
    def check(bench: Bench, name: str) -> None:
        """Refuse wiring and pulses that cannot be; sends nothing."""
        check_wiring(bench, name)

    @staticmethod
    def open(
        bench: Bench, name: str, characteristics: Characteristics | None = None
    ) -> Kxci4200Crossbar:
        """Connect, check who answers and that it has the cards.

        Raises:
            NotConnectedError: nobody answers.
            WrongInstrumentError: it is no 4200A-SCS.
            InstrumentError: a pulse card is missing.
        """
        scs = Keithley4200A.connect(bench, wiring_of(bench, name).analyser)
        try:
            crossbar = Kxci4200Crossbar(bench, name, scs, characteristics)
            crossbar.check_cards()
        except BaseException:
            scs.close()
            raise
        return crossbar


class Kxci4200Crossbar(BenchCrossbar):
    """See the module. Opened by ``open_crossbar``.

    Attributes:
        scs: the instrument.
        channels: the channel of every line, rows first.
    """

    def __init__(
        self,
        bench: Bench,
        name: str,
        scs: Keithley4200A,
        characteristics: Characteristics | None = None,
    ) -> None:
        super().__init__(
            bench,
            name,
            characteristics,
            Capabilities(parallel_forward=True, coincidence_update=True),
        )
        wiring = wiring_of(bench, name)
        self.scs = scs
        self._rows, self._columns = tuple(wiring.rows), tuple(wiring.columns)
        self.channels = self._rows + self._columns
        self._undisturbed = wiring.undisturbed
        self._read_timing = read_timing(bench, scs.options)
        self._pulse_range = pulse_range(bench, scs.options, wiring.analyser)
        self._player = Player(scs, self.channels)

    @property
    def messages(self) -> int:
        """Messages sent to the instrument so far."""
        return self.scs.transport.traffic.messages

    def check_cards(self) -> None:
        """Make sure that the cards of all channels are fitted.

        Raises:
            InstrumentError: names those that are not.
        """
        missing = {(channel + 1) // 2 for channel in self.channels} - self.scs.cards()
        if missing:
            names = ", ".join(f"PMU{card}" for card in sorted(missing))
            problem = f"has no {names}; change the wiring in the bench file"
            raise InstrumentError(self.scs.name, self.scs.transport.resource, problem)

    def _read(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._currents(rows, columns, self.reading.voltage) / self.reading.voltage

    def _currents(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float
    ) -> NDArray[np.float64]:
        """A column at a time is driven, all rows measure at once, at 0 V."""
        if not rows.size or not columns.size:
            return np.empty((rows.size, columns.size))
        volts = np.zeros((columns.size, self.shape[1]))
        volts[np.arange(columns.size), columns] = voltage
        sensed = [self._rows[row] for row in rows]
        return self._products(self._columns, -volts, sensed).T

    def _forward(self, column_voltages: NDArray[np.float64]) -> NDArray[np.float64]:
        # Columns at minus the voltage, so that cells see it row against column.
        return self._products(self._columns, -column_voltages, self._rows)

    def _backward(self, row_voltages: NDArray[np.float64]) -> NDArray[np.float64]:
        # What the rows drive flows into the columns' channels.
        return -self._products(self._rows, row_voltages, self._columns)

    def _products(
        self, driven: Sequence[int], volts: NDArray[np.float64], sensed: Sequence[int]
    ) -> NDArray[np.float64]:
        """Currents out of channels, ``(steps, sensed)``, A; a slot for each row of ``volts``."""
        if not len(volts):
            return np.empty((0, len(sensed)))
        parts = [
            self._product(driven, volts[start : start + _MOST_VECTORS], sensed)
            for start in range(0, len(volts), _MOST_VECTORS)
        ]
        return np.concatenate(parts)

    def _product(
        self, driven: Sequence[int], volts: NDArray[np.float64], sensed: Sequence[int]
    ) -> NDArray[np.float64]:
        level = dict(zip(driven, volts.T.tolist(), strict=True))
        flat = [0.0] * len(volts)
        slots = {
            channel: [
                Slot(self._read_timing, v + 0.0, channel in sensed)
                for v in level.get(channel, flat)
            ]
            for channel in self.channels
        }
        execution = Execution(
            slots, [1] * len(volts), self.scs.options.current_range, next(iter(sensed))
        )
        with self.scs.lock:
            points = self._player.measure(execution, list(dict.fromkeys(sensed)))
        self._refuse_overflow(points)
        currents = {channel: [p.amperes for p in every] for channel, every in points.items()}
        return np.array([currents[channel] for channel in sensed]).T

    def _refuse_overflow(self, points: Mapping[int, Sequence[Point]]) -> None:
        for channel, every in points.items():
            bad = sum(point.status != 0 or not np.isfinite(point.amperes) for point in every)
            if bad:
                raise InstrumentError(
                    self.scs.name,
                    self.scs.transport.resource,
                    f"no reading on {channel_name(channel)} in {bad} of {len(every)} slots: the"
                    " current is beyond the measuring range; raise options.current_range",
                )

    def _pulse(self, program: PulseProgram, sequence: int) -> tuple[int, int]:
        conditions = program.conditions or self.conditions
        check_pulses(conditions, self.scs.options, self._undisturbed)
        timings = pulse_timings(conditions, self.scs.options)
        applied, clipped = 0, 0
        with self.scs.lock:
            for part in lower(program):
                try:
                    outcome = self._player.play_once(self._execution(part, conditions, timings))
                except InstrumentError as error:
                    self._stopped(error, sequence, applied, program.total_pulses)
                    raise
                applied += part.pulses(outcome.points)
                self._settle(outcome, part, sequence, (applied, program.total_pulses))
                clipped += self._clipped(part)
        return applied, clipped

    def _execution(
        self, part: Part, conditions: PulseConditions, timings: tuple[Timing, Timing]
    ) -> Execution:
        slots: dict[int, list[Slot]] = {channel: [] for channel in self.channels}
        witness = self._rows[0]
        measured = self._rows if self.scs.options.watch_current else (witness,)
        for beat in part.beats:
            pulse = conditions.up if beat.up else conditions.down
            timing = timings[0] if beat.up else timings[1]
            for channel, volts in zip(
                self.channels, levels(beat, pulse.amplitude, self.shape), strict=True
            ):
                slots[channel].append(Slot(timing, volts, channel in measured))
        loops = [beat.loops for beat in part.beats]
        return Execution(slots, loops, self._pulse_range, witness)

    def _clipped(self, part: Part) -> int:
        """Beats in which a firing row's current was beyond the range.

        The pulses are given and counted: a link that fails now leaves only this unknown.
        """
        if not self.scs.options.watch_current:
            return 0
        try:
            points = self._player.fetch(self._rows, part.slots)
        except InstrumentError as error:
            log.warning("%s: currents of a program are unknown: %s", self.name, error.problem)
            self._player.forget()
            return 0
        beyond = np.array([[p.status != 0 for p in points[channel]] for channel in self._rows])
        ends = np.cumsum([beat.loops for beat in part.beats])
        return sum(
            bool(beyond[list(beat.rows), end - beat.loops : end].any())
            for beat, end in zip(part.beats, ends.tolist(), strict=True)
        )

    def _settle(self, outcome: Outcome, part: Part, sequence: int, pulses: tuple[int, int]) -> None:
        if outcome.points == part.slots and not outcome.problem:
            return
        self._player.forget()
        applied, total = pulses
        raise self._doubt(
            f"program {sequence} stopped after {applied} of {total} pulses: "
            f"{outcome.problem or 'the instrument does not say why'}",
            applied,
        )

    def _stopped(self, error: InstrumentError, sequence: int, applied: int, total: int) -> None:
        """Say what earlier executions of the program have applied, where one fails."""
        if isinstance(error, InDoubtError):
            problem = (
                f"{error.problem}; how far program {sequence} got, after {applied} of {total}"
                " pulses, is unknown: read the crossbar again before going on"
            )
            raise self._doubt(problem, None) from error
        if applied:
            problem = f"{error.problem}; program {sequence} stopped after {applied} of {total}"
            raise self._doubt(f"{problem} pulses", applied) from error
        problem = f"{error.problem}; nothing of program {sequence} was applied"
        if isinstance(error, LinkError | NotConnectedError):
            raise type(error)(error.instrument, error.resource, problem) from error

    def _doubt(self, problem: str, applied: int | None) -> InDoubtError:
        return InDoubtError(self.scs.name, self.scs.transport.resource, problem, applied)

    def _make_safe(self) -> None:
        """Abort, all outputs off; the next operation sets up anew."""
        with self.scs.lock:
            self._player.forget()
            self.scs.outputs_off(self.channels)

    def _close(self) -> None:
        self.scs.close()
