"""Learned output scales and analog biases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.drivers import BadInputError
from ohmloop.training import AnalogLinear, AnalogSGD, ExactTile, convert_to_analog, mlp

LR = 0.05


@pytest.mark.parametrize("kind", ["layer", "output", True])
@pytest.mark.parametrize("bias", ["digital", "analog"])
def test_scales_learn_by_their_gradient(exact, kind, bias) -> None:
    """Beside a hand-written ``s (V x) + b`` in torch, all of it parameters."""
    linear = nn.Linear(5, 3).double()
    layer = exact(linear, output_scale=kind, bias=bias)
    assert layer.output_scale.shape == ((3,) if kind == "output" else ())
    scale = nn.Parameter(layer.output_scale.detach().clone())
    matrix = nn.Parameter(torch.from_numpy(layer.tiles[0].weights()))
    added = nn.Parameter(torch.zeros(3).double() if bias == "analog" else linear.bias.detach())
    ours = AnalogSGD(layer.parameters(), lr=LR, rng=np.random.default_rng(0))
    theirs = torch.optim.SGD([scale, matrix, added], lr=LR)
    for _ in range(3):
        x = torch.randn(4, 5).double()
        ours.zero_grad()
        theirs.zero_grad()
        y = layer(x)
        if bias == "analog":
            wanted = torch.cat([x, torch.ones(4, 1).double()], 1) @ matrix.T * scale
        else:
            wanted = x @ matrix.T * scale + added
        torch.testing.assert_close(y, wanted)
        y.pow(2).sum().backward()
        wanted.pow(2).sum().backward()
        ours.step()
        theirs.step()
    torch.testing.assert_close(layer.output_scale.detach(), scale.detach())
    torch.testing.assert_close(torch.from_numpy(layer.tiles[0].weights()), matrix.detach())


def test_a_scale_an_output_gives_every_row_the_same_range(exact) -> None:
    linear = nn.Linear(5, 3)
    with torch.no_grad():
        linear.weight.mul_(torch.tensor([[0.1], [1.0], [0.0]]))
    layer = exact(linear, output_scale="output")
    largest = np.abs(layer.tiles[0].weights()).max(axis=1)
    assert largest[0] == pytest.approx(largest[1])
    assert layer.output_scale[2] == 1
    torch.testing.assert_close(layer.read()[0], linear.weight.detach().double())


def test_a_scale_of_one_changes_nothing(exact) -> None:
    linear, x = nn.Linear(5, 3), torch.randn(2, 5).double()
    layer = exact(linear, output_scale="layer")
    assert layer.output_scale.item() == 1
    torch.testing.assert_close(layer(x), linear.double()(x))


def test_an_analog_bias_is_one_more_column(fine) -> None:
    linear = nn.Linear(6, 4)
    layer = convert_to_analog(linear, fine(4, 7, slope=1e-3), omega=0.6, bias="analog")
    assert layer.bias is None
    assert layer.tiles[0].shape == (4, 7)
    assert (layer.in_features, layer.out_features) == (6, 4)
    assert "bias=analog" in repr(layer)
    x = torch.rand(3, 6)
    torch.testing.assert_close(layer(x), linear(x), rtol=0, atol=0.02)
    without = convert_to_analog(nn.Linear(6, 4, bias=False), fine(4, 7), bias="analog")
    assert without.tiles[0].shape == (4, 6)


def test_scale_and_bias_have_to_fit() -> None:
    tile = ExactTile(np.zeros((3, 4)), np.ones_like, np.ones_like)
    column = ExactTile(np.zeros((3, 1)), np.ones_like, np.ones_like)
    with pytest.raises(BadInputError, match="output scale of"):
        AnalogLinear([tile], output_scale=torch.ones(4))
    with pytest.raises(BadInputError, match="analog one"):
        AnalogLinear([tile], torch.zeros(3), analog_bias=True)
    with pytest.raises(BadInputError, match="takes a column"):
        AnalogLinear([column], analog_bias=True)


def test_scales_are_parameters_that_optimizers_see(real) -> None:
    model = convert_to_analog(mlp([6, 5, 3], seed=0), real(16, 16), output_scale="output")
    names = [name for name, _ in model.named_parameters()]
    assert "linear1.output_scale" in names
    assert "linear2.output_scale" in names
