"""A run on any kind of tile that is interrupted goes on as the run that is not, pulse by pulse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import AnalogSGD, DifferentialTile, analog_tiles, convert_to_analog


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(8, 4))


def pairs(model: nn.Module) -> list[DifferentialTile]:
    found = [(tile, *getattr(tile, "parts", ())) for tile in analog_tiles(model)]
    return [part for parts in found for part in parts if isinstance(part, DifferentialTile)]


RESUMED = [
    {"reference": "differential", "block": (4, 5)},
    {"reference": "crossbar", "bias": "analog", "output_scale": "output"},
    {"reference": "fixed", "block": (3, 8)},
]


@pytest.mark.parametrize("options", RESUMED, ids=str)
def test_a_run_that_is_resumed_is_the_run_that_was_not(options) -> None:
    """With all noises: pulse by pulse, restored pairs included."""
    cells = sample(PopulationSpec(), (32, 32), np.random.default_rng(1))
    x = torch.rand(6, 3, 1, 6, generator=torch.Generator().manual_seed(0))

    def begin(chip: TwinCrossbar, initialise: str) -> tuple[nn.Module, AnalogSGD]:
        model = convert_to_analog(network(1), chip, initialise=initialise, omega=0.3, **options)
        for pair in pairs(model):
            pair.check_every, pair.upper, pair.lower = 2, 0.2, 0.11
        return model, AnalogSGD(model.parameters(), lr=0.05, rng=np.random.default_rng(7))

    def go(model: nn.Module, optimizer: AnalogSGD, steps: range) -> None:
        for tile in analog_tiles(model):
            tile.refresh()
        for k in steps:
            optimizer.zero_grad()
            (model(x[k]) - 1).pow(2).sum().backward()
            optimizer.step()

    straight = TwinCrossbar(cells, seed=1)
    model, optimizer = begin(straight, "program")
    go(model, optimizer, range(3))
    kept, state = save(model.state_dict()), straight.state()
    steps = optimizer.state_dict()
    state = {name: np.array(value) for name, value in state.items()}
    go(model, optimizer, range(3, 6))
    resumed = TwinCrossbar(cells, seed=1)
    again, other = begin(resumed, "as is")
    again.load_state_dict(load(kept))
    other.load_state_dict(steps)
    resumed.restore(state)
    go(again, other, range(3, 6))
    np.testing.assert_array_equal(resumed.conductance, straight.conductance)
    assert torch.equal(again(x[0]), model(x[0]))
    if options["reference"] == "differential":
        assert sum(pair.restored for pair in pairs(model)) > 0
