"""Schedules as functions of the progress, and in the loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohmloop.drivers import BadInputError
from ohmloop.training import (
    CosineSchedule,
    DataSet,
    ListSchedule,
    Split,
    StepSchedule,
    Trainer,
    WarmUp,
    mlp,
)


def few() -> DataSet:
    generator = torch.Generator().manual_seed(0)
    split = Split(torch.rand(40, 6, generator=generator), torch.arange(40) % 4)
    return DataSet("few", split, split, 4)


def test_steps():
    found = [StepSchedule(3, 0.5).factor(epoch) for epoch in (0, 2, 2.9, 3, 5.5, 6)]
    assert found == [1, 1, 1, 0.5, 0.5, 0.25]


def test_a_cosine_goes_down_in_between_and_stays_down():
    schedule = CosineSchedule(10, least=0.2)
    assert schedule.factor(0) == 1
    assert schedule.factor(5) == pytest.approx(0.6)
    assert schedule.factor(2.5) == pytest.approx(0.2 + 0.8 * (1 + np.sqrt(0.5)) / 2)
    assert schedule.factor(10) == schedule.factor(25) == pytest.approx(0.2)
    values = [schedule.factor(t) for t in np.linspace(0, 10, 50)]
    assert (np.diff(values) < 0).all()


def test_a_list_stays_at_its_last():
    schedule = ListSchedule([1, 0.5, 0.25], every=2)
    assert [schedule.factor(t) for t in (0, 1.9, 2, 4, 6, 99)] == [1, 1, 0.5, 0.25, 0.25, 0.25]


def test_a_warm_up_rises_on_top_of_another():
    schedule = WarmUp(2, StepSchedule(2, 0.5), first=0.1)
    assert schedule.factor(0) == pytest.approx(0.1)
    assert schedule.factor(1) == pytest.approx(0.55)
    assert schedule.factor(2) == schedule.factor(3.5) == 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda: StepSchedule(0, 0.5),
        lambda: StepSchedule(1, 0.0),
        lambda: CosineSchedule(0),
        lambda: CosineSchedule(1, 1.5),
        lambda: ListSchedule([]),
        lambda: ListSchedule([1.0, -1.0]),
        lambda: WarmUp(0, StepSchedule(1, 0.5)),
    ],
)
def test_schedules_that_cannot_be(make):
    with pytest.raises(BadInputError):
        make()


def test_the_rate_of_every_batch_and_group_follows():
    class Ear:
        def __init__(self) -> None:
            self.rates: list[tuple[float, ...]] = []

        def on_batch(self, trainer, batch, loss) -> None:
            self.rates.append(tuple(g["lr"] for g in trainer.optimizer.param_groups))

        def on_epoch(self, trainer, record) -> None:
            assert record.learning_rate == self.rates[-1][0]

    model, ear = mlp([6, 5, 4], seed=0), Ear()
    groups = [
        {"params": model[0].parameters(), "lr": 0.4},
        {"params": model[2].parameters(), "lr": 0.1},
    ]
    schedule = WarmUp(1, ListSchedule([1.0, 0.5]))
    Trainer(
        model,
        torch.optim.SGD(groups),
        few(),
        rng=np.random.default_rng(0),
        callbacks=[ear],
        schedule=schedule,
    ).run(2)
    wanted = [0, 0.25, 0.5, 0.75, 0.5, 0.5, 0.5, 0.5]
    assert ear.rates == [(pytest.approx(0.4 * f), pytest.approx(0.1 * f)) for f in wanted]
