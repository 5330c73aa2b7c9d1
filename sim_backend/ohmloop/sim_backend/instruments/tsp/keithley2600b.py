"""Emulated Keithley 2636B: two channels, of which one may be wired to a chip.

Settings, their ranges and what they do: 2600BS-901-01, section 7; facts and timings as far as a
driver can notice them. Not modelled: the trigger model, filters, contact check, limits in power.
"""

from __future__ import annotations

from typing import Any

from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.fixture import Fixture

from .tree import Attribute, Computed, Tree
from .tsp_device import TspDevice
from .tsp_processor import NOT_A_READING, TspProcessor

_RANGES_I = (1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1.5)
_RANGES_V = (0.2, 2.0, 20.0, 200.0)
_LINE_HZ = 50.0
_OVERFLOW = 1.02  # of range


class Channel:
    """``smua`` or ``smub``; without a fixture its terminals are open."""

    def __init__(self, clock: VirtualClock, fixture: Fixture | None) -> None:
        self._clock, self._fixture = clock, fixture
        drive = self._drive
        # By name, because every pulse asks for these.
        self._function = Attribute(1, allowed=(0, 1), on_change=drive)
        self._levelv = Attribute(0.0, -200, 200, on_change=drive)
        self._limiti = Attribute(0.1, 1e-10, 1.5, on_change=drive)
        self._output = Attribute(0, allowed=(0, 1, 2), on_change=self._switched)
        self.stuck = self._was_on = False
        self.source = Tree(
            func=self._function,
            levelv=self._levelv,
            leveli=Attribute(0.0, -1.5, 1.5, on_change=drive),
            rangev=Attribute(0.2, 0, 200),
            rangei=Attribute(1e-7, 0, 1.5),
            autorangev=Attribute(1, allowed=(0, 1)),
            autorangei=Attribute(1, allowed=(0, 1)),
            limitv=Attribute(20.0, 0.01, 200),
            limiti=self._limiti,
            output=self._output,
            offmode=Attribute(0, allowed=(0, 1, 2)),
            delay=Attribute(0.0, -1),
            settling=Attribute(0, allowed=(0, 1, 2, 3, 128)),
            highc=Attribute(0, allowed=(0, 1)),
            compliance=Computed(lambda: self.on and bool(fixture and fixture.in_compliance)),
        )
        self._nplc, self._count = Attribute(1.0, 0.001, 25), Attribute(1, 1, 60000)
        self._autorangei = Attribute(1, allowed=(0, 1))
        self.measure = Tree(
            nplc=self._nplc,
            rangei=Attribute(0.1, 1e-10, 1.5),
            rangev=Attribute(200.0, 0, 200),
            autorangei=self._autorangei,
            autorangev=Attribute(1, allowed=(0, 1)),
            autozero=Attribute(2, allowed=(0, 1, 2)),
            count=self._count,
            delay=Attribute(0.0, -1),
            interval=Attribute(0.0, 0, 1),
            i=lambda *a: self._measure(self._current, a),
            v=lambda *a: self._measure(self._level, a),
            iv=lambda *_: (self._measure(self._current, ()), self._level()),
        )
        self.tree = Tree(
            source=self.source,
            measure=self.measure,
            sense=Attribute(0, allowed=(0, 1, 3)),
            nvbuffer1=buffer_tree(),
            nvbuffer2=buffer_tree(),
            reset=lambda *_: self.reset(),
            OUTPUT_DCAMPS=0, OUTPUT_DCVOLTS=1, OUTPUT_OFF=0, OUTPUT_ON=1, OUTPUT_HIGH_Z=2,
            OUTPUT_NORMAL=0, OUTPUT_ZERO=1, SENSE_LOCAL=0, SENSE_REMOTE=1,
            AUTOZERO_OFF=0, AUTOZERO_ONCE=1, AUTOZERO_AUTO=2, DISABLE=0, ENABLE=1,
        )  # fmt: skip

    @property
    def on(self) -> bool:
        """Whether the output is on."""
        return self._output.value == 1

    def reset(self) -> None:
        """Power-on state; the output goes off first."""
        self._output.value = 0.0
        self._switched()
        self.tree.reset()
        self._switched()

    def _switched(self) -> None:
        """The output relay has been told something; a stuck one stays closed."""
        if self.stuck and self._was_on:
            self._output.value = 1.0
        self._was_on = self.on
        self._drive()

    def _level(self) -> float:
        return self._levelv.value if self._output.value == 1 else 0.0

    def _range(self) -> float:
        """Source range: the smallest that holds what was asked for."""
        asked = self.source.value("rangev")
        return next((r for r in _RANGES_V if r >= asked), _RANGES_V[-1])

    def _drive(self) -> None:
        if self._fixture is None:
            return
        level = self._level() if self._function.value == 1 else 0.0
        self._fixture.drive(level, self._limiti.value)

    def _current(self) -> float:
        current = self._fixture.current() if self._fixture and self.on else 0.0
        if self._autorangei.value:
            return current
        asked = self.measure.value("rangei")
        largest = next((r for r in _RANGES_I if r >= asked), _RANGES_I[-1])
        return current if abs(current) <= _OVERFLOW * largest else NOT_A_READING

    def _measure(self, quantity: Any, arguments: tuple[Any, ...]) -> float:
        """``count`` readings, into a buffer if a script hands one; returns the last."""
        reading = 0.0
        for _ in range(int(self._count.value)):
            reading = quantity()
            self._clock.sleep(self._nplc.value / _LINE_HZ)
            if arguments:
                append(arguments[0], reading)
        return reading


