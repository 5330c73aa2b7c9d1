"""Which layers go where."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.drivers import BadInputError, Crossbar
from ohmloop.training import convert_to_analog, mlp
from ohmloop.training.pipeline.partition import balanced, best_cuts, by_hand, measured


def names(parts: list[nn.Sequential]) -> list[list[str]]:
    return [[name for name, _ in part.named_children()] for part in parts]


def test_cuts_are_the_best_there_are() -> None:
    """Against all cuts, tried one after the other."""
    rng = np.random.default_rng(5)
    for count in range(1, 9):
        costs = rng.integers(0, 9, count).astype(float).tolist()
        for parts in range(1, count + 1):
            found = best_cuts(costs, parts)
            assert [a for a, _ in found[1:]] == [b for _, b in found[:-1]]
            assert (found[0][0], found[-1][1], len(found)) == (0, count, parts)
            assert all(b > a for a, b in found)
            tried = [
                max(sum(costs[a:b]) for a, b in zip((0, *cut), (*cut, count), strict=True))
                for cut in combinations(range(1, count), parts - 1)
            ]
            assert max(sum(costs[a:b]) for a, b in found) == min(tried)


def test_layers_without_weights_go_with_their_neighbours() -> None:
    model = mlp([64, 64, 64, 10], seed=0)
    assert names(balanced(model, 3)) == [["linear1", "tanh1"], ["linear2", "tanh2"], ["linear3"]]
    assert names(balanced(model, 2)) == [["linear1", "tanh1"], ["linear2", "tanh2", "linear3"]]
    front = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    assert names(balanced(front, 2)) == [["0", "1", "2"], ["3"]]


def test_costs_that_are_given() -> None:
    model = mlp([4, 4, 4, 4, 4], seed=0)
    costs = {"linear1": 1.0, "linear2": 1.0, "linear3": 1.0, "linear4": 9.0}
    assert [len(p) for p in names(balanced(model, 2, costs))] == [6, 1]
    with pytest.raises(BadInputError, match=r"costs: no layer 'linear9'; the model has linear1"):
        balanced(model, 2, {"linear9": 1.0})
    with pytest.raises(BadInputError, match="cannot cost -1"):
        balanced(model, 2, {"linear1": -1.0})


def test_parts_share_the_layers() -> None:
    model = mlp([4, 5, 3], seed=0)
    x = torch.ones(2, 4)
    for parts in (balanced(model, 2), by_hand(model, [["linear1"], ["tanh1", "linear2"]])):
        value = x
        for part in parts:
            value = part(value)
        assert torch.equal(value, model(x))


def test_analog_layers_count_all_their_arrays(twin: Callable[..., Crossbar]) -> None:
    model = convert_to_analog(mlp([12, 8, 4], seed=0), twin(1), arrays=2)
    assert names(balanced(model, 2)) == [["linear1", "tanh1"], ["linear2"]]
    found = measured(model, torch.ones(3, 12), repeats=2)
    assert found.keys() == {"linear1", "tanh1", "linear2"}
    assert min(found.values()) > 0
    assert model.linear1.weight.records == []


def test_more_stages_than_layers() -> None:
    with pytest.raises(BadInputError, match=r"4 stages for 2 layers with weights \(linear1, lin"):
        balanced(mlp([4, 5, 3], seed=0), 4)


@pytest.mark.parametrize(
    ("stages", "complaint"),
    [
        ([["linear1", "tanh"], ["linear2"]], "no layer 'tanh'; the model has linear1, tanh1, lin"),
        ([["linear1", "tanh1"]], "layer 'linear2' is in no stage"),
        ([["linear1", "tanh1"], ["tanh1", "linear2"]], "layer 'tanh1' is listed twice"),
        ([["tanh1", "linear1"], ["linear2"]], "layer 'tanh1' is out of order"),
        ([["linear1", "tanh1", "linear2"], []], "stage 2 is empty"),
    ],
)
def test_wrong_lists(stages: list[list[str]], complaint: str) -> None:
    with pytest.raises(BadInputError, match=complaint):
        by_hand(mlp([4, 5, 3], seed=0), stages)
