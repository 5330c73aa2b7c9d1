from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ohmloop.drivers import Capabilities, Limits, PulseConditions, PulseShape
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

NOMINAL = PulseConditions(PulseShape(1.0, 1e-3), PulseShape(-1.0, 1e-3), 1e-3)
LIMITS = Limits(voltage=2.5, width=1e-2, read_voltage=0.3, duty_cycle=0.5)


@pytest.fixture(scope="session")
def planted() -> Callable[..., TwinCrossbar]:
    """A twin whose cells are drawn from keys; by default addressed one cell at a time."""

    def make(shape: tuple[int, int] = (8, 8), seed: int = 3, **keys: Any) -> TwinCrossbar:
        options = {k: keys.pop(k) for k in ("capabilities", "periphery", "limits") if k in keys}
        cells = sample(PopulationSpec(**keys), shape, np.random.default_rng(seed))
        return TwinCrossbar(cells, seed=seed, **{"capabilities": Capabilities(), **options})

    return make


@pytest.fixture(scope="session")
def unknown() -> Callable[..., TwinCrossbar]:
    """Makes a chip of planted keys, whose bench's own pulses are a guess."""

    def make(
        shape: tuple[int, int] = (6, 6), seed: int = 1, limits: Limits = LIMITS, **keys: Any
    ) -> TwinCrossbar:
        cells = sample(PopulationSpec(**keys), shape, np.random.default_rng(seed))
        return TwinCrossbar(cells, seed=seed, limits=limits, conditions=NOMINAL)

    return make
