"""All algorithms, with options that make them move within a few steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ohmloop import training
from ohmloop.training import AnalogOptimizer

TWO = {"lr": 0.5, "fast_lr": 0.3, "transfer_lr": 1.5}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "AnalogSGD": {"lr": 0.1},
    "MixedPrecision": {"lr": 0.1},
    "TikiTaka": {**TWO, "transfer_columns": 2},
    "ResidualLearning": TWO,
    "ResidualLearningV2": TWO,
    "TikiTakaV2": {**TWO, "auto_scale": True, "gamma": 0.1},
    "ChoppedTikiTaka": {**TWO, "chopper_probability": 0.3, "gamma": 0.1},
    "AGAD": {**TWO, "chopper_probability": 0.5},
    "RIDER": {**TWO, "transfer_columns": None},
    "ERIDER": {**TWO, "transfer_columns": None, "chopper_probability": 0.3},
    "MultiTileResidualLearning": {**TWO, "arrays": 3},
}


@pytest.fixture(params=ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> str:
    """The name of each algorithm in turn."""
    return str(request.param)


@pytest.fixture
def arrays_of() -> Callable[[str], int]:
    """Arrays that an algorithm is tried on."""
    return lambda name: ALGORITHMS[name].get("arrays", getattr(training, name).arrays)


@pytest.fixture
def make() -> Callable[..., AnalogOptimizer]:
    """Makes an optimizer by its name."""

    def made(name: str, params: Any, seed: int = 8, **other: Any) -> AnalogOptimizer:
        options = {k: v for k, v in (ALGORITHMS[name] | other).items() if k != "arrays"}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*experimental")
            found: AnalogOptimizer = getattr(training, name)(
                params, rng=np.random.default_rng(seed), **options
            )
        return found

    return made
