"""Emulated Keysight B2902A: two channels, of which one may be wired to a chip.

Commands, ranges and replies: B2900 SCPI command reference B2910-90030, chapter 4. Pulses in a sweep
are measured without the meter's noise, so that a twin draws the same; spot measurements draw it.
Not modelled: sweeps of both channels at once, arm and lan triggers, current and resistance sources
and meters, elements other than the current in ``TRAC:DATA?``, transient and acquire layers of
their own, limit tests, high-impedance off state. Not
verified on an instrument: that ``PROT:TRIP?`` remembers the last sweep (the driver asks the largest
current too), the error of a pulse longer than its period (-221), of an empty trace (-230).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.fixture import Fixture

from .b2900_channel import LINE_HZ, Channel, StoppedError
from .scpi_device import Reply, ScpiDevice
from .scpi_parameters import Choice, Number, ScpiError, Setting, nr3
from .scpi_text import channels_in

_ELEMENTS = ("VOLTage", "CURRent", "RESistance", "TIME", "STATus", "SOURce")


class EmulatedKeysightB2900(ScpiDevice):
    """The instrument.

    Args:
        fixture: what hangs on the wired channel.
        channel: the wired one.
        model: such as ``B2902A``.
        serial: serial number.
    """

    def __init__(
        self,
        fixture: Fixture,
        channel: int = 1,
        model: str = "B2902A",
        serial: str = "MY51140001",
    ) -> None:
        super().__init__(f"Agilent Technologies,{model},{serial},3.4.2011.5100")
        self._fixture = fixture
        numbers = (1, 2) if model[4:5] == "2" else (1,)
        self.channels = {
            n: Channel(self, n, fixture.clock, fixture if n == channel else None) for n in numbers
        }
        self._format, self._swapped = "ASC", False
        self.command(":FORMat[:DATA]", self._set_format, lambda _: self._format)
        orders = Choice(("NORMal", "SWAPped"))
        self._order = self.setting(":FORMat:BORDer", Setting(orders, "NORM"))
        self._elements = "VOLT,CURR,RES,TIME,STAT,SOUR"
        self.command(":FORMat:ELEMents:SENSe", self._set_elements, lambda _: self._elements)
        self.command(":SYSTem:INTerlock:TRIPped", get=lambda _: "0")
        self.setting(":SYSTem:LFRequency", Setting(Number(50, 60, whole=True), LINE_HZ))
        self._add_sweeps()

    def reset(self) -> None:
        """Outputs off, settings to their defaults."""
        super().reset()
        self._format, self._elements = "ASC", "VOLT,CURR,RES,TIME,STAT,SOUR"
        for channel in self.channels.values():
            channel.reset()

    def power_cycle(self) -> None:
        """A stuck relay comes loose, and all is as at power-on."""
        for channel in self.channels.values():
            channel.stuck = False
        super().power_cycle()

    def strike(self, strike: Strike) -> None:
        """Faults of a source; power and hardware fail after some pulses more."""
        match strike.fault:
            case Fault.POWER_MIDWAY:
                self._fixture.after(strike.pulses, _lose_power)
            case Fault.HARDWARE:
                self._fixture.after(strike.pulses, _stop)
            case Fault.COMPLIANCE:
                self._fixture.trip()
            case Fault.STUCK_OUTPUT:
                for channel in self.channels.values():
                    channel.stuck = True
            case _:
                super().strike(strike)

    def describe(self) -> str:
        """State in words."""
        states = [f"output {n} {'on' if c.on else 'off'}" for n, c in self.channels.items()]
        return ", ".join(states)

    def _add_sweeps(self) -> None:
        self.command(":INITiate[:IMMediate][:ALL]", self._initiate)
        self.command(":ABORt[:ALL]", lambda a: self._each(a, Channel.abort))
        self.command(":FETCh:ARRay:CURRent", get=lambda a: self._fetched(self._readings(a)))
        self.command(":FETCh[:SCALar]:CURRent", get=lambda a: self._fetched(self._readings(a)[-1:]))
        self.command(":READ:ARRay:CURRent", get=self._read)
        self.command(":MEASure:CURRent[:DC]", get=self._spot)
        for n, channel in self.channels.items():
            self.command(f":TRACe<{n}>:DATA", get=partial(self._traced, channel))

    def _traced(self, channel: Channel, arguments: list[str]) -> Reply:  # noqa: ARG002
        return self._fetched(channel.trace)

    def _each(self, arguments: list[str], verb: Callable[[Channel], None]) -> None:
        for channel in self._listed(arguments):
            verb(channel)

    def _listed(self, arguments: list[str]) -> list[Channel]:
        """The channels of a list; all where there is none."""
        if not arguments:
            return list(self.channels.values())
        try:
            numbers = [int(n) for n in channels_in(arguments[0])]
        except ValueError:
            raise ScpiError(-104) from None
        if not set(numbers) <= set(self.channels):
            raise ScpiError(-222)
        return [self.channels[n] for n in numbers]

    def _initiate(self, arguments: list[str]) -> None:
        for channel in self._listed(arguments):
            try:
                channel.sweep()
            except StoppedError:
                self.error(-310)
                return

    def _readings(self, arguments: list[str]) -> list[float]:
        return [value for channel in self._listed(arguments) for value in channel.readings]

    def _read(self, arguments: list[str]) -> Reply:
        self._initiate(arguments)
        return self._fetched(self._readings(arguments))

    def _spot(self, arguments: list[str]) -> Reply:
        """One measurement with a trigger of its own, whatever the trigger is set to."""
        found: list[float] = []
        for channel in self._listed(arguments):
            kept = [(s, s.value) for s in (channel.source, channel.count, channel.mode)]
            channel.source.value, channel.count.value, channel.mode.value = "AINT", 1, "FIX"
            try:
                with suppress(StoppedError):
                    channel.sweep()
            finally:
                for setting, value in kept:
                    setting.value = value
            found += channel.readings[-1:]
        return self._fetched(found)

    def _fetched(self, values: list[float]) -> Reply:
        if not values:
            raise ScpiError(-230)
        if self._format == "ASC":
            return ",".join(map(nr3, values))
        code = "d" if self._format == "REAL,64" else "f"
        order = "<" if self._order.value == "SWAP" else ">"
        data = struct.pack(f"{order}{len(values)}{code}", *values)
        length = str(len(data))
        return f"#{len(length)}{length}".encode() + data

    def _set_format(self, arguments: list[str]) -> None:
        if not arguments:
            raise ScpiError(-109)
        word = Choice(("ASCii", "REAL")).parse(arguments[0])
        length = arguments[1] if len(arguments) > 1 else "32"
        if word == "REAL" and length not in ("32", "64"):
            raise ScpiError(-224)
        self._format = word if word == "ASC" else f"REAL,{length}"

    def _set_elements(self, arguments: list[str]) -> None:
        if not arguments:
            raise ScpiError(-109)
        self._elements = ",".join(Choice(_ELEMENTS).parse(a) for a in arguments)


def _lose_power() -> None:
    raise PowerLostError


def _stop() -> None:
    raise StoppedError
