"""What layers keep, and that it is enough to go on: every kind of tile, every kind of layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from ohmloop.training import AnalogSGD, ExactTile, analog_tiles, convert_to_analog, convert_with

KINDS = [
    {"reference": "map"},
    {"reference": "fixed"},
    {"reference": "crossbar"},
    {"reference": "differential"},
    {"block": (3, 2)},
    {"reference": "differential", "block": (3, 4), "bias": "analog", "output_scale": "output"},
    {"reference": "crossbar", "arrays": 2, "gamma": 0.5, "output_scale": True},
]


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(8, 4))


def step(model: nn.Module, seed: int) -> None:
    optimizer = AnalogSGD(model.parameters(), lr=0.05, rng=np.random.default_rng(seed))
    optimizer.zero_grad()
    model(torch.linspace(-1, 1, 18).reshape(3, 1, 6)).pow(2).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_model_goes_on_with_what_it_kept(fine, options) -> None:
    """Without noise, a model that takes over is the model that was, before and after a step."""
    chip, x = fine(32, 32), torch.rand(3, 1, 6)
    first = convert_to_analog(network(1), chip, omega=0.3, **options)
    step(first, 0)
    kept, wanted = save(first.state_dict()), first(x).detach()
    second = convert_to_analog(network(2), chip, omega=0.9, initialise="as is", **options)
    assert not torch.allclose(second(x), wanted, atol=1e-3)
    result = second.load_state_dict(load(kept))
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    assert torch.equal(second(x), wanted)
    pulses = [tile.pulses for tile in analog_tiles(first)]
    step(second, 1)
    assert [tile.pulses for tile in analog_tiles(second)] != [0] * len(pulses)


def test_an_exact_tile_keeps_weights_and_generator() -> None:
    def make(seed: int) -> nn.Module:
        def tiles(matrices):
            return {
                name: [
                    ExactTile(
                        weights,
                        np.ones_like,
                        np.ones_like,
                        dw_min=1e-3,
                        rng=np.random.Generator(np.random.Philox(seed)),
                    )
                ]
                for name, weights in matrices.items()
            }

        return convert_with(network(seed), tiles)

    first, second, x = make(1), make(2), torch.rand(3, 1, 6)
    step(first, 0)
    second.load_state_dict(load(save(first.state_dict())))
    assert torch.equal(second(x), first(x))
    step(first, 1)
    step(second, 1)
    assert torch.equal(second(x), first(x))


def test_a_state_of_another_tile_is_refused(fine) -> None:
    chip = fine(32, 32)
    state = convert_to_analog(nn.Linear(4, 3), chip).state_dict()
    other = convert_to_analog(nn.Linear(4, 3), chip, reference="crossbar")
    with pytest.raises(RuntimeError, match=r"Missing key.*tiles\.0\.plus\.reference"):
        other.load_state_dict(state)
    with pytest.raises(RuntimeError, match=r"Unexpected key.*tiles\.1\.reference"):
        convert_to_analog(nn.Linear(4, 3), chip).load_state_dict(
            convert_to_analog(nn.Linear(4, 3), chip, arrays=2).state_dict()
        )
    larger = convert_to_analog(nn.Linear(5, 3, bias=False), chip)
    del state["bias"]
    with pytest.raises(RuntimeError, match=r"tiles\.0: a mapping of \(3, 4\) cells"):
        larger.load_state_dict(state)
    lenient = convert_to_analog(nn.Linear(4, 3), chip)
    assert lenient.load_state_dict({}, strict=False).missing_keys
    exact = convert_with(
        nn.Linear(4, 3),
        lambda found: {n: [ExactTile(w, np.ones_like, np.ones_like)] for n, w in found.items()},
    )
    state = exact.state_dict()
    state["tiles.0.weights"] = torch.zeros(2, 2)
    with pytest.raises(RuntimeError, match="exact tile of another shape"):
        exact.load_state_dict(state)


def test_weights_on_the_chip_are_not_in_it(fine) -> None:
    state = convert_to_analog(nn.Linear(4, 3), fine(8, 8)).state_dict()
    assert list(state) == ["weight", "bias", "tiles.0.reference", "tiles.0.siemens_per_weight"]
    assert state["weight"].numel() == 0
