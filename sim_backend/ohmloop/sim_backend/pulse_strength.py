"""How a pulse of any amplitude and width acts, relative to the pulse a cell was modelled at.

Switching grows with the hyperbolic sine of the voltage and in proportion to the width (the
field-driven drift law, Strukov and Williams, Appl. Phys. A 94, 515, 2009), and below a threshold
there is none: reads and half-selected cells are left alone. At the modelled pulse it is exactly 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import PulseConditions, PulseShape

from .effects import Effect, Forming, Switching

_REMEMBERED = 1000  # pulses of a bench are few; those at the current limit are many
_THRESHOLD = 0.6  # of the modelled amplitude
_STRONGEST = 5.0  # of the modelled amplitude; beyond it any cell is at its bound
_STEEPNESS = 10.0  # modelled amplitude over the drift law's characteristic voltage
_MOST = 1e30  # strength that single precision still holds


@dataclass(frozen=True, eq=False, slots=True)
class Stress:
    """A pulse as cells take it that differ in this, or that may have to be formed.

    Attributes:
        up: its direction.
        voltage: its size, V.
        strengths: of each cell, flat, or of all, ``(1,)``.
        forms: whether it may form or break a cell.
    """

    up: bool
    voltage: float
    strengths: NDArray[np.float32]
    forms: bool

    def __bool__(self) -> bool:
        """Whether it does anything to any cell."""
        return self.forms or bool(self.strengths.any())

    def of(self, cell: int) -> float:
        """Its strength for one cell."""
        return float(self.strengths[cell if self.strengths.size > 1 else 0])


Strength = float | Stress
"""Of a pulse: a number, or where cells differ, a stress. What is not true does nothing."""


@dataclass(frozen=True, slots=True)
class PulseStrength:
    """Pulses compared with ``nominal``, at which the response functions were modelled.

    Attributes:
        nominal: the pulses of strength 1.
        threshold: share of their amplitude below which nothing happens.
        switching: constants of the law where they are others.
        forming: what it takes to form pristine cells.
    """

    nominal: PulseConditions
    threshold: float = _THRESHOLD
    switching: Switching | None = None
    forming: Forming | None = None
    _known: dict[tuple[float, float], tuple[bool, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def of_chip(cls, nominal: PulseConditions, effects: Sequence[Effect]) -> PulseStrength:
        """As the cells of a population take pulses.

        Args:
            nominal: the bench's own pulses.
            effects: of the population.
        """
        found = {type(effect): effect for effect in effects}
        switching, forming = found.get(Switching), found.get(Forming)
        assert switching is None or isinstance(switching, Switching)
        assert forming is None or isinstance(forming, Forming)
        return cls(nominal, switching=switching, forming=forming)

    def of(self, amplitude: float, width: float) -> tuple[bool, Any]:
        """Direction (True = up) and strength of one pulse; strength 0 does nothing.

        Args:
            amplitude: V, signed.
            width: s.
        """
        known = self._known.get((amplitude, width))
        if known is None:
            known = self._compute(amplitude, width)
            if len(self._known) < _REMEMBERED:
                self._known[amplitude, width] = known
        return known

    def of_conditions(self, conditions: PulseConditions | None) -> tuple[Any, Any]:
        """Strengths of the up and the down pulse of a program that brings its own conditions.

        A pulse whose polarity is reversed does the opposite; that is refused with strength 0 here
        and left to hardware to show.
        """
        plain = self.switching is None and self.forming is None
        if plain and (conditions is None or conditions == self.nominal):
            return 1.0, 1.0
        given = conditions or self.nominal
        is_up, up = self.of(given.up.amplitude, given.up.width)
        was_up, down = self.of(given.down.amplitude, given.down.width)
        return (up if is_up else 0.0), (0.0 if was_up else down)

    def _compute(self, amplitude: float, width: float) -> tuple[bool, Any]:
        is_up = (amplitude > 0) == (self.nominal.up.amplitude > 0)
        pulse = self.nominal.up if is_up else self.nominal.down
        if self.switching is None:
            strength = self._of_pulse(pulse, amplitude, width)
            strengths = np.array([strength], np.float32)
        else:
            strengths = _by_cell(self.switching, is_up, pulse, abs(amplitude), width)
            strength = float(strengths[0])
        if self.forming is None and strengths.size == 1:
            return is_up, strength
        return is_up, Stress(is_up, abs(amplitude), strengths, self._forms(is_up, abs(amplitude)))

    def _of_pulse(self, pulse: PulseShape, amplitude: float, width: float) -> float:
        ratio = amplitude / pulse.amplitude
        if ratio < self.threshold or width <= 0:
            return 0.0
        gain = math.sinh(_STEEPNESS * min(ratio, _STRONGEST)) / math.sinh(_STEEPNESS)
        return gain * (width / pulse.width)

    def _forms(self, is_up: bool, size: float) -> bool:
        if self.forming is None or not is_up:
            return False
        voltage = self.forming.voltage
        return bool(((voltage > 0) & (np.float32(size) >= voltage)).any())


def _by_cell(
    law: Switching, is_up: bool, pulse: PulseShape, size: float, width: float
) -> NDArray[np.float32]:
    """Strengths of one pulse: of each cell, flat, or ``(1,)`` where they are all alike."""
    way = "up" if is_up else "down"
    own = [getattr(law, f"{key}_{way}") for key in ("voltage", "width", "threshold", "steepness")]
    if all(values.strides == (0, 0) for values in own):
        own = [values[:1, :1] for values in own]
    voltage, lasts, threshold, steepness = (values.ravel() for values in own)
    # In single precision, as the constants are: so a pulse at the threshold is one.
    ratio = np.float32(size) / np.where(voltage > 0, voltage, np.float32(abs(pulse.amplitude)))
    wide = np.float32(width) / np.where(lasts > 0, lasts, np.float32(pulse.width))
    k = steepness.astype(np.float64)
    gain = np.sinh(k * np.minimum(ratio, _STRONGEST)) / np.sinh(k)
    found = np.where((ratio < threshold) | (width <= 0), 0.0, np.minimum(gain * wide, _MOST))
    return found.astype(np.float32)
