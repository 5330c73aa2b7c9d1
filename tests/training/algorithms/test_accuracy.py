"""Digits on a default crossbar, trained to the end; minutes, so a campaign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from ohmloop.drivers import open_crossbar
from ohmloop.training import (
    AnalogSGD,
    EpochRecord,
    TikiTaka,
    Trainer,
    convert_to_analog,
    digits,
    mlp,
)


@dataclass(frozen=True)
class Schedule:
    """Lowers the learning rate between epochs."""

    scheduler: torch.optim.lr_scheduler.LRScheduler

    def on_batch(self, trainer: Trainer, batch: int, loss: float) -> None:
        """Nothing."""

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        self.scheduler.step()


def final_accuracy(method: str, seed: int) -> float:
    """Mean over the last four epochs."""
    model, rng = mlp([64, 16, 10], seed=seed), np.random.default_rng(seed)
    chip, callbacks = open_crossbar(f"sim:soft-bounds?shape=64x64&seed={seed}"), []
    if method == "digital":
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    elif method == "sgd":
        model = convert_to_analog(model, chip, omega=0.1)
        optimizer = AnalogSGD(model.parameters(), rng=rng)
    else:
        model = convert_to_analog(model, chip, arrays=2, omega=0.2)
        optimizer = TikiTaka(model.parameters(), rng=rng)
        callbacks = [Schedule(torch.optim.lr_scheduler.StepLR(optimizer, 7, 0.4))]
    trainer = Trainer(model, optimizer, digits(seed), rng=rng, callbacks=callbacks)
    return float(np.mean([record.accuracy for record in trainer.run(20)[-4:]]))


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tiki_taka_comes_near_digital_training(seed: int) -> None:
    found = {method: final_accuracy(method, seed) for method in ("digital", "tt", "sgd")}
    assert found["digital"] > 0.96
    assert found["tt"] > found["digital"] - 0.02
    assert found["sgd"] > 0.87
