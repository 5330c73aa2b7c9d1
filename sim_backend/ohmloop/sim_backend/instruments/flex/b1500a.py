"""Emulated Keysight B1500A: ten slots, SMUs and an SPGU in some.

Commands: B1500A Programming Guide, section 4; what this file does not know is error 100, as is
``*CLS`` on the instrument. Binary data formats are refused (error 120), which the instrument does
not do. Variables (``VAR``), settings and errors are forgotten when power fails. Not verified on an
instrument: error numbers other than 0 and 100, and replies to ``VAR?``, ``SPRM?`` and ``SPST?`` in
their details.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.fixture import Fixture

from .flex_device import FlexDevice, FlexError, between, whole
from .smu import DUMMY, Smu, formatted
from .spgu import Spgu, SpguChannel
from .spgu_commands import POLL, SpguCommands

_SLOTS = 10
_SMUS = ("B1510A", "B1511A", "B1511B", "B1517A")
_LINE = 1 / 50
_FORMATS = {1: 12, 2: 12, 5: 12, 11: 13, 12: 13, 15: 13}  # characters a number


class EmulatedB1500A(FlexDevice):
    """The instrument.

    Args:
        clock: the bench's time.
        modules: model by slot.
        fixtures: what hangs on channels, by channel number (an SMU's is its slot).
        model: such as ``B1500A``.
    """

    def __init__(
        self,
        clock: VirtualClock,
        modules: Mapping[int, str],
        fixtures: dict[int, Fixture],
        model: str = "B1500A",
    ) -> None:
        super().__init__()
        self.identity = f"Keysight Technologies,{model},MY50000001,A.06.02.2023.0401"
        self._clock, self._modules, self._fixtures = clock, modules, fixtures
        self.smus = {s: Smu(s, fixtures.get(s)) for s, m in modules.items() if m in _SMUS}
        slot = next((s for s, m in modules.items() if m == "B1525A"), 0)
        self.spgu = Spgu(slot, clock, fixtures) if slot else None
        self._halted = False
        self._power_on()
        self._learn_commands()

    def _power_on(self) -> None:
        self._format, self._samples = 1, 1.0
        self._variables: dict[tuple[int, int], float] = {}
        self._sweep: tuple[Smu, float, int, float] | None = None
        self._timing = (1e-3, 10e-3)
        self._mode: tuple[int, ...] = ()
        self._mask = 0

    def _learn_commands(self) -> None:
        own: dict[str, tuple[Any, int, int]] = {
            "*RST": (self.reset, 0, 0), "AB": (self._abort, 0, 0),
            "*LRN?": (self._learn, 1, 1), "UNT?": (self._units, 0, 1),
            "*SRE": (self._set_mask, 1, 1), "*SRE?": (lambda: str(self._mask), 0, 0),
            "CN": (self._connect, 0, 15), "CL": (self._disconnect, 0, 15),
            "DZ": (self._zero, 0, 15), "RZ": (self._restore, 0, 15),
            "DV": (self._force, 3, 6), "TI": (self._measure, 1, 2), "TV": (self._volts, 1, 2),
            "FMT": (self._set_format, 1, 2), "AV": (self._set_av, 1, 2),
            "AIT": (self._set_ait, 2, 3), "AAD": (self._checked_smu, 2, 2),
            "CMM": (self._checked_smu, 2, 2), "CM": (self._switch, 1, 1), "RI": (self._range, 2, 3),
            "PA": (self._pause, 0, 1), "MM": (self._set_mode, 1, 11), "WM": (self._switches, 1, 2),
            "PT": (self._set_timing, 2, 4), "PV": (self._set_pulse, 4, 5),
            "PWV": (self._set_sweep, 7, 9), "XE": (self._execute, 0, 0),
            "VAR": (self._set_variable, 3, 3), "VAR?": (self._variable, 2, 2),
        }  # fmt: skip
        self.handlers.update(own)
        if self.spgu is not None:
            self.handlers.update(SpguCommands(self.spgu, self._pulser).table())
            self.handlers["SPUPD"] = (self._update, 0, 10)

    @property
    def outputs(self) -> list[int]:
        """Channels whose output switch is on."""
        pulsers = self.spgu.channels if self.spgu else {}
        smus = [slot for slot, smu in self.smus.items() if smu.on]
        return smus + [number for number, channel in pulsers.items() if channel.on]

    def describe(self) -> str:
        """State in words."""
        return f"outputs on: {', '.join(map(str, self.outputs)) or 'none'}"

    def tick(self) -> None:
        """Nobody speaks, and time passes: a train goes on."""
        if self.spgu is not None and self.spgu.active:
            try:
                self.spgu.advance(POLL)
            except PowerLostError:
                self.power_cycle()

    def strike(self, strike: Strike) -> None:
        """Faults of a source; power and hardware fail after some pulses more."""
        pulsed = [f for n, f in self._fixtures.items() if n not in self.smus]
        fixtures = pulsed or list(self._fixtures.values())
        match strike.fault:
            case Fault.POWER_MIDWAY:
                for fixture in fixtures:
                    fixture.after(strike.pulses, _lose_power)
            case Fault.HARDWARE:
                for fixture in fixtures:
                    fixture.after(strike.pulses, self._fail)
            case Fault.ERROR:
                self.push(305)
            case Fault.COMPLIANCE if not pulsed:  # an SPGU knows none
                for smu in self.smus.values():
                    smu.tripping = True
            case Fault.STUCK_OUTPUT:
                for channel in self._channels():
                    channel.stuck = channel.on

    def power_cycle(self) -> None:
        """Off and on: a stuck relay comes loose, and all is as at power-on."""
        for channel in self._channels():
            channel.stuck = False
        self.forget()
        self.reset()

    def reset(self) -> None:
        """``*RST``: outputs off, settings as at power-on; errors stay."""
        self._power_on()
        self._halted = False
        for smu in self.smus.values():
            smu.reset()
        if self.spgu:
            self.spgu.reset()

    def _fail(self) -> None:
        self._halted = True
        self.push(305)
        if self.spgu:
            self.spgu.stop()

    def _abort(self) -> None:
        if self.spgu:
            self.spgu.stop()

    def _channels(self) -> Iterator[Smu | SpguChannel]:
        yield from self.smus.values()
        if self.spgu:
            yield from self.spgu.channels.values()

    def _named(self, numbers: tuple[float, ...]) -> list[Smu | SpguChannel]:
        known: dict[int, Smu | SpguChannel] = {**self.smus}
        known |= {100 * slot + 1: smu for slot, smu in self.smus.items()}
        known |= self.spgu.channels if self.spgu else {}
        if any(number not in known for number in numbers):
            raise FlexError(121)
        return [known[whole(number)] for number in numbers] or list(self._channels())

    def _smu(self, number: float) -> Smu:
        found = self._named((number,))[0]
        if not isinstance(found, Smu):
            raise FlexError(121)
        return found

    def _pulser(self, number: float) -> SpguChannel:
        found = self._named((number,))[0]
        if not isinstance(found, SpguChannel):
            raise FlexError(121)
        return found

    def _connect(self, *numbers: float) -> None:
        for channel in self._named(numbers):
            channel.switch(True)

    def _disconnect(self, *numbers: float) -> None:
        for channel in self._named(numbers):
            channel.switch(False)
        if self.spgu and not any(c.on for c in self.spgu.channels.values()):
            self.spgu.stop()

    def _zero(self, *numbers: float) -> None:
        for channel in self._named(numbers):
            if isinstance(channel, Smu):
                channel.zero()
            else:
                channel.put(0.0)

    def _restore(self, *numbers: float) -> None:
        for channel in self._named(numbers):
            if isinstance(channel, Smu) and (numbers or channel.before_zero):
                channel.restore()

    def _force(
        self, number: float, code: float, volts: float, limit: float | None = None, *_: float
    ) -> None:
        self._smu(number).force(whole(code), volts, limit)

    def _measure(self, number: float, code: float = 0) -> None:
        smu = self._smu(number)
        self._clock.sleep(self._samples / 128 * _LINE)
        self._answer(smu, "I", *smu.measure(whole(code)))

    def _volts(self, number: float, code: float = 0) -> None:  # noqa: ARG002
        smu = self._smu(number)
        self._answer(smu, "V", "N", smu.voltage if smu.on else 0.0)

    def _answer(self, smu: Smu, kind: str, status: str, value: float) -> None:
        header = f"{status}{chr(ord('A') + smu.slot - 1)}{kind}"
        text = formatted(value, _FORMATS[self._format])
        self.put(text if self._format in (2, 12) else header + text)

    def _set_format(self, code: float, mode: float = 0) -> None:
        if code not in _FORMATS:
            raise FlexError(120)
        between(whole(mode), 0, 10)
        self._format = whole(code)

    def _set_av(self, count: float, mode: float = 0) -> None:
        between(whole(mode), 0, 1)
        self._samples = between(whole(count), -100, 1023) * (-128 if count < 0 else 1)

    def _set_ait(self, kind: float, mode: float, count: float = 1) -> None:
        between(whole(kind), 0, 2)
        most = {0: 1023, 1: 1023, 2: 100}.get(whole(mode), 0)
        between(whole(count), 1, most)
        self._samples = count * (128 if mode == 2 else 1)

    def _checked_smu(self, number: float, value: float) -> None:
        self._smu(number)
        between(whole(value), 0, 3)

    def _switch(self, value: float) -> None:
        between(whole(value), 0, 1)

    def _switches(self, *values: float) -> None:
        for value in values:
            between(whole(value), 1, 2)

    def _range(self, number: float, code: float, mode: float = 1) -> None:
        self._smu(number).range = whole(code)
        between(whole(mode), 1, 3)

    def _pause(self, seconds: float = 0.0) -> None:
        between(seconds, 0, 99.9999)
        if self.spgu:
            self.spgu.advance(seconds)
        else:
            self._clock.sleep(seconds)

    def _set_mode(self, mode: float, *numbers: float) -> None:
        if mode not in (1, 3, 4):
            raise FlexError(120)
        for number in numbers:
            self._smu(number)
        self._mode = (whole(mode), *map(whole, numbers))

    def _set_timing(
        self, hold: float, width: float, period: float = 0.0, delay: float = 0.0
    ) -> None:
        between(hold, 0, 655.35)
        between(width, 0.5e-3, 2)
        least = width + (2e-3 if width <= 0.1 else 10e-3)
        if not period:
            period = max(5e-3, least)
        between(period, max(5e-3, least - 1e-9), 5)
        between(delay, 0, width)
        self._timing = (width, period)

    def _set_pulse(
        self, number: float, code: float, base: float, peak: float, limit: float = 100e-6
    ) -> None:
        self._set_sweep(number, 1, code, base, peak, peak, 1, limit)

    def _set_sweep(
        self,
        number: float,
        mode: float,
        code: float,
        base: float,
        start: float,
        stop: float,
        steps: float,
        limit: float = 100e-6,
        *_: float,
    ) -> None:
        """``PWV``; base 0 and start = stop are what is emulated."""
        smu = self._smu(number)
        smu.check(whole(code), start, limit)
        between(mode, 1, 1)
        between(base, 0, 0)
        between(stop, start, start)
        self._sweep = (smu, start, whole(between(steps, 1, 1001)), abs(limit))

    def _execute(self) -> None:
        if self._sweep is None or not self._mode or self._mode[0] == 1:
            raise FlexError(120)
        smu, volts, steps, limit = self._sweep
        if not smu.on:
            raise FlexError(200)
        self._halted = False
        for _ in range(steps if self._mode[0] == 4 else 1):
            if self._halted:
                self._answer(smu, "I", "V", DUMMY)
            else:
                self._answer(smu, "I", *smu.pulse(volts, limit, *self._timing))

    def _set_variable(self, kind: float, which: float, value: float) -> None:
        between(whole(kind), 0, 1)
        between(whole(which), 1, 99)
        self._variables[whole(kind), whole(which)] = value if kind else whole(value)

    def _variable(self, kind: float, which: float) -> str:
        value = self._variables.get((whole(kind), whole(which)), 0)
        return f"{value:.6E}" if kind else str(int(value))

    def _set_mask(self, value: float) -> None:
        self._mask = whole(between(value, 0, 255))

    def _learn(self, kind: float) -> str:
        if kind != 0:
            raise FlexError(120)
        on = self.outputs
        return f"CN{','.join(map(str, on))}" if on else "CL"

    def _units(self, mode: float = 0) -> str:
        between(whole(mode), 0, 1)
        return ";".join(f"{self._modules.get(slot, '0')},0" for slot in range(1, _SLOTS + 1))

    def _update(self, *numbers: float) -> None:
        for channel in self._named(numbers):
            if isinstance(channel, SpguChannel):
                channel.update()


def _lose_power() -> None:
    raise PowerLostError
