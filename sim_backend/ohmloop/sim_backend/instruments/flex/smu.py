"""An SMU of an emulated B1500A: forces a voltage up to a current limit, measures, pulses.

Ranges and their codes, compliance, the 13 or 12 characters of a number, and the dummy value for
what is not a reading: B1500A Programming Guide, sections 1 and 4.
"""

from __future__ import annotations

import math

from ohmloop.drivers.flex.flex_commands import CURRENT_RANGES, VOLTAGE_RANGES
from ohmloop.sim_backend.instruments.fixture import Fixture

from .flex_device import FlexError, between

_OVER = 1.15  # a range measures a little beyond its full scale
DUMMY = 199.999e99
"""Stands for no reading."""


class Smu:
    """One channel.

    Args:
        slot: where it sits; also its channel number.
        fixture: what hangs on it, if anything does.
    """

    def __init__(self, slot: int, fixture: Fixture | None = None) -> None:
        self.slot, self._fixture = slot, fixture
        self.stuck = False
        self.tripping = False
        """The next pulse finds the source at its current limit; reads do not."""
        self.reset()

    def reset(self) -> None:
        """Power-on state; a stuck relay stays on."""
        self.on = self.stuck and getattr(self, "on", False)
        self.voltage, self.limit = 0.0, 100e-6
        self.range: int = 0
        self.before_zero: tuple[float, float] | None = None
        self.tripping = False
        self._drive()

    def switch(self, on: bool) -> None:
        """Output switch; it closes and opens at 0 V."""
        self.voltage = 0.0
        self._drive()
        self.on = on or (self.stuck and self.on)

    def force(self, code: int, volts: float, limit: float | None) -> None:
        """``DV``.

        Raises:
            FlexError: the output is off, or a value is beyond its range.
        """
        self.check(code, volts, limit)
        if not self.on:
            raise FlexError(200)
        self.voltage = volts
        self.limit = self.limit if limit is None else abs(limit)
        self._drive()

    def check(self, code: int, volts: float, limit: float | None) -> None:
        """Whether a voltage, its range and a compliance can be.

        Raises:
            FlexError: not.
        """
        scales = {c: full for full, c in VOLTAGE_RANGES} | {0: 40.0}
        if code not in scales:
            raise FlexError(124)
        between(abs(volts), 0, scales[code])
        if limit is not None and not 1e-12 <= abs(limit) <= 0.1:
            raise FlexError(123)

    def zero(self) -> None:
        """``DZ``."""
        self.before_zero = (self.voltage, self.limit)
        self.voltage = 0.0
        self._drive()

    def restore(self) -> None:
        """``RZ``.

        Raises:
            FlexError: nothing is remembered.
        """
        if self.before_zero is None:
            raise FlexError(205)
        self.voltage, self.limit = self.before_zero
        self.before_zero = None
        self._drive()

    def measure(self, code: int) -> tuple[str, float]:
        """``TI``: status letter and current, A.

        Raises:
            FlexError: the output is off, or there is no such range.
        """
        full = _full_scale(code)
        if not self.on:
            raise FlexError(200)
        clipped = self._fixture is not None and self._fixture.in_compliance
        current = 0.0 if self._fixture is None else self._fixture.current()
        if code < 0 and abs(current) > _OVER * full:
            return "V", DUMMY
        return "C" if clipped else "N", current

    def pulse(self, volts: float, limit: float, width: float, period: float) -> tuple[str, float]:
        """One pulse from 0 V, measured at its end."""
        self.voltage, self.limit = volts, limit
        if self._fixture is not None and self.tripping:
            self._fixture.trip()
            self.tripping = False
        self._drive()
        if self._fixture is not None:
            self._fixture.clock.sleep(width)
        status, current = self.measure(self.range)
        self.voltage = 0.0
        self._drive()
        if self._fixture is not None:
            self._fixture.clock.sleep(period - width)
        return status, current

    def _drive(self) -> None:
        if self._fixture is not None and getattr(self, "on", False):
            self._fixture.drive(self.voltage, self.limit)


def _full_scale(code: int) -> float:
    if code == 0:
        return math.inf
    for full, known in CURRENT_RANGES:
        if known == abs(code):
            return full
    raise FlexError(124)


def formatted(value: float, digits: int) -> str:
    """A number of 12 or 13 characters."""
    if abs(value) >= DUMMY:
        return f"{math.copysign(199.999, value):+.{digits - 9}f}E+99"
    return f"{value:+.{digits - 7}E}"
