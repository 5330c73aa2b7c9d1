"""Sections ``model`` and ``mapping`` of an experiment file."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from ohmloop.app.examples_folder import example
from ohmloop.app.experiments import Experiment, load_experiment
from ohmloop.app.experiments.mapping import MappingConfig
from ohmloop.app.experiments.model import ModelConfig
from ohmloop.app.train import make_trainer
from ohmloop.drivers import BadInputError, open_crossbar
from ohmloop.training import (
    AnalogConv2d,
    DifferentialTile,
    ReferenceTile,
    analog_layers,
    analog_tiles,
    lenet,
)

CONV = [{"channels": 3, "kernel": 3, "pool": 2}, {"channels": 4, "kernel": 2, "padding": 1}, 6, 10]


def build(features: int = 64, **keys) -> nn.Module:
    return ModelConfig.model_validate(keys).build(features, 10, 0, "digits")


def test_three_forms() -> None:
    assert [type(m).__name__ for m in build(layers=[64, 16, 10])] == ["Linear", "Tanh", "Linear"]
    names = [name for name, _ in build(layers=CONV).named_children()]
    assert names == [
        *("image", "conv1", "conv1_tanh", "pool1", "conv2", "conv2_tanh", "flatten"),
        *("linear1", "tanh1", "linear2"),
    ]
    kinds = [type(m).__name__ for m in build(784, name="lenet")]
    assert kinds == [
        *("AsImage", "Conv2d", "Tanh", "MaxPool2d", "Conv2d", "Tanh", "MaxPool2d", "Tanh"),
        *("Flatten", "Linear", "Tanh", "Linear"),
    ]


def test_lenet_is_that_of_the_papers() -> None:
    net = lenet((1, 28, 28), 10, seed=3)
    shapes = [tuple(p.shape) for p in net.parameters() if p.dim() > 1]
    assert shapes == [(16, 1, 5, 5), (32, 16, 5, 5), (128, 512), (10, 128)]
    assert net(torch.rand(2, 784)).shape == net(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    again, other = lenet((1, 28, 28), 10, seed=3), lenet((1, 28, 28), 10, seed=4)
    assert torch.equal(net.conv2.weight, again.conv2.weight)
    assert not torch.equal(net.conv2.weight, other.conv2.weight)
    assert net.conv2.weight.abs().max() <= 400**-0.5


def test_conv_layers_are_what_they_say() -> None:
    layers = [{"channels": 2, "kernel": 3, "stride": 2, "activation": None, "then": "relu"}, 10]
    net = build(layers=layers, activation="sigmoid", image=[1, 4, 16])
    assert [type(m).__name__ for m in net] == ["AsImage", "Conv2d", "ReLU", "Flatten", "Linear"]
    assert net.linear1.in_features == 2 * 1 * 7
    assert net(torch.rand(3, 64)).shape == (3, 10)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "two sizes or more"),
        ({"layers": [64]}, "at least 2 items"),
        ({"layers": [64, CONV[0], 10]}, "convolutions come before"),
        ({"layers": CONV[:2]}, "one size or more"),
        ({"layers": [64, 10], "name": "conv"}, "one size or more"),
        ({"layers": CONV, "name": "mlp"}, "two sizes or more"),
        ({"layers": [64, 10], "name": "lenet"}, "layers of its own"),
        ({"layers": [{"channels": 3, "kernel": 3, "pol": 2}, 10]}, "pol"),
        ({"layers": [64, 0]}, "greater than or equal to 1"),
    ],
)
def test_layers_that_make_no_network(keys, message) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelConfig.model_validate(keys)


@pytest.mark.parametrize(
    ("features", "keys", "message"),
    [
        (64, {"layers": [63, 10]}, "from 64 to 10 for digits, not from 63 to 10"),
        (64, {"layers": [*CONV[:3], 9]}, "end in 10 for digits, not 9"),
        (60, {"layers": CONV}, "model.image is needed: digits has 60 features"),
        (64, {"layers": CONV, "image": [3, 8, 8]}, "model.image 3 x 8 x 8 is not of 64 features"),
        (64, {"name": "lenet"}, r"convolution 2 \(kernel 5, pool 2\) leaves nothing of 2 pixels"),
    ],
)
def test_networks_that_do_not_fit_the_data(features, keys, message) -> None:
    with pytest.raises(BadInputError, match=message):
        build(features, **keys)


def test_omega_of_the_file_holds_where_mapping_has_none() -> None:
    assert MappingConfig().options(0.3)["omega"] == 0.3
    assert MappingConfig(omega=0.1).options(0.3)["omega"] == 0.1
    assert MappingConfig().options(0.3)["output_scale"] is False
    assert MappingConfig(output_scale="output").options(0.3)["output_scale"] == "output"


def test_an_experiment_with_convolutions_and_a_mapping() -> None:
    experiment = Experiment.model_validate(
        {
            "name": "x",
            "model": {"layers": CONV},
            "algorithm": {"name": "analog-sgd", "learning_rate": 0.05},
            "training": {"epochs": 1},
            "mapping": {"reference": "crossbar", "exclude": "linear1", "bias": "analog"},
        }
    )
    with open_crossbar("sim:soft-bounds?shape=64x64&seed=1") as chip:
        trainer = make_trainer(experiment, [chip], programmed=False)
        layers = analog_layers(trainer.model)
        assert list(layers) == ["conv1", "conv2", "linear2"]
        assert isinstance(layers["conv1"], AnalogConv2d)
        assert isinstance(layers["conv1"].tiles[0], ReferenceTile)
        assert layers["linear2"].tiles[0].shape == (10, 7)


def test_a_model_that_does_not_fit_names_the_experiment() -> None:
    experiment = Experiment.model_validate(
        {
            "name": "too small",
            "model": {"layers": [4, 10]},
            "algorithm": {"name": "digital-sgd", "learning_rate": 0.05},
            "training": {"epochs": 1},
        }
    )
    with pytest.raises(BadInputError, match=r"too small: model\.layers must go from 64"):
        make_trainer(experiment, [], programmed=False)


def test_the_example_with_convolutions_fits_its_crossbar() -> None:
    experiment = load_experiment(example("digits-conv.yaml"))
    with open_crossbar(experiment.crossbar) as chip:
        trainer = make_trainer(experiment, [chip], programmed=True)
    tiles = analog_tiles(trainer.model)
    assert [tile.shape for tile in tiles] == [(8, 9), (32, 72), (10, 32)]
    assert all(isinstance(tile, DifferentialTile) for tile in tiles)


@pytest.mark.campaign
def test_the_example_with_convolutions_learns() -> None:
    """About 92 %; the margin is for other machines' rounding."""
    experiment = load_experiment(example("digits-conv.yaml"))
    with open_crossbar(experiment.crossbar) as chip:
        trainer = make_trainer(experiment, [chip], programmed=False)
        trainer.run(experiment.training.epochs)
    assert trainer.history[-1].accuracy > 0.88
    assert sum(tile.restored for tile in analog_tiles(trainer.model)) > 100
