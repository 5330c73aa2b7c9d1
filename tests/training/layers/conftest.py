"""Models on exact tiles whose cells respond alike everywhere: digital training to the last bit."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.training import AnalogSGD, ExactTile, convert_with


def ideal(weights: np.ndarray) -> ExactTile:
    return ExactTile(weights, np.ones_like, np.ones_like)


@pytest.fixture
def exact() -> Callable[..., nn.Module]:
    """Converted copies, double precision, of ordinary models."""

    def convert(model: nn.Module, **options) -> nn.Module:
        return convert_with(
            copy.deepcopy(model).double(),
            lambda matrices: {name: [ideal(weights)] for name, weights in matrices.items()},
            **options,
        )

    return convert


@pytest.fixture
def train_alike(exact) -> Callable[..., tuple[nn.Module, nn.Module]]:
    """Three steps of a model and of its analog copy, on the same inputs; both afterwards."""

    def train(
        digital: nn.Module,
        run: Callable[[nn.Module, torch.Tensor], torch.Tensor],
        x: torch.Tensor,
        lr: float = 0.1,
        **options,
    ) -> tuple[nn.Module, nn.Module]:
        digital = digital.double()
        analog = exact(digital, **options)
        ours = AnalogSGD(analog.parameters(), lr=lr, rng=np.random.default_rng(0))
        theirs = torch.optim.SGD(digital.parameters(), lr=lr)
        for _ in range(3):
            seen = []
            for model, optimizer in ((digital, theirs), (analog, ours)):
                inputs = x.clone().double().requires_grad_()
                optimizer.zero_grad()
                y = run(model, inputs)
                y.pow(2).sum().backward()
                optimizer.step()
                seen.append((y.detach(), inputs.grad))
            torch.testing.assert_close(seen[0], seen[1], rtol=1e-9, atol=1e-12)
        return digital, analog

    return train
