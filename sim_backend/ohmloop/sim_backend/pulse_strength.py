"""How a pulse of any amplitude and width acts, relative to the pulse a cell was modelled at.

Switching grows with the hyperbolic sine of the voltage and in proportion to the width (the
field-driven drift law, Strukov and Williams, Appl. Phys. A 94, 515, 2009), and below a threshold
there is none: reads and half-selected cells are left alone. At the modelled pulse it is exactly 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ohmloop.drivers import PulseConditions

_REMEMBERED = 1000  # pulses of a bench are few; those at the current limit are many
_THRESHOLD = 0.6  # of the modelled amplitude
_STRONGEST = 5.0  # of the modelled amplitude; beyond it any cell is at its bound
_STEEPNESS = 10.0  # modelled amplitude over the drift law's characteristic voltage


@dataclass(frozen=True, slots=True)
class PulseStrength:
    """Pulses compared with ``nominal``, at which the response functions were modelled.

    Attributes:
        nominal: the pulses of strength 1.
        threshold: share of their amplitude below which nothing happens.
    """

    nominal: PulseConditions
    threshold: float = _THRESHOLD
    _known: dict[tuple[float, float], tuple[bool, float]] = field(default_factory=dict, repr=False)

    def of(self, amplitude: float, width: float) -> tuple[bool, float]:
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

    def _compute(self, amplitude: float, width: float) -> tuple[bool, float]:
        up, down = self.nominal.up, self.nominal.down
        is_up = (amplitude > 0) == (up.amplitude > 0)
        pulse = up if is_up else down
        ratio = amplitude / pulse.amplitude
        if ratio < self.threshold or width <= 0:
            return is_up, 0.0
        gain = math.sinh(_STEEPNESS * min(ratio, _STRONGEST)) / math.sinh(_STEEPNESS)
        return is_up, gain * (width / pulse.width)

    def of_conditions(self, conditions: PulseConditions | None) -> tuple[float, float]:
        """Strengths of the up and the down pulse of a program that brings its own conditions.

        A pulse whose polarity is reversed does the opposite; that is refused with strength 0 here
        and left to hardware to show.
        """
        if conditions is None or conditions == self.nominal:
            return 1.0, 1.0
        is_up, up = self.of(conditions.up.amplitude, conditions.up.width)
        was_up, down = self.of(conditions.down.amplitude, conditions.down.width)
        return (up if is_up else 0.0), (0.0 if was_up else down)
