"""Small pipelines, every stage on a chip of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import AnalogSGD, Split, TikiTaka, convert_to_analog, mlp
from ohmloop.training.pipeline.micro_batches import MicroBatches
from ohmloop.training.pipeline.partition import balanced
from ohmloop.training.pipeline.stage import Stage


@pytest.fixture
def twin() -> Callable[..., TwinCrossbar]:
    """A crossbar with its own cells and noise."""

    def make(seed: int, rows: int = 40, columns: int = 20, **spec: float) -> TwinCrossbar:
        cells = sample(PopulationSpec(**spec), (rows, columns), np.random.default_rng(seed))
        return TwinCrossbar(cells, seed=seed, name=f"chip {seed}")

    return make


@pytest.fixture
def pipeline(twin: Callable[..., TwinCrossbar]) -> Callable[..., list[Stage]]:
    """Stages of an MLP of ``count`` linear layers, made anew but alike at every call."""

    def make(
        count: int,
        method: type = AnalogSGD,
        *,
        stages: int | None = None,
        seed: int = 3,
        width: int = 8,
        lr: float = 0.05,
        gamma: float = 0.0,
        **options: Any,
    ) -> list[Stage]:
        sizes = [12, *[width] * (count - 1), 4]
        parts = balanced(mlp(sizes, seed=0), stages or count)
        rngs = np.random.default_rng(seed).spawn(len(parts))
        made = []
        for m, (part, rng) in enumerate(zip(parts, rngs, strict=True)):
            if method is torch.optim.SGD:
                optimizer: Any = method(part.parameters(), lr=lr)
            else:
                arrays = 2 if method is TikiTaka else 1
                part = convert_to_analog(part, twin(10 + m, **options), arrays=arrays, gamma=gamma)
                optimizer = method(part.parameters(), lr, rng=rng)
            made.append(Stage(part, optimizer, m, len(parts), name=f"bench {m + 1}"))
        return made

    return make


@pytest.fixture
def work() -> Callable[..., MicroBatches]:
    """Separable samples of 12 features in 4 classes, cut."""

    def make(
        samples: int = 32, batch: int = 8, micro_batches: int = 4, whole: bool = True
    ) -> MicroBatches:
        rng = np.random.default_rng(11)
        y = rng.integers(0, 4, samples)
        x = rng.normal(0, 0.3, (samples, 12))
        x[np.arange(samples), y] += 1.0
        split = Split(torch.from_numpy(x).float(), torch.from_numpy(y))
        return MicroBatches.of(split, torch.arange(samples), batch, micro_batches, whole)

    return make


def weights_of(stages: list[Stage]) -> dict[str, np.ndarray]:
    """True conductances of all chips, and all digital parameters."""
    found: dict[str, np.ndarray] = {}
    for stage in stages:
        for crossbar in stage.crossbars():
            assert isinstance(crossbar, TwinCrossbar)
            found[crossbar.name] = crossbar.conductance
        for name, value in stage.module.state_dict().items():
            found[name] = value.numpy().copy()
    return found


@pytest.fixture
def same() -> Callable[[list[Stage], list[Stage]], bool]:
    """Whether two pipelines hold the same numbers, bit for bit."""

    def compare(first: list[Stage], second: list[Stage]) -> bool:
        a, b = weights_of(first), weights_of(second)
        return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)

    return compare


class Idle(Stage):
    """A stage that does nothing, and so is quick."""

    def __init__(self, number: int, count: int) -> None:
        super().__init__(nn.Identity(), None, number, count)

    def forward(self, micro_batch: int, x: torch.Tensor) -> torch.Tensor:
        return x

    def backward(self, micro_batch: int, gradient: torch.Tensor) -> torch.Tensor | None:
        return gradient

    def backward_from_loss(self, micro_batch: int, targets: torch.Tensor, share: float):
        return targets, 0.0


@pytest.fixture
def idle() -> Callable[[int], list[Stage]]:
    """Stages that do nothing."""
    return lambda count: [Idle(m, count) for m in range(count)]
