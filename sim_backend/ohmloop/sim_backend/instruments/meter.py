"""What a current meter adds to a current: an offset, and noise of its own."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from ohmloop.drivers.units import Amperes, within
from ohmloop.drivers.validation import Record


class MeterConfig(Record):
    """The ``emulation.meter`` of a bench file.

    Attributes:
        offset: current that is read where none flows, A.
        noise: standard deviation of one reading, A, whatever flows.
    """

    offset: Annotated[Amperes, within("A", -1e-3, 1e-3)] = 0.0
    noise: Annotated[Amperes, within("A", 0.0, 1e-3)] = 0.0


class Meter:
    """Draws noise from a generator of its own, so that the cells' draws stay as they are.

    Args:
        config: offset and noise; nothing is added by default.
        seed: of the noise.
    """

    def __init__(self, config: MeterConfig | None = None, seed: int = 0) -> None:
        self.config = config or MeterConfig()
        self._random = np.random.default_rng([seed, 0x4D])
        self._ideal = self.config == MeterConfig()

    def shows(self, current: Any) -> Any:
        """What it shows for a current or an array of currents, A."""
        if self._ideal:
            return current
        noise = self._random.standard_normal(np.shape(current)) * self.config.noise
        shown = current + self.config.offset + noise
        return shown if np.ndim(current) else float(shown)
