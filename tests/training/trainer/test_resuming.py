"""Going on in the middle of an epoch: the same batches, pulses and records as without a break."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from ohmloop.drivers import Capabilities
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import (
    AnalogSGD,
    CosineSchedule,
    DataSet,
    Split,
    TikiTaka,
    Trainer,
    convert_to_analog,
    digits,
)

STOP = 13  # batches, of 8 an epoch


@pytest.fixture(scope="module")
def data() -> DataSet:
    whole = digits(0)
    return DataSet(
        "few",
        Split(whole.train.x[:80], whole.train.y[:80]),
        Split(whole.held_out.x[:40], whole.held_out.y[:40]),
        10,
    )


def twin(native: bool) -> TwinCrossbar:
    cells = sample(PopulationSpec(), (20, 64), np.random.default_rng(1))
    can = Capabilities(parallel_forward=native, coincidence_update=True)
    return TwinCrossbar(cells, seed=1, capabilities=can)


class Keeper:
    """Takes a checkpoint after some batch."""

    def __init__(self, chip: TwinCrossbar | None) -> None:
        self.chip, self.batches = chip, 0
        self.kept: tuple[Any, Any, Any] | None = None
        self.seen: list[float] = []

    def on_batch(self, trainer: Trainer, batch: int, loss: float) -> None:
        self.batches += 1
        self.seen.append(loss)
        if self.batches == STOP:
            tensors, values = trainer.state()
            cells = self.chip.state() if self.chip else {}
            self.kept = (tensors, json.dumps(values), cells)

    def on_epoch(self, trainer: Trainer, record: Any) -> None:
        """Nothing."""


def make(method: type, chip: TwinCrossbar, data: DataSet, as_is: bool, seed: int) -> Trainer:
    model = torch.nn.Sequential(torch.nn.Dropout(0.2), torch.nn.Linear(64, 10))
    model = convert_to_analog(
        model,
        chip,
        arrays=2 if method is TikiTaka else 1,
        initialise="as is" if as_is else "program",
    )
    optimizer = method(model.parameters(), rng=np.random.default_rng(seed))
    return Trainer(
        model,
        optimizer,
        data,
        rng=np.random.default_rng(seed + 1),
        schedule=CosineSchedule(3),
    )


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("method", [AnalogSGD, TikiTaka])
def test_resuming_within_an_epoch_is_exact(data, method, native):
    """Dropout included, which draws from torch's own generator."""
    torch.manual_seed(5)
    chip = twin(native)
    whole, keeper = make(method, chip, data, False, 3), Keeper(chip)
    whole.callbacks.append(keeper)
    whole.run(3)

    torch.manual_seed(6)
    fresh = twin(native)
    resumed, listener = make(method, fresh, data, True, 77), Keeper(None)
    resumed.callbacks.append(listener)
    assert keeper.kept is not None
    tensors, values, cells = keeper.kept
    fresh.restore(cells)
    resumed.restore(tensors, json.loads(values))
    assert (resumed.epoch, resumed.batch) == (1, STOP - 8)
    resumed.run(3)
    assert listener.seen == keeper.seen[STOP:]
    assert np.array_equal(fresh.conductance, chip.conductance)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    same = ("epoch", "loss", "accuracy", "pulses", "held_out_loss", "learning_rate", "samples")
    same = (*same, "products", "cells_read", "clipped", "chip_seconds", "bench_joules")
    for a, b in zip(whole.history, resumed.history, strict=True):
        assert [getattr(a, n) for n in same] == pytest.approx([getattr(b, n) for n in same])
    for name, used in whole.account.usage().items():
        assert used.pulses == resumed.account.usage()[name].pulses
        assert used.products == resumed.account.usage()[name].products


def test_a_run_that_was_broken_off_goes_on_in_the_same_process(data):
    """An interrupt between two batches loses none of them and repeats none."""

    class StopError(Exception):
        pass

    class Breaker(Keeper):
        def on_batch(self, trainer: Trainer, batch: int, loss: float) -> None:
            super().on_batch(trainer, batch, loss)
            if self.batches == 3:
                raise StopError

    def digital() -> Trainer:
        torch.manual_seed(1)
        model = torch.nn.Linear(64, 10)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return Trainer(model, optimizer, data, rng=np.random.default_rng(3))

    whole, broken = digital(), digital()
    whole.callbacks.append(seen := Keeper(None))
    broken.callbacks.append(breaker := Breaker(None))
    whole.run(2)
    with pytest.raises(StopError):
        broken.run(2)
    broken.run(2)
    assert breaker.seen == seen.seen
    assert broken.history[0].samples == 80
