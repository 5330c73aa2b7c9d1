"""What each algorithm is for, on exact tiles, where only that can make the difference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ohmloop.drivers import BadInputError, Crossbar
from ohmloop.training import (
    AnalogOptimizer,
    AnalogParameter,
    AnalogSGD,
    ChoppedTikiTaka,
    DataSet,
    ExactTile,
    MixedPrecision,
    MultiTileResidualLearning,
    ResidualLearning,
    ResidualLearningV2,
    Split,
    TikiTaka,
    TikiTakaV2,
    Trainer,
    convert_to_analog,
    mlp,
)

Make = Callable[..., AnalogOptimizer]
DW = 0.005


def tile(weights: np.ndarray, symmetric_point: float = 0.0, tau: float = 1.0) -> ExactTile:
    return ExactTile(
        weights,
        lambda w: 1 - (w - symmetric_point) / tau,
        lambda w: 1 + (w - symmetric_point) / tau,
        dw_min=DW,
    )


def least_squares(
    parameter: AnalogParameter, optimizer: AnalogOptimizer, steps: int, noise: float = 0.3
) -> float:
    """Learn a map of noisy samples; mean square error of the weight over the last quarter."""
    draw = np.random.default_rng(3)
    out, inputs = parameter.matrix_shape
    target = draw.uniform(-0.3, 0.3, (out, inputs))
    errors = []
    for step in range(steps):
        x = draw.normal(size=(2, inputs))
        y = torch.from_numpy(x @ target.T + noise * draw.normal(size=(2, out)))
        d = parameter.forward(torch.from_numpy(x)) - y
        parameter.record(torch.from_numpy(x), d)
        optimizer.step()
        if step >= 3 * steps // 4:
            weight = parameter.forward(torch.eye(inputs, dtype=torch.float64)).numpy().T
            errors.append(((weight - target) ** 2).mean())
    return float(np.mean(errors))


OFFSET = {
    "TikiTakaV2": {"transfer_lr": 0.2, "auto_scale": False, "gamma": 0.0},
    "AGAD": {"transfer_lr": 1.0, "chopper_probability": 0.2},
    "ERIDER": {
        "transfer_lr": 1.0,
        "reference_rate": 0.05,
        "chopper_probability": 0.1,
        "transfer_columns": 1,
    },
}


@pytest.mark.parametrize("name", OFFSET)
def test_a_symmetric_point_that_is_not_where_it_is_believed(make: Make, name: str) -> None:
    """All arrays start at 0, the fast one's symmetric point is there, or at 0.3 of the range.

    It spoils Tiki-Taka version 2; AGAD and E-RIDER are indifferent, and know it in the end.
    """
    errors, zero = [], np.zeros((3, 4))
    for symmetric_point in (0.0, 0.3):
        parameter = AnalogParameter([tile(zero, symmetric_point), tile(zero)])
        optimizer = make(name, [parameter], lr=0.1, fast_lr=0.05, **OFFSET[name])
        errors.append(least_squares(parameter, optimizer, 1200))
        if name != "TikiTakaV2":
            found = optimizer.state[parameter]["mean"].numpy()
            assert found.mean() == pytest.approx(symmetric_point, abs=0.06)
    right, wrong = errors
    assert right < 0.3**2 / 3 / 10  # a tenth of what not learning costs
    assert wrong > 5 * right if name == "TikiTakaV2" else wrong < 1.2 * right


def test_rider_ties_its_reference_to_the_weights(make: Make, rng: np.random.Generator) -> None:
    """Both move by ``v - q``; so, without a chopper, all that tells them apart is asymmetry."""
    even = ExactTile(np.zeros((3, 4)), np.ones_like, np.ones_like, dw_min=DW)
    parameter = AnalogParameter([tile(np.zeros((3, 4)), 0.3), even])
    optimizer = make("RIDER", [parameter], lr=0.1, transfer_lr=0.5, reference_rate=0.02)
    least_squares(parameter, optimizer, 200)
    reference = optimizer.state[parameter]["mean"].numpy()
    np.testing.assert_allclose(even.weights(), 0.05 / 0.02 * reference, atol=1e-12)
    assert abs(reference).max() > 0.01


def test_choppers_that_stay_turned_mirror_the_fast_array() -> None:
    """All signs -1 and a mirrored response: the same run with A the other way round."""
    runs = []
    for sign, bound, other in ((1.0, 0.5, 0.7), (-1.0, 0.7, 0.5)):
        fast = ExactTile(
            np.full((3, 4), sign * 0.05),
            lambda w, b=bound: 1 - w / b,
            lambda w, b=other: 1 + w / b,
            dw_min=DW,
        )
        parameter = AnalogParameter([fast, tile(np.zeros((3, 4)))])
        optimizer = ChoppedTikiTaka(
            [parameter], 0.5, rng=np.random.default_rng(0), gamma=0.2, chopper_probability=0
        )
        optimizer.memory(parameter)["chopper"].fill_(sign)
        least_squares(parameter, optimizer, 200)
        runs.append([t.weights() for t in parameter.tiles])
    (fast, main), (mirrored, same) = runs
    np.testing.assert_allclose(mirrored, -fast, atol=1e-12)
    np.testing.assert_allclose(same, main, atol=1e-12)
    assert abs(main).max() > 10 * DW


def test_mixed_precision_is_sgd_up_to_one_step(rng: np.random.Generator) -> None:
    """On cells that respond evenly the array never lags by a whole pulse."""
    start = np.zeros((3, 4))
    parameter = AnalogParameter([ExactTile(start, np.ones_like, np.ones_like, dw_min=DW)])
    optimizer, digital = MixedPrecision([parameter], 0.01, rng=rng), start
    for _ in range(200):
        x, d = rng.normal(size=(2, 4)), rng.normal(size=(2, 3))
        parameter.record(torch.from_numpy(x), torch.from_numpy(d))
        optimizer.step()
        digital = digital - 0.01 * d.T @ x
        assert abs(parameter.main.weights() - digital).max() < DW
    assert abs(digital).max() > 10 * DW


def test_a_small_residual_never_fires_in_version_2_of_residual_learning() -> None:
    """Its buffer is a mean; that of Tiki-Taka version 2 is a sum."""
    moved = {}
    for made in (ResidualLearningV2, TikiTakaV2):
        fast = ExactTile(np.full((1, 1), 0.9 * DW), np.ones_like, np.ones_like, dw_min=DW)
        parameter = AnalogParameter([fast, tile(np.zeros((1, 1)))])
        optimizer = made([parameter], 0.5, rng=np.random.default_rng(0), transfer_lr=1.0)
        for _ in range(100):
            optimizer.transfer(parameter, np.array([0]), rate=0.5)
        moved[made] = parameter.main.weights()[0, 0]
    assert moved[ResidualLearningV2] == 0
    assert moved[TikiTakaV2] > 30 * DW


@pytest.mark.parametrize("made", [ResidualLearning, ResidualLearningV2])
def test_residual_learning_computes_with_both_arrays(made: type) -> None:
    parameter = AnalogParameter([tile(np.full((1, 2), 0.5)), tile(np.zeros((1, 2)))])
    made([parameter], rng=np.random.default_rng(0), gamma=0.4)
    assert parameter.gamma == 0.4
    x = torch.ones(1, 2, dtype=torch.float64)
    assert float(parameter.forward(x)) == pytest.approx(0.4)


def test_layers_of_another_number_of_arrays_are_refused(
    algorithm: str, make: Make, real: Callable[..., Crossbar]
) -> None:
    for arrays in (1, 2, 3):
        wanted = {1: ("AnalogSGD", "MixedPrecision"), 3: ("MultiTileResidualLearning",)}
        fits = algorithm in wanted.get(arrays, ()) or (arrays == 2 and algorithm not in wanted[1])
        model = convert_to_analog(mlp([6, 4], seed=0), real(12, 6), arrays=arrays)
        if fits:
            make(algorithm, model.parameters())
        else:
            message = f"a layer of 4 x 6 has {arrays}: convert the model with arrays="
            with pytest.raises(BadInputError, match=message):
                make(algorithm, model.parameters())


def test_what_trains_cannot_hold_is_counted(
    real: Callable[..., Crossbar], rng: np.random.Generator
) -> None:
    model = convert_to_analog(mlp([6, 4], seed=0), real(4, 6))
    optimizer = AnalogSGD(model.parameters(), 1e3, rng=rng)
    assert optimizer.clipped_share() == 0
    for lr in (1e3, 1e-3):
        optimizer.param_groups[0]["lr"] = lr
        torch.nn.functional.cross_entropy(model(torch.ones(2, 6)), torch.tensor([0, 1])).backward()
        optimizer.step()
        assert (optimizer.clipped > 0.5) == (lr > 1)
    share = optimizer.clipped_share()
    assert 0.25 < share < 0.5  # the mean of a lost update and a whole one
    assert optimizer.clipped_share() == 0


def test_the_trainer_tells_the_loss_of_every_epoch(rng: np.random.Generator) -> None:
    split = Split(torch.rand(8, 6), torch.arange(8) % 3)
    optimizer = AnalogSGD((model := mlp([6, 3], seed=0)).parameters(), rng=rng)
    told: list[float] = []
    optimizer.epoch_ended = told.append
    trainer = Trainer(model, optimizer, DataSet("few", split, split, 3), rng=rng)
    assert told == [record.loss for record in trainer.run(3)]


def test_the_experimental_one_says_so() -> None:
    parameter = AnalogParameter([tile(np.zeros((1, 2)))] * 3)
    with pytest.warns(UserWarning, match="experimental"):
        MultiTileResidualLearning([parameter], rng=np.random.default_rng(0))


def test_buffers_need_a_granularity() -> None:
    exact = [ExactTile(np.zeros((1, 2)), np.ones_like, np.ones_like) for _ in range(2)]
    parameter = AnalogParameter(exact)
    optimizer = TikiTakaV2([parameter], rng=np.random.default_rng(0))
    with pytest.raises(BadInputError, match="granularity above 0"):
        optimizer.transfer(parameter, np.array([0]), 0.1)


@pytest.mark.parametrize(
    ("made", "bad", "message"),
    [
        (TikiTaka, {"gamma": -1.0}, "gamma must be 0 or more"),
        (ResidualLearningV2, {"lr": 2.0}, "at most 1"),
        (TikiTakaV2, {"threshold": 0.0}, "threshold"),
        (TikiTakaV2, {"auto_granularity": 0.0}, "auto_granularity"),
        (TikiTakaV2, {"fast_lr": -1.0}, "fast_lr"),
    ],
)
def test_bad_settings_say_what_is_wrong(made: type, bad: dict, message: str) -> None:
    parameter = AnalogParameter([tile(np.zeros((1, 2))), tile(np.zeros((1, 2)))])
    with pytest.raises(BadInputError, match=message):
        made([parameter], rng=np.random.default_rng(0), **bad)