def buffer_tree() -> Tree:
    """A reading buffer: ``n``, ``readings``, ``appendmode``, ``clear()``."""
    readings: list[float] = []
    return Tree(
        readings=readings,
        n=Computed(lambda: len(readings)),
        appendmode=Attribute(0, allowed=(0, 1)),
        collecttimestamps=Attribute(0, allowed=(0, 1)),
        collectsourcevalues=Attribute(0, allowed=(0, 1)),
        clear=lambda *_: readings.clear(),
    )


def append(proxy: Any, reading: float) -> None:
    """Store a reading in the buffer that a script named; without append mode it starts anew."""
    from .tsp_processor import tree_of

    buffer = tree_of(proxy)
    if buffer is None:
        raise TypeError("a reading buffer was expected")
    if not buffer.value("appendmode"):
        buffer["readings"].clear()
    buffer["readings"].append(reading)


class EmulatedKeithley2600B(TspDevice):
    """The instrument: two channels and a command processor.

    Args:
        fixture: what hangs on the wired channel.
        channel: ``a`` or ``b``, the wired one.
        model: such as ``2636B``.
        serial: serial number.
    """

    def __init__(
        self, fixture: Fixture, channel: str = "a", model: str = "2636B", serial: str = "4010001"
    ) -> None:
        clock, self._fixture = fixture.clock, fixture
        self.channels = {
            name: Channel(clock, fixture if name == channel else None) for name in ("a", "b")
        }
        self._serial, self._model = serial, model
        tree = Tree(
            smua=self.channels["a"].tree,
            smub=self.channels["b"].tree,
            localnode=self.node_tree(),
        )
        identity = f"Keithley Instruments Inc., Model {model}, {serial}, 3.2.2"
        self.processor = TspProcessor(identity, tree, clock, self.reset)

    def node_tree(self) -> Tree:
        """``localnode``."""
        return Tree(
            model=self._model,
            serialno=self._serial,
            revision="3.2.2",
            linefreq=Attribute(_LINE_HZ, allowed=(50.0, 60.0)),
            prompts=Attribute(0, allowed=(0, 1)),
            showerrors=Attribute(0, allowed=(0, 1)),
        )

    def reset(self) -> None:
        """Both channels back to power-on state."""
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
                self._fixture.after(strike.pulses, self.error)
            case Fault.COMPLIANCE:
                self._fixture.trip()
            case Fault.STUCK_OUTPUT:
                for channel in self.channels.values():
                    channel.stuck = True
            case _:
                super().strike(strike)

    def describe(self) -> str:
        """State in words, for who watches the emulator."""
        states = [
            f"smu{name} output {'on' if c.on else 'off'}" for name, c in self.channels.items()
        ]
        return ", ".join(states)


def _lose_power() -> None:
    raise PowerLostError
