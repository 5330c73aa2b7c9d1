"""The SPGU of an emulated B1500A: two channels that play pulses while the instrument goes on.

Facts (B1500A Programming Guide, section 2, "SPGU Module", and section 4): settings take effect
with ``SPUPD``, which puts out the base voltage; ``SRP`` starts, ``SPST?`` is 1 until the count of
``SPRM 1`` is reached, ``SPP`` comes, the output switch opens, or ``SPRM`` changes. Output is
through 50 ohm; the voltage is made up for the load of ``SER``, 50 ohm at first, and comes in steps
of 1 mV.

Time is virtual: a train goes on as virtual time passes, which it does while the instrument pauses
(``PA``), a little whenever ``SPST?`` is asked, and while nobody speaks.
Not modelled: the drop over 50 ohm that a cell makes, edges, delays between channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.fixture import Fixture

_SOURCE = 50.0  # ohm


@dataclass(frozen=True)
class Levels:
    """What one channel puts out.

    Attributes:
        mode: of ``SPM``: 0 is DC, 1 pulse source 1.
        width: of pulse source 1, s.
        base: V.
        peak: V.
        load: of ``SER``, ohm.
    """

    mode: int = 1
    width: float = 100e-9
    delay: float = 0.0
    leading: float = 20e-9
    trailing: float = 20e-9
    base: float = 0.0
    peak: float = 0.0
    load: float = _SOURCE

    def open_end(self, volts: float) -> float:
        """What an open end sees where ``volts`` is asked for, in steps of 1 mV."""
        return round(volts * (1 + _SOURCE / self.load), 3)


class SpguChannel:
    """One channel.

    Args:
        number: slot and 01 or 02.
        fixture: what hangs on it, if anything does.
    """

    def __init__(self, number: int, fixture: Fixture | None = None) -> None:
        self.number, self._fixture = number, fixture
        self.stuck, self.on = False, False
        self.wanted = self.active = Levels()

    def reset(self) -> None:
        """Power-on state; a stuck relay stays on."""
        self.on = self.stuck and self.on
        self.wanted = self.active = Levels()
        self.put(0.0)

    def set(self, **values: float) -> None:
        """Settings, in force after ``update``."""
        self.wanted = replace(self.wanted, **values)  # type: ignore[arg-type]

    def update(self) -> None:
        """``SPUPD``."""
        self.active = self.wanted
        self.put(self.active.base)

    def put(self, volts: float) -> None:
        """Levels at the output."""
        if self._fixture is not None and self.on:
            self._fixture.drive(self.active.open_end(volts), math.inf)

    def switch(self, on: bool) -> None:
        """Output switch; it closes and opens at 0 V."""
        self.put(0.0)
        self.on = on or (self.stuck and self.on)


class Spgu:
    """The module.

    Args:
        slot: where it sits.
        clock: the bench's time.
        fixtures: what hangs on channels, by their number.
    """

    def __init__(self, slot: int, clock: VirtualClock, fixtures: dict[int, Fixture]) -> None:
        self._clock = clock
        numbers = (100 * slot + 1, 100 * slot + 2)
        self.channels = {n: SpguChannel(n, fixtures.get(n)) for n in numbers}
        self.reset()

    def reset(self) -> None:
        """Power-on state."""
        self.mode, self.condition, self.period = 0, 0.0, 1e-6
        self.left, self._owed = 0.0, 0.0
        for channel in self.channels.values():
            channel.reset()

    @property
    def active(self) -> bool:
        """Whether pulses are put out."""
        return self.left > 0

    def start(self) -> None:
        """``SRP``."""
        counts = {0: math.inf, 1: self.condition, 2: self.condition // self.period}
        self.left, self._owed = counts[self.mode], 0.0

    def stop(self) -> None:
        """``SPP``: no more pulses; the base stays."""
        self.left = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass, with the pulses that fall into it."""
        started = self._clock.ns
        self._owed += seconds
        while self.left > 0 and self._owed >= self.period * (1 - 1e-9):
            self._owed -= self.period
            self.left -= 1
            self._pulse()
        self._clock.sleep(seconds - (self._clock.ns - started) * 1e-9)

    def _pulse(self) -> None:
        """One period; channels rise together and fall by their widths."""
        pulsing = [c for c in self.channels.values() if c.on and c.active.mode]
        for channel in pulsing:
            channel.put(channel.active.peak)
        passed = 0.0
        for channel in sorted(pulsing, key=lambda c: c.active.width):
            self._clock.sleep(channel.active.width - passed)
            passed = channel.active.width
            channel.put(channel.active.base)
        self._clock.sleep(self.period - passed)
