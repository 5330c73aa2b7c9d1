"""Analog SGD and Tiki-Taka, step by step."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.drivers import BadInputError, Crossbar, Limits
from ohmloop.training import (
    AnalogLinear,
    AnalogSGD,
    TikiTaka,
    analog_tiles,
    convert_to_analog,
    mlp,
)

Make = Callable[..., Crossbar]


def loss_of(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(model(x), y)


def pair_on(crossbar: Crossbar, arrays: int = 1) -> AnalogLinear:
    layer = convert_to_analog(mlp([6, 4], seed=0).linear1, crossbar, arrays=arrays, omega=0.5)
    assert isinstance(layer, AnalogLinear)
    return layer


def test_analog_sgd_follows_digital_sgd_on_a_fine_device(
    fine: Make, rng: np.random.Generator
) -> None:
    """Without noise and with 20 000 steps over the range only the drawing of trains is left.

    H0: errors are the drawing's, of variance dw_min times the path; 24 weights at 5 sigma, and a
    tenth of the way for the response, which is not quite flat: a false alarm in 70 000 runs.
    """
    digital = mlp([6, 4], seed=0)
    analog = convert_to_analog(copy.deepcopy(digital), fine(4, 6, slope=5e-5), omega=0.1)
    with torch.no_grad():  # start from what was really written
        digital.linear1.weight.copy_(torch.from_numpy(analog_tiles(analog)[0].weights()))
    start = digital.linear1.weight.detach().clone()
    ours = AnalogSGD(analog.parameters(), lr=0.01, rng=rng, desired_bl=64)
    theirs = torch.optim.SGD(digital.parameters(), lr=0.01)
    x = torch.from_numpy(rng.normal(size=(5, 6))).float()
    y = torch.from_numpy(rng.integers(0, 4, 5))
    path = np.zeros((4, 6))
    for _ in range(60):
        for model, optimizer in ((analog, ours), (digital, theirs)):
            optimizer.zero_grad()
            loss_of(model, x, y).backward()
            if model is analog:
                ((noted_x, noted_d),) = analog.linear1.weight.records
                path += 0.01 * np.abs(noted_d).T @ np.abs(noted_x)
            optimizer.step()
        assert ours.clipped == 0
    wanted, found = digital.linear1.weight.detach(), analog_tiles(analog)[0].weights()
    path, moved = torch.from_numpy(path), (wanted - start).abs()
    slack = 5 * (path * analog_tiles(analog)[0].dw_min).sqrt() + 0.1 * moved
    assert moved.max() > 3 * slack.max()  # else this test could not fail
    assert (torch.from_numpy(found) - wanted).abs().sub(slack).max() <= 0
    assert torch.allclose(analog.linear1.bias, digital.linear1.bias, atol=2e-3)


def test_digital_parameters_get_plain_sgd(rng: np.random.Generator) -> None:
    ours, theirs = mlp([6, 5, 4], seed=0), mlp([6, 5, 4], seed=0)
    x, y = torch.ones(3, 6), torch.tensor([0, 1, 2])
    for model, optimizer in (
        (ours, AnalogSGD(ours.parameters(), 0.3, rng=rng)),
        (theirs, torch.optim.SGD(theirs.parameters(), 0.3)),
    ):
        loss_of(model, x, y).backward()
        optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


def test_one_program_a_tile_and_step(real: Make, rng: np.random.Generator) -> None:
    layer = pair_on(real(4, 6))
    optimizer = AnalogSGD(layer.parameters(), lr=1.0, rng=rng)
    before = layer.weight.main.programs
    loss_of(layer, torch.ones(10, 6), torch.zeros(10, dtype=torch.int64)).backward()
    optimizer.step()
    assert layer.weight.main.programs == before + 1
    optimizer.step()  # the records are used up
    assert layer.weight.main.programs == before + 1


def test_zero_grad_forgets(real: Make, rng: np.random.Generator) -> None:
    layer = pair_on(real(4, 6))
    optimizer = AnalogSGD(layer.parameters(), lr=1.0, rng=rng)
    loss_of(layer, torch.ones(2, 6), torch.tensor([0, 1])).backward()
    optimizer.zero_grad()
    assert layer.weight.records == []
    assert layer.bias is not None
    assert layer.bias.grad is None


def test_a_closure_is_evaluated(real: Make, rng: np.random.Generator) -> None:
    layer = pair_on(real(4, 6))
    optimizer = AnalogSGD(layer.parameters(), lr=1.0, rng=rng)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = loss_of(layer, torch.ones(2, 6), torch.tensor([0, 1]))
        loss.backward()
        return loss

    before = layer.weight.main.pulses
    assert float(optimizer.step(closure).detach()) > 0
    assert layer.weight.main.pulses > before


def test_limits_are_kept_by_cutting_programs(serial: Make, rng: np.random.Generator) -> None:
    layer = pair_on(serial(4, 6, Limits(pulses_per_program=4)))
    optimizer = AnalogSGD(layer.parameters(), lr=5.0, rng=rng)
    tile = layer.weight.main
    before = tile.programs, tile.pulses
    loss_of(layer, torch.ones(10, 6), torch.zeros(10, dtype=torch.int64)).backward()
    optimizer.step()
    assert tile.programs > before[0] + 1
    assert tile.pulses > before[1] + 4


def test_hooks_and_profilers_are_told_of_steps(real: Make, rng: np.random.Generator) -> None:
    model = convert_to_analog(mlp([6, 3], seed=0), real(12, 12))
    optimizer, told = AnalogSGD(model.parameters(), lr=1.0, rng=rng), []
    handles = [
        optimizer.register_step_pre_hook(lambda *_: told.append("before")),
        optimizer.register_step_post_hook(lambda *_: told.append("after")),
    ]
    optimizer.step()
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert told == ["before", "after"]
    with torch.profiler.profile() as profile:
        optimizer.step()
    assert "Optimizer.step#AnalogSGD.step" in {event.key for event in profile.key_averages()}


def test_torch_schedules_its_rate(real: Make, rng: np.random.Generator) -> None:
    model = convert_to_analog(mlp([6, 3], seed=0), real(12, 12))
    optimizer = AnalogSGD(model.parameters(), lr=1.0, rng=rng)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            optimizer.step()
            schedule.step()
    assert optimizer.param_groups[0]["lr"] == 0.125


def test_one_bad_gradient_stops_all_pulses(real: Make, rng: np.random.Generator) -> None:
    model = convert_to_analog(mlp([6, 4, 3], seed=0), real(12, 12))
    optimizer = AnalogSGD(model.parameters(), lr=1.0, rng=rng)
    loss_of(model, torch.ones(2, 6), torch.tensor([0, 1])).backward()
    model.linear2.weight.records[0][1][0, 0] = np.inf
    before = [tile.pulses for tile in analog_tiles(model)]
    with pytest.raises(BadInputError, match="not finite"):
        optimizer.step()
    assert [tile.pulses for tile in analog_tiles(model)] == before


def test_the_gradient_goes_into_the_fast_array(fine: Make, rng: np.random.Generator) -> None:
    layer = pair_on(fine(8, 6, slope=1e-4), arrays=2)
    optimizer = TikiTaka(layer.parameters(), 0.1, rng=rng, fast_lr=0.02, transfer_every=2)
    fast, main = layer.tiles
    before_fast, before_main = fast.weights(), main.weights()
    x = torch.linspace(0.2, 1, 6).repeat(8, 1)
    loss_of(layer, x, torch.zeros(8, dtype=torch.int64)).backward()
    x, d = layer.weight.records[0]
    optimizer.step()
    moved = fast.weights() - before_fast
    wanted = -0.02 * (d.T @ x).astype(float)
    slack = 5 * np.sqrt(np.abs(wanted) * fast.dw_min) + 0.02 * np.abs(wanted)
    assert (np.abs(moved - wanted) <= slack).all()  # 24 values at 5 sigma: 1 in 70 000
    assert np.abs(wanted).max() > 2 * slack.max()
    assert np.array_equal(main.weights(), before_main)


def test_transfer_moves_the_main_array_by_what_was_read(
    fine: Make, rng: np.random.Generator
) -> None:
    """No noise and one-hot columns: a step's error is the drawing's, below 5 sigma of it."""
    layer = pair_on(fine(8, 6), arrays=2)
    optimizer = TikiTaka(layer.parameters(), 1.0, rng=rng, desired_bl=64)
    fast, main = layer.tiles
    planted = rng.uniform(-0.02, 0.02, (4, 6))
    fast.program(planted)
    before, held = main.weights(), fast.weights()
    for _ in range(20):
        optimizer.transfer(layer.weight, np.array([1, 4]), rate=0.2)
    moved = main.weights() - before
    wanted = 20 * 0.2 * held
    others = [0, 2, 3, 5]
    assert (moved[:, others] == 0).all()
    slack = 5 * np.sqrt(np.abs(wanted[:, [1, 4]]) * main.dw_min) + 0.2 * np.abs(wanted[:, [1, 4]])
    assert (np.abs(moved - wanted)[:, [1, 4]] <= slack).all()
    assert np.array_equal(fast.weights(), held)


def test_columns_take_turns(real: Make, rng: np.random.Generator) -> None:
    layer = pair_on(real(8, 6), arrays=2)
    optimizer = TikiTaka(layer.parameters(), rng=rng, transfer_every=2, transfer_columns=4)
    seen: list[list[int]] = []
    optimizer.transfer = lambda p, columns, rate: seen.append(columns.tolist()) or 0
    for _ in range(6):
        loss_of(layer, torch.ones(2, 6), torch.tensor([0, 1])).backward()
        optimizer.step()
    assert seen == [[0, 1, 2, 3], [4, 5, 0, 1], [2, 3, 4, 5]]


def test_tiki_taka_wants_two_arrays(real: Make, rng: np.random.Generator) -> None:
    layer = pair_on(real(4, 6))
    with pytest.raises(BadInputError, match="arrays=2"):
        TikiTaka(layer.parameters(), rng=rng)


@pytest.mark.parametrize(
    "bad",
    [{"lr": -1.0}, {"fast_lr": np.nan}, {"transfer_lr": np.inf}, {"transfer_every": 0}],
)
def test_bad_settings(real: Make, rng: np.random.Generator, bad: dict) -> None:
    layer = pair_on(real(8, 6), arrays=2)
    with pytest.raises(BadInputError):
        TikiTaka(layer.parameters(), rng=rng, **bad)
