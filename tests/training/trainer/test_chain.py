"""Gradients without a graph: those of torch, and only where nothing is lost by it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import AnalogSGD, TikiTaka, convert_to_analog, mlp
from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.trainer.chain import Chain
from ohmloop.training.trainer.pass_choice import passes
from ohmloop.training.trainer.passes import Graph

LOSS = nn.functional.cross_entropy


def model_on_a_twin(activation: str = "tanh", read_std: float = 0.0, **how: object) -> nn.Module:
    cells = sample(PopulationSpec(read_std=read_std), (100, 70), np.random.default_rng(1))
    twin = TwinCrossbar(cells, seed=1)
    return convert_to_analog(mlp([32, 9, 5, 4], activation, seed=0), twin, **how)


def batch(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 32, generator=generator), torch.randint(0, 4, (6,), generator=generator)


def found_by(model: nn.Module, chain: bool) -> dict[str, np.ndarray]:
    """Loss, gradients of what is digital, and records of what is analog, of one mini-batch."""
    method = AnalogSGD if len(model[0].tiles) == 1 else TikiTaka
    graph = Graph(model, LOSS, method(model.parameters(), rng=np.random.default_rng(3)))
    way = Chain.of(model, LOSS, graph) if chain else graph
    assert way is not None
    found = {"loss": np.array(way.loss(*batch(1)))}
    way.backward()
    for name, parameter in model.named_parameters():
        if isinstance(parameter, AnalogParameter):
            for x, d in parameter.records:
                found |= {f"{name} x": x, f"{name} d": d}
        elif parameter.grad is not None:
            found[name] = parameter.grad.numpy()
    return found


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"bias": "analog"},
        {"output_scale": "layer"},
        {"output_scale": "output"},
        {"arrays": 2, "gamma": 0.5},
        {"reference": "differential"},
    ],
)
@pytest.mark.parametrize("read_std", [0.0, 0.01])
def test_gradients_are_those_of_torch(activation: str, how: dict, read_std: float) -> None:
    """To float32's rounding, with the same draws of read noise."""
    chained, expected = (
        found_by(model_on_a_twin(activation, read_std, **how), chain) for chain in (True, False)
    )
    assert chained.keys() == expected.keys()
    assert len(chained) >= 7 + 3 * ("output_scale" in how)
    for name, values in expected.items():
        size = np.abs(values).max()
        assert size > 0
        np.testing.assert_allclose(chained[name], values, rtol=1e-5, atol=2e-6 * size, err_msg=name)


def test_only_what_learns_has_gradients() -> None:
    model = model_on_a_twin(output_scale="layer")
    model[0].weight.requires_grad_(False)
    model[2].bias.requires_grad_(False)
    chained, expected = (found_by(model, chain) for chain in (True, False))
    assert chained.keys() == expected.keys()
    assert "linear1.weight x" not in chained


def test_it_trains() -> None:
    """The loss falls on one mini-batch, by pulses and by digital gradients, and again the same."""
    losses = []
    for _ in range(2):
        model = model_on_a_twin(output_scale="layer")
        optimizer = AnalogSGD(model.parameters(), lr=0.1, rng=np.random.default_rng(3))
        way = passes(model, LOSS, optimizer)
        assert isinstance(way, Chain)
        losses.append([])
        for _ in range(60):
            losses[-1].append(way.loss(*batch(1)))
            way.backward()
            optimizer.step()
    assert losses[0] == losses[1]
    assert losses[0][-1] < 0.5 * losses[0][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda x, y: (x, torch.nn.functional.one_hot(y, 4).float()),
        lambda x, y: (x, torch.where(y == 3, -100, y)),
        lambda x, y: (x.double().float().requires_grad_(), y),
    ],
    ids=["shares of classes", "no class", "wanted gradients"],
)
def test_other_batches_go_through_torch(change: Callable[..., tuple]) -> None:
    model = model_on_a_twin()
    optimizer = AnalogSGD(model.parameters(), rng=np.random.default_rng(3))
    x, y = change(*batch(1))
    way, expected = passes(model, LOSS, optimizer), LOSS(model(x), y)
    assert way.loss(x, y) == pytest.approx(float(expected.detach()), rel=1e-6)
    way.backward()
    assert len(model[0].weight.records) == 1
    assert model[0].bias.grad is not None


def test_a_class_that_is_none_is_an_error() -> None:
    model = model_on_a_twin()
    way = passes(model, LOSS, AnalogSGD(model.parameters(), rng=np.random.default_rng(3)))
    with pytest.raises(IndexError, match="out of bounds"):
        way.loss(batch(1)[0], torch.full((6,), 4))


def test_a_bias_that_is_replaced_counts() -> None:
    model = model_on_a_twin()
    way = passes(model, LOSS, AnalogSGD(model.parameters(), rng=np.random.default_rng(3)))
    before = way.loss(*batch(1))
    model[4].bias = nn.Parameter(torch.tensor([5.0, 0.0, 0.0, 0.0]))
    assert abs(way.loss(*batch(1)) - before) > 0.1
    assert way.loss(*batch(1)) == pytest.approx(
        float(LOSS(model(batch(1)[0]), batch(1)[1]).detach())
    )


def test_what_is_no_plain_chain_goes_through_torch() -> None:
    model = model_on_a_twin()
    graph = Graph(model, LOSS, AnalogSGD(model.parameters(), rng=np.random.default_rng(3)))

    def of(model: nn.Module) -> Chain | None:
        return Chain.of(model, LOSS, graph)

    assert of(model) is not None
    assert of(nn.Sequential(nn.Sigmoid(), *model)) is None
    assert of(nn.Sequential(model[0], nn.Sigmoid(), nn.Sigmoid())) is None
    assert Chain.of(model, nn.functional.mse_loss, graph) is None
    assert of(nn.Sequential(model)) is None
    assert of(nn.Sequential(*model, *model)) is None
    assert of(mlp([3, 2], seed=0)) is None
    assert of(nn.Sequential(*model, nn.Dropout())) is None
    handle = model[0].register_forward_hook(lambda *_: None)
    assert of(model) is None
    handle.remove()
    assert of(model) is not None
