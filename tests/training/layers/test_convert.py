"""Which layers are converted, what is refused, and the way back."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.drivers import BadInputError
from ohmloop.training import (
    AnalogConv2d,
    AnalogLinear,
    AnalogSGD,
    analog_layers,
    convert_to_analog,
    mlp,
    to_digital,
)


class Net(nn.Module):
    """Layers of many kinds, nested."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3)
        self.body = nn.ModuleDict({"a": nn.Linear(8, 4), "b": nn.Sequential(nn.Linear(4, 4))})
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).flatten(1)
        return self.head(self.body["b"](torch.tanh(self.body["a"](x))))


ALL = ["stem", "body.a", "body.b.0", "head"]


@pytest.mark.parametrize(
    ("rules", "converted"),
    [
        ({}, ALL),
        ({"include": "body"}, ["body.a", "body.b.0"]),
        ({"include": "*.a"}, ["body.a"]),
        ({"include": ["stem", "head"]}, ["stem", "head"]),
        ({"exclude": "body.*"}, ["stem", "head"]),
        ({"include": "body", "exclude": "body.b"}, ["body.a"]),
        ({"include": lambda name: "b" in name}, ["body.a", "body.b.0"]),
        ({"exclude": lambda name: name == "head"}, ["stem", "body.a", "body.b.0"]),
        ({"only": "head"}, ["head"]),
    ],
)
def test_rules_choose_layers(exact, real, rules, converted) -> None:
    model = convert_to_analog(Net(), real(32, 32), **rules)
    assert list(analog_layers(model)) == converted
    assert model(torch.ones(1, 1, 4, 4)).shape == (1, 2)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"include": "boddy"}, r"include: 'boddy' matches none of stem, body\.a, body\.b\.0, head"),
        ({"exclude": ["head", "haed"]}, "exclude: 'haed' matches none"),
        ({"include": "head", "exclude": "head"}, "is left to convert"),
        ({"include": lambda name: False}, "is left to convert"),
        ({"bias": "none"}, "layer stem: bias must be digital or analog"),
        ({"output_scale": "row"}, "layer stem: output_scale must be layer or output"),
    ],
)
def test_rules_that_cannot_be(real, rules, message) -> None:
    chip = real(32, 32)
    with pytest.raises(BadInputError, match=message):
        convert_to_analog(Net(), chip, **rules)
    assert chip.pulses_sent == 0


def test_a_model_without_layers(real) -> None:
    with pytest.raises(BadInputError, match="no linear layer, convolution"):
        convert_to_analog(nn.Sequential(nn.Tanh()), real(4, 4))


def test_a_module_in_two_places_is_refused(real) -> None:
    shared = nn.Linear(4, 4)
    model, chip = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared)}), real(8, 8)
    with pytest.raises(BadInputError, match=r"layers a and b\.0 are one and the same module"):
        convert_to_analog(model, chip)
    with pytest.raises(BadInputError, match="one and the same module"):
        convert_to_analog(model, chip, include="a")
    assert chip.pulses_sent == 0


def test_tied_weights_are_refused(real) -> None:
    model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    model["b"].weight = model["a"].weight
    with pytest.raises(BadInputError, match="layers a and b share a parameter"):
        convert_to_analog(model, real(8, 8))


def test_what_a_conversion_would_lose_is_refused(real) -> None:
    hooked = nn.Sequential(nn.Linear(4, 4))
    hooked[0].register_forward_hook(lambda *a: None)

    class Odd(nn.Linear):
        pass

    for model, message in (
        (hooked, "layer 0 has hooks"),
        (nn.Sequential(Odd(4, 4)), "layer 0 is a Odd"),
        (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))), "layer 0 is a P"),
    ):
        with pytest.raises(BadInputError, match=message):
            convert_to_analog(model, real(8, 8))


def test_layers_whose_weights_others_take_directly_stay_digital(real) -> None:
    model = nn.ModuleDict({"attention": nn.MultiheadAttention(4, 2), "head": nn.Linear(4, 2)})
    convert_to_analog(model, real(8, 8))
    assert list(analog_layers(model)) == ["head"]
    x = torch.ones(3, 1, 4)
    assert model["attention"](x, x, x)[0].shape == (3, 1, 4)


def test_the_second_layer_fails_before_the_first_is_pulsed(real) -> None:
    chips = [real(5, 6, 1), real(3, 5, 2)]
    chips[1].characteristics = None
    with pytest.raises(BadInputError, match=r"layer linear2: .*calibrate it first"):
        convert_to_analog(mlp([6, 5, 3], seed=0), chips)
    model = mlp([6, 5, 3], seed=0)
    with torch.no_grad():
        model.linear2.weight[0, 0] = torch.nan
    with pytest.raises(BadInputError, match=r"layer linear2: .*not finite"):
        convert_to_analog(model, real(16, 16))
    assert chips[0].pulses_sent == 0


def test_what_is_frozen_stays_frozen(real) -> None:
    model = mlp([6, 5, 3], seed=0)
    for parameter in model.linear1.parameters():
        parameter.requires_grad_(False)
    convert_to_analog(model, real(16, 16))
    model(torch.ones(2, 6)).sum().backward()
    assert model.linear1.weight.records == []
    assert len(model.linear2.weight.records) == 1
    assert model.linear1.bias.grad is None
    before = model.linear1.tiles[0].pulses
    AnalogSGD(model.parameters(), lr=0.5, rng=np.random.default_rng(0)).step()
    assert model.linear1.tiles[0].pulses == before


def test_a_whole_model_learns_as_torch_does(train_alike) -> None:
    x = torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    digital, analog = train_alike(Net(), lambda model, inputs: model(inputs), x, lr=0.02)
    for name, layer in analog_layers(analog).items():
        wanted = digital.get_submodule(name).weight.detach().flatten(1)
        torch.testing.assert_close(layer.read()[0], wanted)


def test_a_digital_copy_of_a_model(real) -> None:
    model = convert_to_analog(Net(), real(32, 32), output_scale="output", bias="analog", omega=0.5)
    copied = to_digital(model)
    assert str(copied) == str(Net())
    assert isinstance(model.stem, AnalogConv2d)
    assert isinstance(model.head, AnalogLinear)
    x = torch.rand(4, 1, 4, 4)
    torch.testing.assert_close(copied(x), model(x), rtol=0, atol=0.15)
    copied(x).sum().backward()
    copy.deepcopy(copied)
    only_one = convert_to_analog(Net(), real(32, 32), include="head")
    assert str(to_digital(only_one)) == str(Net())
    assert type(to_digital(only_one.head)) is nn.Linear


def test_a_digital_copy_counts_the_faster_arrays(fine) -> None:
    layer = convert_to_analog(nn.Linear(6, 4), fine(8, 6), arrays=2, gamma=0.5)
    layer.tiles[0].program(np.full((4, 6), 0.2))
    wanted = layer.tiles[1].weights() + 0.5 * layer.tiles[0].weights()
    np.testing.assert_allclose(to_digital(layer).weight.detach(), wanted, atol=1e-6)
