from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.sim_backend.arrays import NumpyArrays
from ohmloop.sim_backend.effects import Effect, Moment

ARRAYS = NumpyArrays()


def twin_with(*effects: Effect, shape=(3, 4), seed=1, arrays=None, **keys: Any) -> TwinCrossbar:
    """A twin without read noise, with effects."""
    cells = sample(PopulationSpec(read_std=0.0, **keys), shape, np.random.default_rng(1))
    return TwinCrossbar(replace(cells, effects=effects), seed=seed, arrays=arrays)


@pytest.fixture
def traces() -> Callable[..., np.ndarray]:
    """What an effect makes of 1 S at many times: ``(cells, times)``."""

    def of(effect: Effect, cells: int, times: np.ndarray, seed: int = 1) -> np.ndarray:
        which = np.repeat(np.arange(cells), times.size)
        now: Any = np.tile(times, cells)
        one = np.ones(which.size)
        moment = Moment(ARRAYS, seed, which, np.zeros_like(which), now)
        return effect.seen(one, moment).reshape(cells, times.size)

    return of
