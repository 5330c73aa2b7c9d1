from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ohmloop.drivers import Capabilities
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample


@pytest.fixture(scope="session")
def planted() -> Callable[..., TwinCrossbar]:
    """A twin whose cells are drawn from keys; by default addressed one cell at a time."""

    def make(shape: tuple[int, int] = (8, 8), seed: int = 3, **keys: Any) -> TwinCrossbar:
        options = {k: keys.pop(k) for k in ("capabilities", "periphery", "limits") if k in keys}
        cells = sample(PopulationSpec(**keys), shape, np.random.default_rng(seed))
        return TwinCrossbar(cells, seed=seed, **{"capabilities": Capabilities(), **options})

    return make
