"""Early stopping, and evaluation every few epochs."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest
import torch

from ohmloop.drivers import BadInputError
from ohmloop.training import (
    DataSet,
    EarlyStopping,
    EpochRecord,
    Split,
    Trainer,
    digits,
    evaluate,
    judge,
    mlp,
)


def history(accuracies: list[float], losses: list[float] | None = None) -> list[EpochRecord]:
    losses = losses or [1.0] * len(accuracies)
    return [
        EpochRecord(k, 1.0, accuracy, 10, 0, 0.0, held_out_loss=loss)
        for k, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True), start=1)
    ]


@pytest.mark.parametrize(
    ("accuracies", "patience", "min_delta", "stops", "best"),
    [
        ([0.5, 0.6, 0.6, 0.6], 2, 0.0, True, 2),
        ([0.5, 0.6, 0.6], 2, 0.0, False, 2),
        ([0.5, 0.6, 0.5, 0.7], 2, 0.0, False, 4),
        ([0.5, 0.51, 0.52, 0.53], 3, 0.05, True, 1),  # too little each time
        ([0.5, 0.53, 0.56, 0.59], 3, 0.05, False, 3),  # but not together
        ([0.5, nan, nan, nan, nan], 2, 0.0, False, 1),  # nobody looked
        ([0.5, nan, 0.4, nan, 0.4], 2, 0.0, True, 1),
        ([], 1, 0.0, False, None),
    ],
)
def test_patience(accuracies, patience, min_delta, stops, best):
    stopping = EarlyStopping(patience, min_delta)
    found = stopping.best(history(accuracies))
    assert stopping.reached(history(accuracies)) is stops
    assert (found.epoch if found else None) == best


def test_losses_may_be_watched():
    records = history([0.5, 0.6, 0.7], [1.0, 1.1, 1.2])
    assert EarlyStopping(2, monitor="loss").reached(records)
    assert EarlyStopping(2, monitor="loss").best(records) is records[0]
    assert not EarlyStopping(2).reached(records)


@pytest.mark.parametrize("options", [{"patience": 0}, {"patience": 1, "min_delta": -1.0}])
def test_stopping_that_cannot_be(options):
    with pytest.raises(BadInputError, match="patience"):
        EarlyStopping(**options)
    with pytest.raises(BadInputError, match="accuracy or loss"):
        EarlyStopping(1, monitor="luck")


def trainer(**options: object) -> Trainer:
    data = digits(0)
    small = DataSet(
        "few",
        Split(data.train.x[:60], data.train.y[:60]),
        Split(data.held_out.x[:50], data.held_out.y[:50]),
        10,
    )
    model = mlp([64, 10], seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)  # never better
    return Trainer(model, optimizer, small, rng=np.random.default_rng(0), **options)


def test_a_run_that_gets_no_better_ends_early_and_stays_ended():
    run = trainer(stopping=EarlyStopping(3))
    assert len(run.run(50)) == 4
    assert run.stopped
    assert run.best is run.history[0]
    assert len(run.run(50)) == 4
    again = trainer(stopping=EarlyStopping(3))
    again.restore(*run.state())
    assert len(again.run(50)) == 4


def test_evaluation_every_few_epochs_and_at_the_end():
    run = trainer(evaluate_every=3)
    run.run(7)
    looked = [record.epoch for record in run.history if record.evaluated]
    assert looked == [3, 6, 7]
    assert all(isnan(r.held_out_loss) is not r.evaluated for r in run.history)
    with pytest.raises(BadInputError, match="evaluate_every"):
        trainer(evaluate_every=0)


def test_judgement_by_hand(monkeypatch):
    class Table(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    x = torch.tensor([[2.0, 0, 0], [0, 2.0, 0], [0, 2.0, 0], [0, 0, 2.0], [2.0, 0, 0]])
    split = Split(x, torch.tensor([0, 1, 2, 2, 2]))
    for at_once in (1000, 2):  # in one portion or three
        monkeypatch.setattr("ohmloop.training.trainer.evaluation.AT_ONCE", at_once)
        found = judge(Table(), split)
        assert found.accuracy == evaluate(Table(), split) == pytest.approx(0.6)
        assert found.confusion.tolist() == [[1, 0, 0], [0, 1, 0], [1, 1, 1]]
        assert found.loss == pytest.approx(float(torch.nn.functional.cross_entropy(x, split.y)))
