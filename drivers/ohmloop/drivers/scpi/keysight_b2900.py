"""Keysight (Agilent) B2900A source/measure units: list sweeps of pulses, spot measurements.

A train of N equal pulses is a list sweep of one value with trigger count N, timed by the
instrument's own timer; up and down pulses of one width are a list of their amplitudes. The current
is measured once in every pulse into the trace buffer; the number of readings there is the
instrument's own count of the pulses applied.

Commands: B2900 SCPI command reference B2910-90030, chapter 4 (FORMat, OUTPut, SENSe, SOURce,
TRACe, TRIGger). Limits: B2901A/B2902A data sheet (pulse width 50 us at least in steps of 1 us,
timer 20 us at least, 100 000 triggers).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from math import inf
from typing import Literal

from ohmloop.drivers.conditions import PulseConditions, PulseShape, ReadCondition
from ohmloop.drivers.errors import InstrumentError, LinkError
from ohmloop.drivers.instrument import Setting
from ohmloop.drivers.routed import Evidence, Outcome
from ohmloop.drivers.units import Amperes, with_unit
from ohmloop.drivers.validation import Record

from .marked_source import MarkedSource
from .marks import Standing
from .scpi_instrument import number

SHORTEST_PULSE = 50e-6
"""Shortest pulse of the instrument, s."""

LARGEST_CURRENT = 3.0
"""Largest compliance, A."""

_ATTEMPTS = 3  # to read one cell
_STEP = 1e-6  # of widths, s
_TIMER = 20e-6  # shortest time from pulse to pulse, s
_RANGES = (0.2, 2.0, 20.0, 200.0)
_LONGEST_MIX = 1000  # pulses of a train of several runs; the list takes 2500
_LINE = 0.02  # longest power-line cycle, s
_NO_READING = 9e37
_BLOCK = struct.Struct(">3sd")  # a block of one number
_TAIL = re.compile(r';(\d+);([+-]?\d+),".*"')  # of the reply to a reading
_NEARLY = 0.999  # of the limit; a reading there says that it was reached


class KeysightB2900Options(Record):
    """Options in the bench file.

    Attributes:
        channel: 1, or 2 where there is one.
        four_wire: sense at the chip.
        current_range: fixed measuring range of reads, A; left out, the instrument ranges.
    """

    channel: Literal[1, 2] = 1
    four_wire: bool = False
    current_range: Amperes | None = None


class KeysightB2900(MarkedSource):
    """One channel, as ``routed.Meter`` and ``routed.Pulser``."""

    Options = KeysightB2900Options
    models = tuple(f"B29{digits}" for digits in ("01", "02", "11", "12"))
    longest = 100_000

    voltage = Setting(":SOUR{c}:VOLT", "Source voltage, V.", float, -210, 210)
    compliance = Setting(":SENS{c}:CURR:PROT", "Current limit, A.", float, 1e-12, LARGEST_CURRENT)
    in_compliance = Setting(":SENS{c}:CURR:PROT:TRIP", "Whether the limit is reached.", int)
    output = Setting(":OUTP{c}", "Output on (1) or off (0).", int, 0, 1)
    nplc = Setting(":SENS{c}:CURR:NPLC", "Integration time, power-line cycles.", float, 4e-4, 100)
    interlock_open = Setting(":SYST:INT:TRIP", "Whether the interlock is open.", int)

    def path(self, attribute: str) -> str:
        """Headers carry the channel."""
        return attribute.format(c=self.options.channel)

    def off(self) -> list[str]:
        """Stop, 0 V, output off; is it?"""
        c = self.options.channel
        return [f":ABOR (@{c})", f":SOUR{c}:VOLT 0", f":OUTP{c} OFF", f":OUTP{c}?"]

    def prepare_meter(self, reading: ReadCondition) -> None:
        """Settings for reading; the output stays off."""
        self._reading = reading
        self.enter(("meter", reading), self._meter_settings)

    def _meter_settings(self) -> list[str]:
        reading = self._reading
        c, fixed = self.options.channel, self.options.current_range
        largest = max(abs(reading.voltage), min(self.limits.read_voltage, _RANGES[-1]))
        measuring = [f":SENS{c}:CURR:RANG:AUTO {number(fixed is None)}"]
        if fixed is not None:
            measuring.append(f":SENS{c}:CURR:RANG {number(fixed)}")
        return [
            *self._common(largest),
            ":FORM REAL,64",
            f":SOUR{c}:FUNC:SHAP DC",
            f":SOUR{c}:VOLT:MODE FIX",
            *measuring,
            f":SENS{c}:CURR:NPLC {number(reading.nplc)}",
            f":TRIG{c}:SOUR AINT",
            f":TRIG{c}:COUN 1",
            f":TRIG{c}:ACQ:DEL {number(reading.settle)}",
            f":TRAC{c}:FEED:CONT NEV",
        ]

    def measure(self, voltage: float) -> float:
        """Settle, measure, back to 0 V; the current, A.

        Raises:
            InstrumentError: beyond the measuring range.
            ReportedError: the instrument refuses.
            LinkError: it does not come back.
        """
        current = self._measure_again(voltage)
        if not abs(current) < _NO_READING:
            raise InstrumentError(
                self.name,
                self.resource,
                "no reading: the current is beyond the measuring range; raise"
                " options.current_range",
            )
        return current

    def _measure_again(self, voltage: float) -> float:
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._measure(voltage)
            except LinkError:
                self.come_back()
                self.prepare_meter(self._reading)  # it may have lost its power, and its settings
        return self._measure(voltage)

    def _measure(self, voltage: float) -> float:
        wait = self._reading.settle + self._reading.nplc * _LINE
        data = self.transport.query_block(_spot(self.options.channel, voltage), _BLOCK.size, wait)
        tail = self.transport.read_line(wait)
        found = _TAIL.fullmatch(tail.strip())
        start, current = _BLOCK.unpack(data)
        if start != b"#18" or not found:
            raise self.garbled(tail)
        if int(found[2]):
            raise self.reported(int(found[2]))
        if int(found[1]) != self.marks.now:
            self._lost()
            raise LinkError(self.name, self.resource, "lost its power while it read")
        return float(current)

    @staticmethod
    def refusal(conditions: PulseConditions) -> str:
        """Why such pulses cannot be played; empty where they can."""
        for pulse in (conditions.up, conditions.down):
            width = with_unit(pulse.width, "s")
            if pulse.width < SHORTEST_PULSE:
                return f"a B2900A makes no pulse shorter than 50 us, not {width}; use a generator"
            if not _whole(pulse.width):
                return f"a B2900A makes pulses of whole microseconds, not {width}"
            period = pulse.width + conditions.rest
            if conditions.rest <= 0 or period < _TIMER or not _whole(period):
                rest = with_unit(conditions.rest, "s")
                return f"a B2900A rests whole microseconds after a pulse, not {rest}"
            if abs(pulse.amplitude) > _RANGES[-1]:
                return f"a B2900A makes 200 V at most, not {with_unit(pulse.amplitude, 'V')}"
        return ""

    def prepare_pulser(self, conditions: PulseConditions) -> None:
        """Settings for pulses; both shapes are set once, without a trigger, to see them taken."""
        self._conditions = conditions
        self.enter(("pulser", conditions), self._pulser_settings)

    def _pulser_settings(self) -> list[str]:
        c = self.options.channel
        pulses = (self._conditions.up, self._conditions.down)
        shortest = min(pulse.width for pulse in pulses)
        return [
            *self._common(max(abs(pulse.amplitude) for pulse in pulses)),
            ":FORM ASC",
            f":SOUR{c}:FUNC:SHAP PULS",
            f":SOUR{c}:VOLT:MODE LIST",
            f":SOUR{c}:PULS:DEL 0",
            f":SENS{c}:CURR:RANG:AUTO OFF",
            f":SENS{c}:CURR:RANG {number(self._limit)}",
            f":SENS{c}:CURR:APER {number(min(shortest / 5, 1e-3))}",
            f":TRIG{c}:SOUR TIM",
            f":TRIG{c}:TRAN:DEL 0",
            f":TRIG{c}:ACQ:DEL {number(shortest / 2)}",
            f":TRAC{c}:FEED:CONT NEV",
            f":TRAC{c}:FEED SENS",
            *self._shape([-1]),
            *self._shape([1]),
        ]

    def mixes(self, counts: Sequence[int]) -> bool:
        """Whether a train of up and down pulses is one list: of one width, and not too long."""
        up, down = self._conditions.up, self._conditions.down
        return up.width == down.width and sum(map(abs, counts)) <= _LONGEST_MIX

    def play(self, counts: Sequence[int]) -> Outcome:
        """Play a train, once.

        Raises:
            LinkError: what became of it is to be asked with ``after_doubt``.
        """
        c, size = self.options.channel, sum(map(abs, counts))
        settings = [
            *(f":TRAC{c}:FEED:CONT NEV", f":TRAC{c}:CLE", f":TRAC{c}:POIN {size}"),
            f":TRAC{c}:FEED:CONT NEXT",
            f":TRAC{c}:STAT:FORM {'MAX' if self._pulse(counts[0]).amplitude > 0 else 'MIN'}",
            *self._shape(counts),
            *(f":TRIG{c}:COUN {size}", f":OUTP{c} ON"),
        ]
        then = [f":TRAC{c}:POIN:ACT?", *self._currents(counts)]
        found = self.fire(settings, f":INIT (@{c})", then, 3, self._duration(counts))
        return self._judge(*found, counts)

    def after_doubt(self, counts: Sequence[int]) -> Outcome:
        """Come back and ask what became of the train that was played last.

        Raises:
            LinkError: it does not come back.
        """
        counted = [f":TRAC{self.options.channel}:POIN:ACT?"]
        standing, found, errors = self.ask_after(counted, 1, self._duration(counts))
        if standing is Standing.FIRED and found != ["0"]:  # an empty trace answers an error
            found += self._ask_gently(self._currents(counts), 2, 0.0)[0]
        return self._judge(standing, found, errors, counts)

    def _currents(self, counts: Sequence[int]) -> list[str]:
        """Queries after a train: its largest current, or all where runs differ; limit reached?"""
        c = self.options.channel
        asked = f":TRAC{c}:STAT:DATA?" if len(counts) == 1 else f":TRAC{c}:DATA?"
        return [asked, f":SENS{c}:CURR:PROT:TRIP?"]

    def _judge(
        self, standing: Standing, found: list[str], errors: bool, counts: Sequence[int]
    ) -> Outcome:
        if standing is Standing.LOST:
            return Outcome(Evidence.UNKNOWN, None, 0, standing.value)
        if standing is Standing.NOT_REACHED:
            return Outcome(Evidence.NOTHING, 0)
        try:
            applied, currents, tripped = (_floats(text) for text in [*found, "0", "0"][:3])
            count = int(applied[0])
        except ValueError:
            raise self.garbled(";".join(found)) from None
        clipped = max(self._at_limit(counts, currents), int(bool(tripped[0])))
        if standing is Standing.ARMED and not count and not errors:
            return Outcome(Evidence.NOTHING, 0)
        if count != sum(map(abs, counts)) or errors:
            self._role = None
            problem = self.errors_in_words() if errors else Evidence.PART.value
            return Outcome(Evidence.PART, count, clipped, problem)
        return Outcome(Evidence.WHOLE, count, clipped)

    def _at_limit(self, counts: Sequence[int], currents: Sequence[float]) -> int:
        """Runs in which a current was at the limit; one current stands for a train of one run."""
        least = _NEARLY * self._limit
        ends = [0, *accumulate(map(abs, counts))]
        runs = [currents] if len(counts) == 1 else [currents[a:b] for a, b in pairwise(ends)]
        return sum(any(least <= abs(i) < _NO_READING for i in run) for run in runs)

    @property
    def _limit(self) -> float:
        """Compliance, A."""
        return min(self.limits.current, LARGEST_CURRENT)

    def _common(self, largest: float) -> list[str]:
        """Settings of both roles: voltage source at 0 V in a fixed range, limit, wires."""
        c = self.options.channel
        fitting = next((r for r in _RANGES if r >= largest), inf)
        return [
            *(f":SOUR{c}:FUNC:MODE VOLT", f":SOUR{c}:VOLT 0"),
            *(f":SOUR{c}:VOLT:RANG:AUTO OFF", f":SOUR{c}:VOLT:RANG {number(fitting)}"),
            *(f':SENS{c}:FUNC "CURR"', f":SENS{c}:CURR:PROT {number(self._limit)}"),
            f":SENS{c}:REM {number(self.options.four_wire)}",
            *(":FORM:BORD NORM", ":FORM:ELEM:SENS CURR"),
        ]

    def _pulse(self, count: int) -> PulseShape:
        return self._conditions.up if count > 0 else self._conditions.down

    def _shape(self, counts: Sequence[int]) -> list[str]:
        """The list, width and timer of a train; a list of one value serves any number of pulses."""
        c, width = self.options.channel, self._pulse(counts[0]).width
        sizes = [1] if len(counts) == 1 else map(abs, counts)
        volts = [number(self._pulse(n).amplitude) for n, k in zip(counts, sizes, strict=True)
                 for _ in range(k)]  # fmt: skip
        return [
            f":SOUR{c}:LIST:VOLT {','.join(volts)}",
            f":SOUR{c}:PULS:WIDT {number(width)}",
            f":TRIG{c}:TIM {number(width + self._conditions.rest)}",
        ]

    def _duration(self, counts: Sequence[int]) -> float:
        return sum(abs(n) * (self._pulse(n).width + self._conditions.rest) for n in counts)


@lru_cache(maxsize=64, typed=True)
def _spot(channel: int, voltage: float) -> str:
    """Settle, measure, back to 0 V; the register and the oldest error after it."""
    c = channel
    commands = [
        *(f":SOUR{c}:VOLT {number(voltage)}", f":OUTP{c} ON", f":INIT (@{c})", "*WAI"),
        *(f":FETC:ARR:CURR? (@{c})", f":SOUR{c}:VOLT 0", "*ESE?", ":SYST:ERR?"),
    ]
    return ";".join(commands)


def _floats(text: str) -> list[float]:
    return [float(value) for value in text.split(",")]


def _whole(seconds: float) -> bool:
    """Whether a time is a whole number of the instrument's steps."""
    steps = seconds / _STEP
    return abs(steps - round(steps)) < 1e-6 * max(1.0, steps)
