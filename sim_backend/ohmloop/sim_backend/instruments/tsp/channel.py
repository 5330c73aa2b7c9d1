"""One channel of an emulated 2600B: source, meter, reading buffers, sweep.

Settings, their ranges and what they do: 2600BS-901-01, section 7. A measurement in a sweep shows
the current without the noise that a cell's reads draw: so that pulses leave the reads to come, and
their noise, as they are. Not modelled: filters, contact check, limits in power, rise times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.fixture import Fixture

from .reading_buffer import FULL, STATUS_COMPLIANCE, STATUS_FOUR_WIRE, ReadingBuffer
from .terminals import End
from .tree import Attribute, Computed, Report, Tree
from .trigger_model import Sweep, TriggerModel
from .tsp_processor import NOT_A_READING, tree_of

_RANGES_I = (1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1.5)
_RANGES_V = (0.2, 2.0, 20.0, 200.0)
LINE_HZ = 50.0
_OVERFLOW = 1.02  # of a measuring range
_OVERRANGE = 1.01  # of a source range


class Channel:
    """``smua`` or ``smub``; with no ends its terminals are open.

    Args:
        clock: the bench's time.
        ends: what it is wired to.
        model: the instrument's trigger model.
        name: ``a`` or ``b``.
        report: takes errors.
    """

    def __init__(
        self,
        clock: VirtualClock,
        ends: Sequence[End],
        model: TriggerModel,
        name: str,
        report: Report,
    ) -> None:
        self._clock, self.ends, self._report = clock, list(ends), report
        for end in self.ends:
            end.owner = id(self)
        drive = self._drive
        # By name, because every pulse asks for these.
        self._function = Attribute(1, allowed=(0, 1), on_change=drive)
        self._levelv = Attribute(0.0, -200, 200, on_change=drive)
        self._limiti = Attribute(0.1, 1e-10, 1.5, on_change=drive)
        self._output = Attribute(0, allowed=(0, 1, 2), on_change=self._switched)
        self._sense = Attribute(0, allowed=(0, 1, 3), on_change=drive)
        self.stuck = self._was_on = False
        self._swept: float | None = None
        self._nplc = Attribute(1.0, 0.001, 25, on_change=model.touched)
        self._count = Attribute(1, 1, 60000)
        self._delay = Attribute(0.0, -1, on_change=model.touched)
        self._only = _only_fixture(self.ends)
        self._autorangei = Attribute(1, allowed=(0, 1))
        self._rangei = Attribute(0.1, 1e-10, 1.5, on_change=_fixes(self._autorangei))
        self.source, self.measure = self._source_tree(), self._measure_tree()
        self.sweep: Sweep = model.channel_sweep(name, self, report)
        self.tree = Tree(
            source=self.source,
            measure=self.measure,
            trigger=self.sweep.tree,
            sense=self._sense,
            nvbuffer1=ReadingBuffer(),
            nvbuffer2=ReadingBuffer(),
            reset=lambda *_: self.reset(),
            OUTPUT_DCAMPS=0, OUTPUT_DCVOLTS=1, OUTPUT_OFF=0, OUTPUT_ON=1, OUTPUT_HIGH_Z=2,
            OUTPUT_NORMAL=0, OUTPUT_ZERO=1, SENSE_LOCAL=0, SENSE_REMOTE=1,
            AUTOZERO_OFF=0, AUTOZERO_ONCE=1, AUTOZERO_AUTO=2, AUTORANGE_OFF=0, AUTORANGE_ON=1,
            DISABLE=0, ENABLE=1, SOURCE_IDLE=0, SOURCE_HOLD=1,
        )  # fmt: skip

    def _source_tree(self) -> Tree:
        automatic = Attribute(1, allowed=(0, 1))
        return Tree(
            func=self._function,
            levelv=self._levelv,
            leveli=Attribute(0.0, -1.5, 1.5, on_change=self._drive),
            rangev=Attribute(0.2, 0, 200, on_change=_fixes(automatic)),
            rangei=Attribute(1e-7, 0, 1.5),
            autorangev=automatic,
            autorangei=Attribute(1, allowed=(0, 1)),
            limitv=Attribute(20.0, 0.01, 200),
            limiti=self._limiti,
            output=self._output,
            offmode=Attribute(0, allowed=(0, 1, 2)),
            delay=Attribute(0.0, -1),
            settling=Attribute(0, allowed=(0, 1, 2, 3, 128)),
            highc=Attribute(0, allowed=(0, 1)),
            compliance=Computed(lambda: self.in_compliance),
        )

    def _measure_tree(self) -> Tree:
        return Tree(
            nplc=self._nplc,
            rangei=self._rangei,
            rangev=Attribute(200.0, 0, 200),
            autorangei=self._autorangei,
            autorangev=Attribute(1, allowed=(0, 1)),
            autozero=Attribute(2, allowed=(0, 1, 2)),
            count=self._count,
            delay=self._delay,
            interval=Attribute(0.0, 0, 1),
            i=lambda *a: self._measure(self._current, a),
            v=lambda *a: self._measure(self._voltage, a),
            iv=lambda *a: (
                self._measure(self._current, a[:1]),
                self._measure(self._voltage, a[1:]),
            ),
        )

    @property
    def on(self) -> bool:
        """Whether the output is on."""
        return self._output.value == 1

    @property
    def in_compliance(self) -> bool:
        """Whether the output is on and at its current limit."""
        return self.on and any(end.port.fixture.in_compliance for end in self.ends)

    @property
    def idle(self) -> bool:
        """Whether a voltage of 0 V is sourced when no sweep runs."""
        return self._swept is None and self._levelv.value == 0 and self._function.value == 1

    @property
    def full_scale(self) -> float:
        """Largest level of the source range, V: of the smallest range that holds what was asked."""
        asked = self.source.value("rangev")
        if self.source.value("autorangev"):
            return _RANGES_V[-1] * _OVERRANGE
        return next((r for r in _RANGES_V if r >= asked), _RANGES_V[-1]) * _OVERRANGE

    @property
    def integration(self) -> float:
        """Time of one measurement, its delay included, s; the automatic delay (-1) is none."""
        return max(0.0, self._delay.value) + self._nplc.value / LINE_HZ

    @property
    def plain_status(self) -> int:
        """Status of a reading that nothing is wrong with."""
        return STATUS_FOUR_WIRE if self._sense.value == 1 else 0

    def reset(self) -> None:
        """Power-on state; the output goes off first."""
        self._output.value = 0.0
        self._swept = None
        self._switched()
        self.tree.reset()
        self.sweep.reset()
        self._switched()

    def sweep_to(self, level: float | None) -> None:
        """Source a level of a sweep; None is the idle level."""
        self._swept = level
        self._drive()

    def keep_reading(self, quantity: str, buffer: ReadingBuffer) -> bool:
        """Measure for a sweep; False where the buffer is full."""
        status = self.plain_status | (STATUS_COMPLIANCE if self.in_compliance else 0)
        reading = self._level() if quantity == "v" else self._swept_current()
        return buffer.store(reading, status, self._clock.ns / 1e9, self._level())

    @property
    def ceiling(self) -> float:
        """Largest current that the measuring range holds, A."""
        return math.inf if self._autorangei.value else _OVERFLOW * self._range()

    def shown(self, current: float) -> float:
        """What the meter shows of a current, A: no reading, beyond a fixed range."""
        if self._autorangei.value or abs(current) <= self.ceiling:
            return current
        return NOT_A_READING

    def _swept_current(self) -> float:
        flowing = [end.sign * end.port.fixture.true_current() for end in self.ends]
        return self.shown(math.fsum(flowing) if self.on else 0.0)

    def _switched(self) -> None:
        """The output relay has been told something; a stuck one stays closed."""
        if self.stuck and self._was_on:
            self._output.value = 1.0
        self._was_on = self.on
        self._drive()

    def _level(self) -> float:
        if self._output.value != 1:
            return 0.0
        return self._levelv.value if self._swept is None else self._swept

    def _range(self) -> float:
        asked = self._rangei.value
        return next((r for r in _RANGES_I if r >= asked), _RANGES_I[-1])

    def _drive(self) -> None:
        level = self._level() if self._function.value == 1 else 0.0
        if self._only is not None:
            end = self.ends[0]
            end.level, end.limit = level, self._limiti.value
            self._only.drive(level, end.limit)
            return
        for end in self.ends:
            end.drive(level, self._limiti.value, self._sense.value == 1)

    def _voltage(self) -> tuple[float, bool]:
        return self._level(), self.in_compliance

    def _current(self) -> tuple[float, bool]:
        """What the meter shows, and whether the source is at its limit."""
        if not self.on:
            return 0.0, False
        if self._only is not None:
            if self._autorangei.value:
                return self._only.measured()
            current, limited = self._only.measured()
            return self.shown(current), limited
        current, limited = 0.0, False
        for end in self.ends:
            flowing, at_limit = end.port.fixture.measured()
            current += end.sign * flowing
            limited |= at_limit
        return self.shown(current), limited

    def _measure(
        self, quantity: Callable[[], tuple[float, bool]], arguments: tuple[Any, ...]
    ) -> float:
        """``count`` readings, into a buffer if a script hands one; returns the last."""
        buffer = tree_of(arguments[0]) if arguments else None
        if isinstance(buffer, ReadingBuffer):
            buffer.begin()
        elif arguments:
            raise TypeError("a reading buffer was expected")
        reading, clock, seconds = 0.0, self._clock, self._nplc.value / LINE_HZ
        if self._delay.value > 0:
            clock.sleep(self._delay.value)
        for _ in range(int(self._count.value)):
            reading, limited = quantity()
            clock.sleep(seconds)
            if isinstance(buffer, ReadingBuffer):
                status = STATUS_FOUR_WIRE if self._sense.value == 1 else 0
                if limited:
                    status |= STATUS_COMPLIANCE
                if not buffer.store(reading, status, clock.ns / 1e9, self._levelv.value):
                    self._report(FULL, "Reading buffer full")
        return reading


def _fixes(automatic: Attribute) -> Callable[[], None]:
    """A range that is set is fixed: its autorange goes off."""

    def fix() -> None:
        automatic.value = 0.0

    return fix


def _only_fixture(ends: Sequence[End]) -> Fixture | None:
    """The fixture of a channel that is alone across one chip, with ideal leads."""
    if len(ends) == 1 and ends[0].sign == 1 and ends[0].port.simple:
        return ends[0].port.fixture
    return None
