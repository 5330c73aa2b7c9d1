"""One channel of an emulated B2900A: its settings, its sweeps, its trace buffer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.fixture import Fixture

from .scpi_device import ScpiDevice
from .scpi_parameters import Choice, Flag, Number, Quoted, ScpiError, Setting

LINE_HZ = 50.0
NOT_A_READING = 9.91e37
_RANGES_I = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1.5, 3.0)
_LONGEST_LIST, _LONGEST_TRACE = 2500, 100_000
_OVERFLOW = 1.05
_STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "MEAN": lambda values: float(np.mean(values)),
    "SDEV": lambda values: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
    "PKPK": lambda values: max(values) - min(values),
    "MIN": min,
    "MAX": max,
}


class StoppedError(Exception):
    """The hardware gave up in the middle of a sweep."""


class Channel:
    """Channel ``number``; without a fixture its terminals are open."""

    def __init__(
        self, device: ScpiDevice, number: int, clock: VirtualClock, fixture: Fixture | None
    ) -> None:
        self._clock, self._fixture, self._device = clock, fixture, device
        self.stuck = self._was_on = self.tripped = False
        self.list: list[float] = [0.0]
        self.readings: list[float] = []
        self.trace: list[float] = []
        self._add_settings(device, str(number))
        self._add_commands(device, str(number))

    @property
    def on(self) -> bool:
        """Whether the output is on."""
        return bool(self.output.value)

    def reset(self) -> None:
        """After the settings went to their defaults: output off, buffers empty."""
        self.list, self.readings, self.trace = [0.0], [], []
        self.tripped = False
        self.switched()

    def switched(self) -> None:
        """The output relay was told something; a stuck one stays closed."""
        if self.stuck and not self.on:
            self.stuck = self._was_on  # what was open already cannot stick
            self.output.value = float(self.stuck)
        self._was_on = self.on
        self._level_changed()

    def sweep(self) -> None:
        """Carry out the triggers of one ``INIT``.

        Raises:
            ScpiError: pulses longer than their period; nothing was started.
        """
        pulsed = self.shape.value == "PULS"
        timed = self.source.value == "TIM"
        width = self.width.value
        period = self.timer.value if timed else (2 * width if pulsed else 0.0)
        if pulsed and width >= period:
            raise ScpiError(-221)
        if not self.on and self.auto_on.value:
            self.output.value = 1.0
            self.switched()
        self.readings, self.tripped = [], False
        levels = self.list if self.mode.value == "LIST" else [self.level.value]
        try:
            for k in range(int(self.count.value)):
                if pulsed:
                    self._pulse(levels[k % len(levels)], width, period)
                else:
                    self._step(levels[k % len(levels)], period)
        finally:
            self._drive(self.level.value)

    def abort(self) -> None:
        """Sweeps are over when their message is."""

    def _pulse(self, level: float, width: float, period: float) -> None:
        self._drive(level)
        self._note_limit()
        current = self._fixture.settled_current if self._fixture and self.on else 0.0
        self._store(current)
        self._clock.sleep(width)
        self._drive(self.level.value)
        self._clock.sleep(period - width)

    def _step(self, level: float, period: float) -> None:
        self._drive(level)
        self._clock.sleep(self.delay.value)
        self._note_limit()
        current = self._fixture.current() if self._fixture and self.on else 0.0
        self._store(current)
        taken = self.nplc.value / LINE_HZ
        self._clock.sleep(taken)
        self._clock.sleep(period - taken - self.delay.value)

    def _note_limit(self) -> None:
        self.tripped |= self.on and bool(self._fixture and self._fixture.in_compliance)

    def _store(self, current: float) -> None:
        if not self.autorange.value:
            largest = next((r for r in _RANGES_I if r >= self.range.value), _RANGES_I[-1])
            current = current if abs(current) <= _OVERFLOW * largest else NOT_A_READING
        self.readings.append(current)
        if self.control.value == "NEXT" and len(self.trace) < self.points.value:
            self.trace.append(current)
            if len(self.trace) >= self.points.value:
                self.control.value = "NEV"

    def _drive(self, level: float) -> None:
        if self._fixture is not None:
            sourcing = self.on and self.function.value == "VOLT"
            self._fixture.drive(level if sourcing else 0.0, self.protection.value)

    def _level_changed(self) -> None:
        """Outside of a sweep, there is none to stop."""
        try:
            self._drive(self.level.value)
        except StoppedError:
            self._device.error(-310)

    def _add_settings(self, device: ScpiDevice, n: str) -> None:
        keep, source = device.setting, f"[:SOURce<{n}>]"
        sense, trigger, trace = f":SENSe<{n}>", f":TRIGger<{n}>", f":TRACe<{n}>"
        changed = self._level_changed
        volts = Number(-210, 210)
        amplitude = f"{source}:VOLTage[:LEVel][:IMMediate][:AMPLitude]"
        self.level = keep(amplitude, Setting(volts, 0.0, changed))
        self.mode = keep(
            f"{source}:VOLTage:MODE", Setting(Choice(("FIXed", "LIST", "SWEep")), "FIX")
        )
        keep(f"{source}:VOLTage:RANGe", Setting(Number(0, 200), 2.0))
        keep(f"{source}:VOLTage:RANGe:AUTO", Setting(Flag(), 1.0))
        words = Choice(("VOLTage", "CURRent"))
        self.function = keep(f"{source}:FUNCtion:MODE", Setting(words, "VOLT", changed))
        self.shape = keep(f"{source}:FUNCtion[:SHAPe]", Setting(Choice(("DC", "PULSe")), "DC"))
        self.width = keep(f"{source}:PULSe:WIDTh", Setting(Number(50e-6, 1e5), 50e-6))
        keep(f"{source}:PULSe:DELay", Setting(Number(0, 1e5), 0.0))
        functions = Quoted(("CURRent", "CURRent:DC", "VOLTage", "RESistance"))
        keep(f"{sense}:FUNCtion[:ON]", Setting(functions, "CURR"))
        self.protection = keep(
            f"{sense}:CURRent[:DC]:PROTection[:LEVel]", Setting(Number(1e-12, 3.0), 1e-4, changed)
        )
        self.range = keep(f"{sense}:CURRent[:DC]:RANGe[:UPPer]", Setting(Number(0, 3.0), 1e-4))
        self.autorange = keep(f"{sense}:CURRent[:DC]:RANGe:AUTO", Setting(Flag(), 1.0))
        self.nplc = keep(f"{sense}:CURRent[:DC]:NPLCycles", Setting(Number(4e-4, 100), 0.1))
        keep(f"{sense}:REMote", Setting(Flag(), 0.0))
        self.output = keep(f":OUTPut<{n}>[:STATe]", Setting(Flag(), 0.0, self.switched))
        self.auto_on = keep(f":OUTPut<{n}>:ON:AUTO", Setting(Flag(), 1.0))
        sources = Choice(("AINT", "BUS", "TIMer", "INT1", "EXT1"))
        self.source = keep(f"{trigger}[:ALL]:SOURce", Setting(sources, "AINT"))
        self.timer = keep(f"{trigger}[:ALL]:TIMer", Setting(Number(2e-5, 1e5), 1e-2))
        self.count = keep(f"{trigger}[:ALL]:COUNt", Setting(Number(1, 100_000, whole=True), 1))
        self.delay = keep(f"{trigger}:ACQuire:DELay", Setting(Number(0, 1e5), 0.0))
        keep(f"{trigger}:TRANsient:DELay", Setting(Number(0, 1e5), 0.0))
        self.points = keep(
            f"{trace}:POINts", Setting(Number(1, _LONGEST_TRACE, whole=True), _LONGEST_TRACE)
        )
        keep(f"{trace}:FEED", Setting(Choice(("SENSe", "MATH", "LIMit")), "SENS"))
        self.control = keep(f"{trace}:FEED:CONTrol", Setting(Choice(("NEXT", "NEVer")), "NEV"))
        statistics = Choice(("MEAN", "SDEViation", "PKPK", "MINimum", "MAXimum"))
        self.statistic = keep(f"{trace}:STATistic:FORMat", Setting(statistics, "MEAN"))

    def _add_commands(self, device: ScpiDevice, n: str) -> None:
        command, number = device.command, Number(-210, 210)
        values = f"[:SOURce<{n}>]:LIST:VOLTage"
        command(values, self._set_list, lambda _: ",".join(map(number.show, self.list)))
        command(f"{values}:APPend", lambda a: self._set_list(a, self.list))
        command(f"{values}:POINts", get=lambda _: str(len(self.list)))
        command(f":SENSe<{n}>:CURRent[:DC]:APERture", self._set_aperture, self._aperture)
        command(
            f":SENSe<{n}>:CURRent[:DC]:PROTection:TRIPped", get=lambda _: str(int(self.tripped))
        )
        command(f":TRACe<{n}>:CLEar", lambda _: self.trace.clear())
        command(f":TRACe<{n}>:POINts:ACTual", get=lambda _: str(len(self.trace)))
        command(f":TRACe<{n}>:STATistic:DATA", get=lambda _: self._statistic())

    def _set_list(self, arguments: list[str], before: list[float] | None = None) -> None:
        if not arguments:
            raise ScpiError(-109)
        values = [*(before or []), *(Number(-210, 210).parse(a) for a in arguments)]
        if len(values) > _LONGEST_LIST:
            raise ScpiError(-223)
        self.list = values

    def _set_aperture(self, arguments: list[str]) -> None:
        aperture = Setting(Number(8e-6, 2.0), 0.0)
        aperture.set(arguments)
        self.nplc.value = aperture.value * LINE_HZ

    def _aperture(self, arguments: list[str]) -> str:  # noqa: ARG002
        return Number().show(self.nplc.value / LINE_HZ)

    def _statistic(self) -> str:
        if not self.trace:
            raise ScpiError(-230)
        return Number().show(_STATISTICS[self.statistic.value](self.trace))
