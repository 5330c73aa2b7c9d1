"""Layers, parameters, conversion."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.drivers import BadInputError, Crossbar
from ohmloop.training import (
    AnalogLinear,
    AnalogTile,
    CrossbarPool,
    analog_layers,
    analog_tiles,
    convert_to_analog,
    mlp,
)

Make = Callable[..., Crossbar]


def layer_on(crossbar: Crossbar, gamma: float = 0.0, arrays: int = 1) -> AnalogLinear:
    layer = convert_to_analog(
        mlp([6, 4], seed=0).linear1, crossbar, arrays=arrays, gamma=gamma, omega=0.6
    )
    assert isinstance(layer, AnalogLinear)
    return layer


def test_a_converted_model_computes_the_same(fine: Make, rng: np.random.Generator) -> None:
    digital = mlp([6, 5, 3], seed=1)
    analog = convert_to_analog(copy.deepcopy(digital), fine(12, 12, slope=1e-3), omega=0.6)
    x = torch.from_numpy(rng.uniform(0, 1, (7, 6))).float()
    # Written to one granularity, 0.001 of the range, in every cell.
    assert analog(x).detach().numpy() == pytest.approx(digital(x).detach().numpy(), abs=0.02)
    assert list(analog_layers(analog)) == ["linear1", "linear2"]


def test_gradients_pass_through_and_are_noted(fine: Make) -> None:
    layer = layer_on(fine(4, 6))
    x = torch.linspace(-1, 1, 12).reshape(2, 6).requires_grad_()
    layer(x).pow(2).sum().backward()
    noted_x, noted_d = map(torch.from_numpy, layer.weight.records[0])
    assert x.grad is not None
    assert layer.bias is not None
    assert torch.equal(noted_x, x.detach())
    assert noted_d.shape == (2, 4)
    assert torch.allclose(layer.bias.grad, noted_d.sum(dim=0))
    weights = torch.from_numpy(layer.weight.main.weights()).float()
    assert torch.allclose(x.grad, noted_d @ weights, atol=1e-4)
    assert layer.weight.grad is None


def test_nothing_is_noted_outside_training(fine: Make) -> None:
    layer, x = layer_on(fine(4, 6)), torch.ones(2, 6)
    with torch.no_grad():
        layer(x)
    layer.eval()
    layer(x).sum().backward()
    assert layer.weight.records == []
    assert layer.train()(x).requires_grad


def test_any_leading_shape(fine: Make) -> None:
    layer = layer_on(fine(4, 6))
    y = layer(torch.ones(2, 3, 6))
    assert y.shape == (2, 3, 4)
    y.sum().backward()
    records = layer.weight.take_records()
    assert records is not None
    assert [tuple(part.shape) for part in records] == [(6, 6), (6, 4)]
    assert layer.weight.take_records() is None


def test_gamma_adds_the_fast_array(fine: Make) -> None:
    layer = layer_on(fine(8, 6), gamma=0.5, arrays=2)
    fast, main = layer.tiles
    fast.program(np.full((4, 6), 0.2))
    assert layer.bias is not None
    wanted = main.weights() + 0.5 * fast.weights()
    found = (layer(torch.eye(6)) - layer.bias).detach().numpy().T
    assert found == pytest.approx(wanted, abs=1e-5)
    x = torch.zeros(1, 6, requires_grad=True)
    layer(x)[0, 0].backward()
    assert x.grad is not None
    assert x.grad.numpy()[0] == pytest.approx(wanted[0], abs=1e-5)


def test_weights_are_written_and_fast_arrays_are_at_zero(real: Make) -> None:
    linear = nn.Linear(20, 10)
    wanted = linear.weight.detach().numpy()
    layer = convert_to_analog(linear, real(20, 20), arrays=2)
    assert isinstance(layer, AnalogLinear)
    fast, main = layer.tiles
    for tile, weights in ((fast, np.zeros_like(wanted)), (main, wanted)):
        error = tile.weights() - weights
        assert np.sqrt((error**2).mean()) < tile.dw_min
    assert fast.mapping.siemens_per_weight != 0


def test_as_is_sends_no_pulse(real: Make) -> None:
    model = convert_to_analog(mlp([6, 4], seed=0), real(4, 6), initialise="as is")
    assert sum(tile.pulses for tile in analog_tiles(model)) == 0


def test_state_dict_keeps_what_is_digital(fine: Make) -> None:
    crossbar = fine(4, 6, slope=1e-3)
    first = convert_to_analog(mlp([6, 4], seed=0), crossbar)
    state = {name: value.clone() for name, value in first.state_dict().items()}
    # Another model would choose another range; the saved one is the one that holds.
    second = convert_to_analog(mlp([6, 4], seed=9), crossbar, initialise="as is", omega=0.9)
    x = torch.rand(5, 6)
    assert not torch.allclose(first(x), second(x), atol=1e-5)
    assert second.load_state_dict(state).missing_keys == []
    assert torch.allclose(first(x), second(x), atol=1e-5)
    a, b = analog_tiles(first)[0].mapping, analog_tiles(second)[0].mapping
    assert a.siemens_per_weight == b.siemens_per_weight
    assert np.array_equal(a.reference, b.reference)


def test_only_some_layers(real: Make) -> None:
    model = convert_to_analog(
        nn.ModuleDict({"body": mlp([6, 5, 3], seed=0), "head": nn.Linear(3, 2)}),
        real(12, 12),
        only=lambda name: name.startswith("body"),
    )
    assert list(analog_layers(model)) == ["body.linear1", "body.linear2"]
    assert type(model["head"]) is nn.Linear


def test_a_layer_without_bias(real: Make) -> None:
    layer = convert_to_analog(nn.Linear(4, 3, bias=False), real(3, 4))
    assert layer.bias is None
    assert layer(torch.zeros(1, 4)).abs().max() == 0
    assert "bias=False, arrays=1" in repr(layer)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arrays": 0}, "0 arrays"),
        ({"initialise": "maybe"}, "maybe"),
        ({"omega": 0.0}, "omega"),
        ({"gamma": -1.0}, "gamma"),
        ({"only": lambda name: False}, "no linear layer or other is left"),
        ({"arrays": 9}, "layer linear1, array 2: no room"),
    ],
)
def test_conversion_refuses(real: Make, change: dict, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        convert_to_analog(mlp([6, 4], seed=0), real(8, 6), **change)


def test_a_chip_cannot_be_copied(real: Make) -> None:
    layer = convert_to_analog(nn.Linear(4, 3), CrossbarPool(real(3, 4)))
    with pytest.raises(BadInputError, match="cannot be copied"):
        copy.deepcopy(layer)
    with pytest.raises(BadInputError, match="cannot be pickled"):
        pickle.dumps(layer)
    assert "1 x 3x4" in repr(layer.weight)


def test_tiles_and_bias_have_to_fit(real: Make) -> None:
    tile, other = AnalogTile(real(3, 4)), AnalogTile(real(4, 3))
    for tiles, bias in (([], None), ([tile, other], None), ([tile], torch.zeros(4))):
        with pytest.raises(BadInputError):
            AnalogLinear(tiles, bias)


@pytest.mark.parametrize(("sizes", "name"), [([4], "tanh"), ([4, 0], "tanh"), ([4, 2], "cube")])
def test_models_that_cannot_be(sizes: list[int], name: str) -> None:
    with pytest.raises(BadInputError):
        mlp(sizes, name, seed=0)


def test_models_are_drawn_from_their_seed() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (mlp([8, 4, 2], "relu", seed=seed).state_dict() for seed in (1, 1, 2))
    assert list(first) == ["linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["linear1.weight"], other["linear1.weight"])
    assert first["linear1.weight"].abs().max() <= 8**-0.5
    assert torch.equal(torch.random.get_rng_state(), state)
