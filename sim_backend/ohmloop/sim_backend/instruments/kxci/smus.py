"""The SMUs of an emulated 4200A-SCS in user mode, each with a resistor on it.

Commands: KXCI manual, section 4: ``DV`` sources a voltage, ``TI`` measures a current, ``IT`` sets
the integration. No SMU is wired to the chip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ohmloop.sim_backend.clock import VirtualClock

from .sequences import RefusedError

_SPEEDS = {1: 2e-3, 2: 20e-3, 3: 100e-3}  # short, medium, long, s
_RANGES = {0: 210.0, 1: 21.0, 2: 210.0}
_LARGEST = 0.105  # compliance, A


@dataclass
class Smu:
    """One SMU.

    Attributes:
        ohms: resistor on its terminals.
        volts: what it sources, or None while it is off.
        compliance: A.
    """

    ohms: float = 1e6
    volts: float | None = None
    compliance: float = _LARGEST


class Smus:
    """All SMUs.

    Args:
        count: how many.
        clock: the bench's time.
    """

    def __init__(self, count: int, clock: VirtualClock) -> None:
        self._clock, self._count = clock, count
        self.power_cycle()

    def power_cycle(self) -> None:
        """All off; no mode chosen."""
        self.units = {number: Smu() for number in range(1, self._count + 1)}
        self.user_mode, self._speed = False, 1

    @property
    def outputs_on(self) -> bool:
        """Whether any sources."""
        return any(smu.volts is not None for smu in self.units.values())

    def set_speed(self, speed: int) -> None:
        """``IT``."""
        if speed not in _SPEEDS:
            raise RefusedError("Invalid integration time")
        self._speed = speed

    def source(self, number: int, values: Sequence[float]) -> None:
        """``DV``: with a number alone, off."""
        smu = self._smu(number)
        if not values:
            smu.volts = None
            return
        if len(values) != 3 or values[0] not in _RANGES:
            raise RefusedError("Invalid DV arguments")
        code, volts, compliance = values
        if abs(volts) > _RANGES[int(code)] or not 0 < abs(compliance) <= _LARGEST:
            raise RefusedError("DV argument out of range")
        smu.volts, smu.compliance = volts, abs(compliance)

    def current(self, number: int) -> str:
        """``TI``: status of the reading, the SMU's letter, what it is, and the value.

        Of the letters L, V, X, C, T and N, in this order of urgency, C, T and N can happen here.
        """
        smu = self._smu(number)
        self._clock.sleep(_SPEEDS[self._speed])
        limited = {n for n, unit in self.units.items() if _wanted(unit) > unit.compliance}
        status = "C" if number in limited else "T" if limited else "N"
        size = min(_wanted(smu), smu.compliance)
        value = math.copysign(size, smu.volts or 0.0)
        return f"{status}{chr(ord('A') + number - 1)}I{value:+.4E}"

    def _smu(self, number: int) -> Smu:
        if not self.user_mode:
            raise RefusedError("Not in user mode")
        if number not in self.units:
            raise RefusedError("Invalid SMU channel")
        return self.units[number]


def _wanted(smu: Smu) -> float:
    return abs(smu.volts or 0.0) / smu.ohms
