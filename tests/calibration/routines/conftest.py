from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ohmloop.drivers import Limits, PulseConditions, PulseShape
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

NOMINAL = PulseConditions(PulseShape(1.0, 1e-3), PulseShape(-1.0, 1e-3), 1e-3)
LIMITS = Limits(voltage=2.5, width=1e-2, read_voltage=0.3, duty_cycle=0.5)


def _unknown(shape=(6, 6), seed=1, limits=LIMITS, **keys: Any) -> TwinCrossbar:
    cells = sample(PopulationSpec(**keys), shape, np.random.default_rng(seed))
    return TwinCrossbar(cells, seed=seed, limits=limits, conditions=NOMINAL)


@pytest.fixture
def unknown():
    """Makes a chip of planted keys, whose bench's own pulses are a guess."""
    return _unknown
