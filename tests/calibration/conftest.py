from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from ohmloop.calibration import CalibrationPlan, acquire, fit_raw
from ohmloop.drivers import Capabilities
from ohmloop.sim_backend import Population, PopulationSpec, TwinCrossbar, sample

SHAPE = (24, 24)


def population(seed: int = 3, shape: tuple[int, int] = SHAPE, **keys: float) -> Population:
    return sample(PopulationSpec().model_copy(update=keys), shape, np.random.default_rng(seed))


def chip_of(cells: Population, seed: int = 11) -> TwinCrossbar:
    """Behaves like a bench that addresses one cell at a time."""
    return TwinCrossbar(cells, seed=seed, capabilities=Capabilities(), name="test chip")


def with_dead(cells: Population) -> Population:
    """One cell stuck in the middle, one shorted between close bounds, one open."""
    changed = {
        n: getattr(cells.response, n).copy() for n in ("slope_up", "slope_down", "g_min", "g_max")
    }
    conductance = cells.conductance.copy()
    changed["slope_up"][0, 0] = changed["slope_down"][0, 0] = 1e-7
    for at, (low, high) in {(1, 2): (80e-6, 80.0001e-6), (3, 1): (1e-12, 2e-12)}.items():
        changed["g_min"][at], changed["g_max"][at], conductance[at] = low, high, low
    return replace(cells, response=replace(cells.response, **changed), conductance=conductance)


@pytest.fixture(scope="session")
def cells() -> Population:
    return population()


@pytest.fixture(scope="session")
def raw(cells: Population) -> xr.Dataset:
    return acquire(chip_of(cells), CalibrationPlan(), rng=np.random.default_rng(5))


@pytest.fixture(scope="session")
def record(raw: xr.Dataset) -> xr.Dataset:
    return fit_raw(raw, "soft-bounds")


@pytest.fixture(scope="session")
def make_chip() -> Callable[..., TwinCrossbar]:
    return chip_of


@pytest.fixture(scope="session")
def make_cells() -> Callable[..., Population]:
    return population


@pytest.fixture(scope="session")
def dead_record() -> xr.Dataset:
    chip = chip_of(with_dead(population(7, (12, 12))))
    return fit_raw(acquire(chip, CalibrationPlan(), rng=np.random.default_rng(5)), "soft-bounds")
