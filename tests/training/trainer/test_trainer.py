"""The loop: digital and analog, stopping, resuming."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from ohmloop.drivers import BadInputError, Capabilities, OhmloopError
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import (
    AnalogSGD,
    DataSet,
    EpochRecord,
    Split,
    TikiTaka,
    Trainer,
    convert_to_analog,
    count_pulses,
    digits,
    evaluate,
    mlp,
)


@pytest.fixture(scope="module")
def small() -> DataSet:
    """An eighth of the digits."""
    data = digits(0)
    return DataSet(
        "few digits",
        Split(data.train.x[:200], data.train.y[:200]),
        Split(data.held_out.x[:100], data.held_out.y[:100]),
        data.classes,
    )


def twin(native: bool = True) -> TwinCrossbar:
    cells = sample(PopulationSpec(), (42, 64), np.random.default_rng(1))
    can = Capabilities(parallel_forward=native, coincidence_update=True)
    return TwinCrossbar(cells, seed=1, capabilities=can)


def trainer_on(
    crossbar: TwinCrossbar, data: DataSet, method: type, initialise: str = "program", seed: int = 5
) -> Trainer:
    model = convert_to_analog(
        mlp([64, 16, 10], seed=0),
        crossbar,
        arrays=2 if method is TikiTaka else 1,
        initialise=initialise,
    )
    optimizer = method(model.parameters(), rng=np.random.default_rng(seed))
    return Trainer(model, optimizer, data, rng=np.random.default_rng(seed + 1))


def essence(history: list[EpochRecord]) -> list[tuple[float, float, int]]:
    return [(record.loss, record.accuracy, record.pulses) for record in history]


def test_the_digital_yardstick() -> None:
    data, model = digits(0), mlp([64, 16, 10], seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(model, optimizer, data, rng=np.random.default_rng(0))
    history = trainer.run(6)
    assert history[-1].accuracy > 0.9
    assert history[-1].accuracy == evaluate(model, data.held_out)
    assert [record.epoch for record in history] == [1, 2, 3, 4, 5, 6]
    assert (trainer.samples, trainer.pulses) == (6 * len(data.train), 0)


@pytest.mark.parametrize(("method", "least"), [(AnalogSGD, 0.6), (TikiTaka, 0.6)])
def test_analog_training_learns(method: type, least: float) -> None:
    """Far from chance, 0.1, after a few epochs; the campaign test asks for the full accuracy."""
    trainer = trainer_on(twin(), digits(0), method)
    assert trainer.run(3)[-1].accuracy > least
    assert trainer.pulses > 0


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("method", [AnalogSGD, TikiTaka])
def test_the_same_seeds_give_the_same_run(small: DataSet, method: type, native: bool) -> None:
    runs = [trainer_on(twin(native), small, method, seed=s) for s in (5, 5, 6)]
    first, again, other = (essence(run.run(1)) for run in runs)
    assert first == again
    assert first != other


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("method", [AnalogSGD, TikiTaka])
def test_resuming_equals_going_on(small: DataSet, method: type, native: bool) -> None:
    chip = twin(native)
    whole = trainer_on(chip, small, method)
    whole.run(1)
    tensors, values = whole.state()
    values = json.loads(json.dumps(values))
    cells = chip.cells.state()
    whole.run(2)

    fresh = twin(native)
    resumed = trainer_on(fresh, small, method, initialise="as is", seed=77)
    fresh.cells.restore(cells)
    resumed.restore(tensors, values)
    assert resumed.epoch == 1
    resumed.run(2)
    assert essence(resumed.history) == essence(whole.history)
    assert np.array_equal(fresh.conductance, chip.conductance)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name])


def test_momentum_is_resumed_too(small: DataSet) -> None:
    def make() -> Trainer:
        model = mlp([64, 10], seed=0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        return Trainer(model, optimizer, small, rng=np.random.default_rng(3))

    whole, resumed = make(), make()
    whole.run(1)
    tensors, values = whole.state()
    whole.run(2)
    resumed.restore(tensors, json.loads(json.dumps(values)))
    resumed.run(2)
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_state_of_something_else_is_refused(small: DataSet) -> None:
    model = mlp([64, 10], seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    tensors, values = Trainer(model, optimizer, small, rng=np.random.default_rng(3)).state()
    other = mlp([64, 8, 10], seed=0)
    trainer = Trainer(
        other, torch.optim.SGD(other.parameters(), 0.05), small, rng=np.random.default_rng(3)
    )
    with pytest.raises(BadInputError, match="does not fit this run"):
        trainer.restore(tensors, values)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_stops_before_a_pulse(small: DataSet, poison: float) -> None:
    chip = twin()
    trainer = trainer_on(chip, small, AnalogSGD)
    trainer.loss = lambda y, classes: y.sum() * 0 + poison
    before, pulses = chip.conductance, count_pulses(trainer.model)
    with pytest.raises(OhmloopError, match=r"epoch 1, batch 1; no pulse was sent"):
        trainer.run(1)
    assert np.array_equal(chip.conductance, before)
    assert count_pulses(trainer.model) == pulses
    assert trainer.epoch == 0


def test_callbacks_are_told(small: DataSet) -> None:
    class Ear:
        def __init__(self) -> None:
            self.heard: list[object] = []

        def on_batch(self, trainer: Trainer, batch: int, loss: float) -> None:
            self.heard.append((batch, np.isfinite(loss)))

        def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
            assert trainer.history[-1] is record
            self.heard.append(record.epoch)

    ear, model = Ear(), mlp([64, 10], seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    rng = np.random.default_rng(0)
    Trainer(model, optimizer, small, rng=rng, batch_size=120, callbacks=[ear]).run(2)
    assert ear.heard == [(1, True), (2, True), 1, (1, True), (2, True), 2]


def test_evaluation_leaves_the_mode_alone(small: DataSet) -> None:
    model = mlp([64, 10], seed=0)
    for training in (True, False):
        model.train(training)
        assert 0 <= evaluate(model, small.held_out) <= 1
        assert model.training is training


def test_digits_are_split_alike_every_time() -> None:
    data, again, other = digits(3), digits(3), digits(4)
    assert torch.equal(data.held_out.x, again.held_out.x)
    assert not torch.equal(data.held_out.x, other.held_out.x)
    assert len(data.train) + len(data.held_out) == 1797
    assert (data.features, data.classes) == (64, 10)
    assert (float(data.train.x.min()), float(data.train.x.max())) == (0.0, 1.0)
    share = torch.bincount(data.held_out.y) / torch.bincount(
        torch.cat([data.train.y, data.held_out.y])
    )
    assert ((share - 0.2).abs() < 0.005).all()
    seen = {row.tobytes() for row in data.train.x.numpy()}
    assert not any(row.tobytes() in seen for row in data.held_out.x.numpy())


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_bad_shares(share: float) -> None:
    with pytest.raises(BadInputError, match="held_out"):
        digits(0, share)


def test_bad_batches_and_splits(small: DataSet) -> None:
    model = mlp([64, 10], seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    with pytest.raises(BadInputError, match="batch_size"):
        Trainer(model, optimizer, small, rng=np.random.default_rng(0), batch_size=0)
    with pytest.raises(BadInputError, match="samples"):
        Split(torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64))
