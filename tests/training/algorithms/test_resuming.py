"""An optimizer's state, through JSON and safetensors, goes on bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import torch
from safetensors.torch import load, save
from torch import nn

from ohmloop.drivers import Crossbar
from ohmloop.training import AnalogOptimizer, convert_to_analog, mlp
from ohmloop.training.trainer.run_state import join_state, split_state


def train(model: nn.Module, optimizer: AnalogOptimizer, steps: range) -> None:
    for step in steps:
        draw = np.random.default_rng(step)
        x = torch.from_numpy(draw.uniform(0, 1, (4, 6))).float()
        y = torch.from_numpy(draw.integers(0, 3, 4))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        if step % 6 == 5:
            optimizer.epoch_ended(float(step))


def test_resuming_equals_going_on(
    algorithm: str,
    arrays_of: Callable[[str], int],
    make: Callable[..., AnalogOptimizer],
    real: Callable[..., Crossbar],
) -> None:
    found = []
    for interrupted in (False, True):
        chip = real(21, 10)
        model = convert_to_analog(mlp([6, 4, 3], seed=0), chip, arrays=arrays_of(algorithm))
        optimizer = make(algorithm, model.parameters())
        train(model, optimizer, range(20))
        if interrupted:
            tensors, values = split_state(optimizer.state_dict(), "optimizer")
            tensors, values = load(save(tensors)), json.loads(json.dumps(values))
            for layer in (model.linear1, model.linear2):
                layer.weight.offset = layer.weight.signs = None
                layer.weight.gamma = 0.0
            optimizer = make(algorithm, model.parameters(), seed=99)
            optimizer.load_state_dict(join_state(tensors, values, "optimizer"))
        train(model, optimizer, range(20, 32))
        found.append((chip.conductance, split_state(optimizer.state_dict(), "optimizer")))
    (cells, (tensors, values)), (again, (other_tensors, other_values)) = found
    assert np.array_equal(cells, again)
    assert json.dumps(values) == json.dumps(other_values)
    assert tensors.keys() == other_tensors.keys()
    for name, tensor in tensors.items():
        assert tensor.dtype == other_tensors[name].dtype
        assert torch.equal(tensor.nan_to_num(nan=9e9), other_tensors[name].nan_to_num(nan=9e9))
