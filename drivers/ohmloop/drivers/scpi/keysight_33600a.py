"""Keysight 33500B and 33600A waveform generators: bursts of short pulses.

A train is a triggered burst: N cycles of an arbitrary waveform that is one pulse and its rest, or
one cycle of a waveform that is a whole train of up and down pulses. Arbitrary waveforms are used
rather than the pulse function because they rest at 0 V for either sign; the pulse function rests at
its low level, which is the pulse itself where pulses are negative.

What a generator cannot do: it has no current limit, so the largest current is what its 50 ohm and a
resistor in series let through; it does not count, so that a burst that was cut short is in doubt.

Commands: 33500B/33600A operating and service guide, "SCPI programming" (BURSt, DATA, FUNCtion:ARB,
OUTPut, TRIGger, VOLTage:LIMit). Limits: 33600A data sheet (16 ns, 1 GSa/s, +-10 V open circuit).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ohmloop.drivers.conditions import PulseConditions
from ohmloop.drivers.limits import Limits
from ohmloop.drivers.routed import Evidence, Outcome
from ohmloop.drivers.units import to_si, with_unit
from ohmloop.drivers.validation import Record

from .marked_source import MarkedSource
from .marks import Standing
from .pulse_waves import MOST_POINTS, PulseWaves, largest_current, pulse_waves
from .scpi_instrument import number

_SHORTEST = 16e-9  # pulse, s
_LARGEST = 10.0  # open circuit, V
_SOURCE = 50.0  # output impedance, ohm
_FAST, _FASTEST = 250e6, 1e9  # samples a second, 33500B and 33600A
_MIXED = 8192  # most samples of a train that is sent for one visit
_UP, _DOWN, _TRAIN = "OHMUP", "OHMDOWN", "OHMTRAIN"

Ohms = Annotated[float, BeforeValidator(partial(to_si, unit="ohm"))]


class Keysight33600AOptions(Record):
    """Options in the bench file.

    Attributes:
        channel: 1, or 2 where there is one.
        series_resistance: resistor between the output and the chip that bounds the current, ohm.
    """

    channel: Literal[1, 2] = 1
    series_resistance: Annotated[Ohms, Field(ge=0)] = 0.0


class Keysight33600A(MarkedSource):
    """One channel, as ``routed.Pulser``."""

    Options = Keysight33600AOptions
    models = (
        *("33509B", "33510B", "33511B", "33512B", "33519B", "33520B", "33521B", "33522B"),
        *("33611A", "33612A", "33621A", "33622A"),
    )
    longest = 1_000_000
    _waves: PulseWaves
    _texts: tuple[str, str]
    _pair_loaded = False  # whether the waveforms of one pulse are in the volatile memory

    def path(self, attribute: str) -> str:
        """Headers carry the channel."""
        return attribute.format(c=self.options.channel)

    def off(self) -> list[str]:
        """Stop, output off; is it?"""
        c = self.options.channel
        return [":ABOR", f":OUTP{c} OFF", f":OUTP{c}?"]

    def refusal(self, conditions: PulseConditions) -> str:
        """Why such pulses cannot be played; empty where they can."""
        return generator_refusal(conditions, self.options, self.limits, self._fastest)

    def prepare_pulser(self, conditions: PulseConditions) -> None:
        """Waveforms, levels, clamps and burst, without a trigger; the output stays off."""
        self._waves = pulse_waves(conditions, self._fastest)
        self._texts = _texts(self._waves)
        if self.enter(("pulser", conditions), self._settings):
            self._pair_loaded = True

    def _settings(self) -> list[str]:
        """All settings; a train of both signs is loaded once too, to see it taken."""
        self._pair_loaded = False  # until they are taken
        c = self.options.channel
        clear = f":SOUR{c}:DATA:VOL:CLE"
        return [
            "*PSC 1",  # else the marks would outlive the power
            *(f":OUTP{c}:LOAD INF", f":SOUR{c}:BURS:STAT OFF", f":SOUR{c}:VOLT:LIM:STAT OFF"),
            *(clear, self._load(_TRAIN, [1, -1]), f":SOUR{c}:FUNC:ARB {_TRAIN}", *self._pair()),
            *(f":SOUR{c}:FUNC ARB", f":SOUR{c}:FUNC:ARB:FILT STEP"),
            f":SOUR{c}:FUNC:ARB:SRAT {number(self._waves.rate)}",
            *self._levels(),
            *(f":SOUR{c}:BURS:MODE TRIG", f":SOUR{c}:BURS:NCYC 1", f":TRIG{c}:SOUR BUS"),
            f":SOUR{c}:BURS:STAT ON",
        ]

    def _levels(self) -> list[str]:
        """Full scale for waveforms, within the clamps."""
        c, scale = self.options.channel, self._waves.scale
        most = min(self.limits.voltage, _LARGEST)
        return [
            *(f":SOUR{c}:VOLT:HIGH {number(scale)}", f":SOUR{c}:VOLT:LOW {number(-scale)}"),
            f":SOUR{c}:VOLT:LIM:HIGH {number(most)}",
            f":SOUR{c}:VOLT:LIM:LOW {number(-most)}",
            f":SOUR{c}:VOLT:LIM:STAT ON",
        ]

    def mixes(self, counts: Sequence[int]) -> bool:
        """Whether a train of up and down pulses fits one waveform that is quickly sent."""
        return self._waves.points(counts) <= min(_MIXED, MOST_POINTS)

    def play(self, counts: Sequence[int]) -> Outcome:
        """Play a train, once.

        Raises:
            LinkError: what became of it is to be asked with ``after_doubt``.
        """
        equal = len(counts) == 1
        settings = self._equal(counts[0]) if equal else self._mixed(counts)
        settings += [f":OUTP{self.options.channel} ON"]
        wait = self._waves.points(counts) / self._waves.rate
        self._pair_loaded = False  # until the answer is here
        standing, _, errors = self.fire(settings, "*TRG", [], 0, wait)
        self._pair_loaded = equal and standing is Standing.FIRED and not errors
        return self._judge(standing, errors, counts)

    def after_doubt(self, counts: Sequence[int]) -> Outcome:
        """Come back and ask what became of the train that was played last.

        Raises:
            LinkError: it does not come back.
        """
        wait = self._waves.points(counts) / self._waves.rate
        standing, _, errors = self.ask_after([], 0, wait)
        return self._judge(standing, errors, counts)

    def _judge(self, standing: Standing, errors: bool, counts: Sequence[int]) -> Outcome:
        """A burst that was started is over when ``*OPC?`` has answered; nothing counts it."""
        if standing is Standing.NOT_REACHED:
            return Outcome(Evidence.NOTHING, 0)
        if standing is Standing.FIRED and not errors:
            return Outcome(Evidence.WHOLE, sum(map(abs, counts)))
        self._role = None
        problem = self.errors_in_words() if errors else standing.value
        evidence = Evidence.PART if standing is Standing.FIRED else Evidence.UNKNOWN
        return Outcome(evidence, None, 0, problem)

    def _equal(self, count: int) -> list[str]:
        """N cycles of one pulse."""
        c = self.options.channel
        load = [] if self._pair_loaded else [f":OUTP{c} OFF", *self._pair()]
        name = _UP if count > 0 else _DOWN
        return [*load, f":SOUR{c}:FUNC:ARB {name}", f":SOUR{c}:BURS:NCYC {abs(count)}"]

    def _mixed(self, counts: Sequence[int]) -> list[str]:
        """One cycle of the whole train; the output is off while the waveform is exchanged."""
        c = self.options.channel
        return [
            *(f":OUTP{c} OFF", f":SOUR{c}:DATA:VOL:CLE", self._load(_TRAIN, counts)),
            *(f":SOUR{c}:FUNC:ARB {_TRAIN}", f":SOUR{c}:BURS:NCYC 1"),
        ]

    def _pair(self) -> list[str]:
        c = self.options.channel
        loads = [self._load(_UP, [1]), self._load(_DOWN, [-1])]
        return [f":SOUR{c}:DATA:VOL:CLE", *loads, f":SOUR{c}:FUNC:ARB {_UP}"]

    def _load(self, name: str, counts: Sequence[int]) -> str:
        up, down = self._texts
        values = ",".join(up if n > 0 else down for n in counts for _ in range(abs(n)))
        return f":SOUR{self.options.channel}:DATA:ARB {name},{values}"

    @property
    def _fastest(self) -> float:
        return _FAST if ",335" in self.identity else _FASTEST


def generator_refusal(
    conditions: PulseConditions,
    options: Keysight33600AOptions,
    limits: Limits,
    fastest: float = _FASTEST,
) -> str:
    """Why a generator cannot play such pulses; empty where it can."""
    ohms = _SOURCE + options.series_resistance
    for pulse in (conditions.up, conditions.down):
        if pulse.width < _SHORTEST:
            return f"a 33600A makes no pulse shorter than 16 ns, not {with_unit(pulse.width, 's')}"
        if abs(pulse.amplitude) > _LARGEST:
            return f"a 33600A makes 10 V at most, not {with_unit(pulse.amplitude, 'V')}"
        current = largest_current(pulse, ohms)
        if current > limits.current:
            return (
                f"a generator has no current limit: {with_unit(pulse.amplitude, 'V')} through"
                f" {ohms:g} ohm may drive {with_unit(current, 'A')}, beyond limits.current,"
                f" {with_unit(limits.current, 'A')}; put a resistor in series and tell it as"
                " options.series_resistance"
            )
    try:
        pulse_waves(conditions, fastest)
    except ValueError as error:
        return str(error)
    return ""


@lru_cache(maxsize=16)
def _texts(waves: PulseWaves) -> tuple[str, str]:
    """Samples of an up and of a down pulse as text."""
    up, down = (",".join(map(_level, waves.samples([sign]))) for sign in (1, -1))
    return up, down


def _level(value: float) -> str:
    """0 and whole numbers short, because a waveform has many."""
    return str(int(value)) if value == int(value) else repr(value)
