"""Twins to train on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ohmloop.drivers import Capabilities, Crossbar, Limits, open_crossbar
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

EXACT = "&dg_std=0&read_std=0&slope_dtod=0&g_min_dtod=0&g_max_dtod=0"


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Matrices this small are slower on many threads, and tests run side by side."""
    torch.set_num_threads(1)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


@pytest.fixture
def real() -> Callable[..., Crossbar]:
    """A crossbar with the noise and spread of a real one."""

    def make(rows: int, columns: int, seed: int = 1) -> Crossbar:
        return open_crossbar(f"sim:soft-bounds?shape={rows}x{columns}&seed={seed}")

    return make


@pytest.fixture
def fine() -> Callable[..., Crossbar]:
    """A crossbar without noise or spread, whose pulses are a ten-thousandth of the range."""

    def make(rows: int, columns: int, slope: float = 2e-4) -> Crossbar:
        slopes = f"&slope_up={slope}&slope_down={slope}"
        return open_crossbar(f"sim:soft-bounds?shape={rows}x{columns}&seed=1{EXACT}{slopes}")

    return make


@pytest.fixture
def serial() -> Callable[..., TwinCrossbar]:
    """A crossbar that makes no products by itself, perhaps with limits."""

    def make(rows: int, columns: int, limits: Limits | None = None) -> TwinCrossbar:
        cells = sample(PopulationSpec(), (rows, columns), np.random.default_rng(1))
        can = Capabilities(coincidence_update=True)
        return TwinCrossbar(cells, seed=1, capabilities=can, limits=limits)

    return make
