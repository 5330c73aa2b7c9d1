"""Emulated Keysight 33622A: two channels, of which one may be wired to a chip; triggered bursts.

Commands and replies: 33500B/33600A operating and service guide. Volatile waveforms only. Not
modelled: output outside of a triggered burst (a free-running waveform drives nothing), filters,
edges, modulation, sequences, sweeps, summing, channel coupling. The drop of the pulse over 50 ohm
and a series resistor is neglected. Not verified on an instrument: that a level out of range is
refused rather than clipped, that a burst rests at the first point of its waveform, error codes 785
and 786 for waveforms that exist or do not.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.fixture import Fixture

from .scpi_device import ScpiDevice
from .scpi_parameters import Choice, Flag, Number, ScpiError, Setting

_EXISTS, _NO_SUCH_WAVE, _TRIGGER_IGNORED = 785, 786, -211
_FULL_SCALE = 32767
_OPEN = 9.9e37  # what a load of INFinity answers


class StoppedError(Exception):
    """The hardware gave up in the middle of a burst."""


def _printed(value: float) -> str:
    return f"{value:+.13E}"


def _number(low: float, high: float, whole: bool = False) -> Number:
    return Number(low, high, whole, printed=_printed)


class Load(Number):
    """Load impedance; INFinity too."""

    def parse(self, text: str) -> float:
        """1 ohm to 10 kohm, or infinite."""
        return _OPEN if text.upper() in ("INF", "INFINITY") else super().parse(text)


class Generator:
    """One channel; without a fixture its terminals are open."""

    def __init__(self, device: ScpiDevice, number: int, fixture: Fixture | None) -> None:
        self._fixture, self._device = fixture, device
        self.stuck = self._was_on = False
        self.waves: dict[str, NDArray[np.float64]] = {}
        self.wave = ""
        self._add_settings(device, f"[:SOURce<{number}>]", str(number))
        self._add_commands(device, f"[:SOURce<{number}>]")

    @property
    def on(self) -> bool:
        """Whether the output is on."""
        return bool(self.output.value)

    def reset(self) -> None:
        """After the settings went to their defaults: output off, volatile memory empty."""
        self.waves, self.wave = {}, ""
        self.switched()

    def switched(self) -> None:
        """The output relay was told something; a stuck one stays closed."""
        if self.stuck and not self.on:
            self.stuck = self._was_on  # what was open already cannot stick
            self.output.value = float(self.stuck)
        self._was_on = self.on
        self._rest()

    def trigger(self) -> None:
        """A bus trigger: one burst.

        Raises:
            ScpiError: nothing waits for it.
        """
        ready = self.burst.value and self.source.value == "BUS" and self.mode.value == "TRIG"
        if not ready:
            raise ScpiError(_TRIGGER_IGNORED)
        segments = list(self._cycle())
        try:
            for _ in range(int(self.cycles.value)):
                for level, seconds in segments:
                    self._drive(level)
                    if self._fixture is not None:
                        self._fixture.clock.sleep(seconds)
        finally:
            self._rest()

    def _cycle(self) -> Iterator[tuple[float, float]]:
        """One cycle as levels (V at the terminals) and how long they last (s)."""
        if self.function.value == "PULS":
            width, period = self.width.value, self.period.value
            if width >= period:
                raise ScpiError(-221)
            yield self._volts(1.0), width
            yield self._volts(-1.0), period - width
        elif self.function.value == "ARB" and self.wave:
            wave = self.waves[self.wave]
            starts = np.flatnonzero(np.r_[True, wave[1:] != wave[:-1]])
            lengths = np.diff(np.r_[starts, wave.size])
            for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
                yield self._volts(float(wave[start])), length / self.rate.value

    def _volts(self, value: float) -> float:
        """What -1 to 1 is on the chip: twice as much where a 50 ohm load is assumed."""
        low, high = float(self.low.value), float(self.high.value)
        level = (high + low) / 2 + (high - low) / 2 * value
        return level if self.load.value == _OPEN else 2 * level

    def _rest(self) -> None:
        """Between bursts: the first point of a waveform, the low level of a pulse."""
        level = 0.0
        if self.burst.value and self.function.value == "PULS":
            level = self._volts(-1.0)
        elif self.burst.value and self.function.value == "ARB" and self.wave:
            level = self._volts(float(self.waves[self.wave][0]))
        try:
            self._drive(level)
        except StoppedError:
            self._device.error(-310)

    def _drive(self, level: float) -> None:
        if self._fixture is not None:
            self._fixture.drive(level if self.on else 0.0, math.inf)

    def _add_settings(self, device: ScpiDevice, source: str, n: str) -> None:
        keep, rest = device.setting, self._rest
        functions = Choice(("SINusoid", "SQUare", "PULSe", "ARB", "DC"))
        self.function = keep(f"{source}:FUNCtion[:SHAPe]", Setting(functions, "SIN", rest))
        self.rate = keep(f"{source}:FUNCtion:ARBitrary:SRATe", Setting(_number(1e-6, 1e9), 4e4))
        filters = Choice(("NORMal", "STEP", "OFF"))
        keep(f"{source}:FUNCtion:ARBitrary:FILTer", Setting(filters, "STEP"))
        self.width = keep(f"{source}:FUNCtion:PULSe:WIDTh", Setting(_number(16e-9, 1e6), 1e-4))
        self.period = keep(f"{source}:FUNCtion:PULSe:PERiod", Setting(_number(3.3e-8, 1e6), 1e-3))
        self.load = keep(f":OUTPut<{n}>:LOAD", Setting(Load(1, 10e3, printed=_printed), 50.0))
        self.output = keep(f":OUTPut<{n}>[:STATe]", Setting(Flag(), 0.0, self.switched))
        self.burst = keep(f"{source}:BURSt:STATe", Setting(Flag(), 0.0, rest))
        self.mode = keep(f"{source}:BURSt:MODE", Setting(Choice(("TRIGgered", "GATed")), "TRIG"))
        cycles = _number(1, 1e8)
        self.cycles = keep(f"{source}:BURSt:NCYCles", Setting(cycles, 1.0))
        sources = Choice(("IMMediate", "EXTernal", "TIMer", "BUS"))
        self.source = keep(f":TRIGger<{n}>:SOURce", Setting(sources, "IMM"))
        self.high = Setting(_number(-10, 10), 0.05, rest)
        self.low = Setting(_number(-10, 10), -0.05, rest)
        self.highest = Setting(_number(-10, 10), 10.0)
        self.lowest = Setting(_number(-10, 10), -10.0)
        self.limited = Setting(Flag(), 0.0)
        keep(f"{source}:VOLTage:HIGH", self.high, partial(self._set_level, self.high))
        keep(f"{source}:VOLTage:LOW", self.low, partial(self._set_level, self.low))
        keep(f"{source}:VOLTage:LIMit:HIGH", self.highest)
        keep(f"{source}:VOLTage:LIMit:LOW", self.lowest)
        keep(f"{source}:VOLTage:LIMit:STATe", self.limited, self._set_limited)

    def _add_commands(self, device: ScpiDevice, source: str) -> None:
        device.command(f"{source}:DATA:ARBitrary", self._load_floats)
        device.command(f"{source}:DATA:ARBitrary:DAC", self._load_integers)
        device.command(f"{source}:DATA:VOLatile:CLEar", lambda _: self._clear())
        device.command(
            f"{source}:DATA:VOLatile:CATalog",
            get=lambda _: ",".join(f'"INT:\\{name}"' for name in self.waves) or '""',
        )
        device.command(f"{source}:FUNCtion:ARBitrary", self._select, lambda _: f'"{self.wave}"')

    def _set_level(self, setting: Setting, arguments: list[str]) -> None:
        before = setting.value
        setting.set(arguments)
        beyond = self.low.value >= self.high.value or (self.limited.value and self._beyond())
        if beyond:
            setting.value = before
            self._rest()
            raise ScpiError(-222)

    def _set_limited(self, arguments: list[str]) -> None:
        self.limited.set(arguments)
        if self.limited.value and self._beyond():
            self.limited.value = 0.0
            raise ScpiError(-221)

    def _beyond(self) -> bool:
        low, high = self.low.value, self.high.value
        return bool(high > self.highest.value or low < self.lowest.value)

    def _load_floats(self, arguments: list[str]) -> None:
        name, values = arguments[0] if arguments else "", arguments[1:]
        if len(values) == 1 and values[0].startswith("#"):
            data = _block(values[0])
            if len(data) % 4:
                raise ScpiError(-161)
            self._keep(name, [float(v) for v in struct.unpack(f">{len(data) // 4}f", data)])
        else:
            self._keep(name, _floats(values))

    def _load_integers(self, arguments: list[str]) -> None:
        name, values = arguments[0] if arguments else "", arguments[1:]
        if len(values) == 1 and values[0].startswith("#"):
            data = _block(values[0])
            if len(data) % 2:
                raise ScpiError(-161)
            whole = [float(v) for v in struct.unpack(f">{len(data) // 2}h", data)]
        else:
            whole = _floats(values)
        self._keep(name, [value / _FULL_SCALE for value in whole])

    def _keep(self, name: str, values: list[float]) -> None:
        if not name or not values:
            raise ScpiError(-109)
        if name.upper() in self.waves:
            raise ScpiError(_EXISTS)
        wave = np.array(values)
        if not 8 <= wave.size <= 1 << 20 or np.abs(wave).max() > 1:
            raise ScpiError(-222)
        self.waves[name.upper()] = wave

    def _select(self, arguments: list[str]) -> None:
        if len(arguments) != 1:
            raise ScpiError(-108 if arguments else -109)
        name = arguments[0].strip('"').upper()
        if name not in self.waves:
            raise ScpiError(_NO_SUCH_WAVE)
        self.wave = name
        self._rest()

    def _clear(self) -> None:
        self.waves, self.wave = {}, ""
        self._rest()


class EmulatedKeysight33600A(ScpiDevice):
    """The instrument.

    Args:
        fixture: what hangs on the wired channel.
        channel: the wired one.
        model: such as ``33622A``.
        serial: serial number.
    """

    queue_size = 20

    def __init__(
        self,
        fixture: Fixture,
        channel: int = 1,
        model: str = "33622A",
        serial: str = "MY59000001",
    ) -> None:
        super().__init__(f"Keysight Technologies,{model},{serial},A.02.03-3.15-03-64-02", "010,MEM")
        self._fixture = fixture
        numbers = (1, 2) if model[3:5] in ("12", "20", "22") else (1,)
        self.channels = {n: Generator(self, n, fixture if n == channel else None) for n in numbers}
        self._common["*PSC"] = lambda _: None
        self._common["*PSC?"] = lambda _: "1"
        self.command(":ABORt", lambda _: None)

    @property
    def on(self) -> bool:
        """Whether an output is on."""
        return any(channel.on for channel in self.channels.values())

    def reset(self) -> None:
        """Outputs off, settings to their defaults, waveforms gone."""
        super().reset()
        for channel in self.channels.values():
            channel.reset()

    def power_cycle(self) -> None:
        """A stuck relay comes loose, and all is as at power-on."""
        for channel in self.channels.values():
            channel.stuck = False
        super().power_cycle()

    def trigger(self) -> None:
        """``*TRG`` starts every channel that waits for it."""
        waiting = [c for c in self.channels.values() if c.burst.value and c.source.value == "BUS"]
        if not waiting:
            raise ScpiError(_TRIGGER_IGNORED)
        for channel in waiting:
            try:
                channel.trigger()
            except StoppedError:
                self.error(-310)

    def strike(self, strike: Strike) -> None:
        """Faults of a source; power and hardware fail after some pulses more."""
        match strike.fault:
            case Fault.POWER_MIDWAY:
                self._fixture.after(strike.pulses, _lose_power)
            case Fault.HARDWARE:
                self._fixture.after(strike.pulses, _stop)
            case Fault.STUCK_OUTPUT:
                for channel in self.channels.values():
                    channel.stuck = True
            case _:
                super().strike(strike)

    def describe(self) -> str:
        """State in words."""
        states = [f"output {n} {'on' if c.on else 'off'}" for n, c in self.channels.items()]
        return ", ".join(states)


def _floats(values: list[str]) -> list[float]:
    try:
        return [float(value) for value in values]
    except ValueError:
        raise ScpiError(-104) from None


def _block(text: str) -> bytes:
    data = text.encode("latin-1")
    digits = int(data[1:2]) if data[1:2].isdigit() else 0
    if not digits or not data[2 : 2 + digits].isdigit():
        raise ScpiError(-161)
    body = data[2 + digits :]
    if len(body) != int(data[2 : 2 + digits]):
        raise ScpiError(-161)
    return body


def _lose_power() -> None:
    raise PowerLostError


def _stop() -> None:
    raise StoppedError
