"""Gradients without a graph: the same bits as torch's, and only where nothing is lost by it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import AnalogSGD, TikiTaka, convert_to_analog, mlp
from ohmloop.training.layers.linear import AnalogLinear
from ohmloop.training.trainer.chain import Chain

LOSS = nn.functional.cross_entropy


def model_on_a_twin(activation: str = "tanh", read_std: float = 0.0, **how: object) -> nn.Module:
    cells = sample(PopulationSpec(read_std=read_std), (100, 70), np.random.default_rng(1))
    twin = TwinCrossbar(cells, seed=1)
    return convert_to_analog(mlp([32, 9, 5, 4], activation, seed=0), twin, **how)


def batch(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 32, generator=generator), torch.randint(0, 4, (6,), generator=generator)


def trained(model: nn.Module, method: Callable[..., torch.optim.Optimizer], chain: bool) -> list:
    optimizer = method(model.parameters(), rng=np.random.default_rng(3))
    short, found = Chain.of(model, LOSS) if chain else None, []
    assert (short is not None) == chain
    for seed in range(8):
        x, y = batch(seed)
        if short:
            loss = short.loss(x, y)
            short.backward()
        else:
            optimizer.zero_grad()
            loss = LOSS(model(x), y)
            loss.backward()
        found.append(float(loss.detach()))
        optimizer.step()
    tiles = [tile for layer in model if isinstance(layer, AnalogLinear) for tile in layer.tiles]
    kept = [parameter.detach().clone() for parameter in model.parameters()]
    return [found, *kept, *(torch.from_numpy(tile.weights()) for tile in tiles)]


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
@pytest.mark.parametrize(
    "how", [{}, {"bias": "analog"}, {"output_scale": "layer"}, {"output_scale": "output"}]
)
@pytest.mark.parametrize("method", [AnalogSGD, TikiTaka])
def test_every_bit_is_that_of_torch(activation: str, how: dict, method: type) -> None:
    arrays = 2 if method is TikiTaka else 1
    found, expected = (
        trained(model_on_a_twin(activation, arrays=arrays, **how), method, chain)
        for chain in (True, False)
    )
    assert found[0] == expected[0]
    assert len(set(found[0])) > 1
    assert all(torch.equal(a, b) for a, b in zip(found[1:], expected[1:], strict=True))


def test_products_take_the_same_draws_of_read_noise() -> None:
    found, expected = (
        trained(model_on_a_twin(read_std=0.01), AnalogSGD, chain) for chain in (True, False)
    )
    assert found[0] == expected[0]


def test_what_is_no_plain_chain_goes_through_torch() -> None:
    model = model_on_a_twin()
    assert Chain.of(model, LOSS) is not None
    assert Chain.of(model, nn.functional.mse_loss) is None
    assert Chain.of(nn.Sequential(model), LOSS) is None
    assert Chain.of(nn.Sequential(*model, *model), LOSS) is None
    assert Chain.of(mlp([3, 2], seed=0), LOSS) is None
    assert Chain.of(nn.Sequential(*model, nn.Dropout()), LOSS) is None
    handle = model[0].register_forward_hook(lambda *_: None)
    assert Chain.of(model, LOSS) is None
    handle.remove()
    assert Chain.of(model, LOSS) is not None
