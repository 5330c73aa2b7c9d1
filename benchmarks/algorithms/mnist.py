"""MNIST by the network of arXiv:2406.12774, Fig. 5, on soft-bounds cells with their spreads."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.presets import preset
from ohmloop.training import (
    AnalogLinear,
    AnalogSGD,
    AnalogTile,
    DataSet,
    Split,
    TikiTaka,
    Trainer,
    idx_images,
    mlp,
)

from .published import MNIST

SIZES, BATCH = [784, 256, 128, 10], 10
RATES = {"digital": 0.1, "analog-sgd": 0.05, "tiki-taka": 0.05}
_MIDDLE, _HALF = 50e-6, 10e-6  # S: where a preset's range is kept


def load(folder: Path, images: int, seed: int) -> DataSet:
    """The IDX files; ``images`` of the training images, drawn by the seed, and all test images."""
    whole = idx_images(folder)
    some = torch.from_numpy(np.random.default_rng(seed).permutation(len(whole.train))[:images])
    return DataSet("mnist", Split(whole.train.x[some], whole.train.y[some]), whole.held_out, 10)


@dataclass(frozen=True)
class Case:
    """One run."""

    algorithm: str
    tau: float
    seed: int
    factor: float = 1.0  # of all learning rates

    def trainer(self, data: DataSet) -> Trainer:
        """Model, optimizer, data."""
        model = mlp(SIZES, "sigmoid", seed=self.seed)
        shuffle, trains, cells = (np.random.default_rng([self.seed, k]) for k in range(3))
        lr = self.factor * RATES[self.algorithm]
        if self.algorithm == "digital":
            optimizer: Any = torch.optim.SGD(model.parameters(), lr)
        else:
            arrays = 2 if self.algorithm == "tiki-taka" else 1
            for name, linear in list(model.named_children()):
                if isinstance(linear, nn.Linear):
                    setattr(model, name, _analog(linear, self.tau, arrays, cells))
            if arrays == 1:
                optimizer = AnalogSGD(model.parameters(), lr, rng=trains)
            else:
                fast = self.factor * 0.01
                optimizer = TikiTaka(
                    model.parameters(), lr, rng=trains, fast_lr=fast, transfer_lr=1.0 / self.factor
                )
        return Trainer(model, optimizer, data, rng=shuffle, batch_size=BATCH)


def _analog(linear: nn.Linear, tau: float, arrays: int, rng: np.random.Generator) -> AnalogLinear:
    """Weights as they are; cells by aihwkit's law and default spreads, weight 0 mid-range."""
    shape = (linear.out_features, linear.in_features)
    device = preset("reram-sb").changed(
        {
            "w_max": tau, "w_min": -tau, "w_max_dtod": 0.3, "w_min_dtod": 0.3, "dw_min": 1e-3,
            "dw_min_dtod": 0.3, "dw_min_std": 0.3, "up_down_dtod": 0.01, "write_noise_std": 0.0,
        }
    )  # fmt: skip
    weights, tiles = linear.weight.detach().double().numpy(), []
    for k in range(arrays):
        cells = device.in_siemens(device.draw(shape, rng))
        tile = AnalogTile(TwinCrossbar(cells, seed=int(rng.integers(2**31))), w_max=tau)
        tile.rescale(np.full(shape, _MIDDLE), _HALF / tau)
        tile.program(weights if k == arrays - 1 else np.zeros(shape))
        tiles.append(tile)
    return AnalogLinear(tiles, linear.bias)


def run(
    folder: Path, cases: list[Case], images: int, epochs: int, minutes: float
) -> tuple[list[str], list[str]]:
    """Lines of the table, and targets missed. Every case gets an equal share of the minutes."""
    torch.set_num_threads(1)
    share = 60 * minutes / len(cases)
    found: dict[tuple[str, float], list[tuple[float, int, float]]] = {}
    for case in cases:
        trainer = case.trainer(load(folder, images, case.seed))
        end, started = time.monotonic() + share, time.monotonic()
        while trainer.epoch < epochs:
            trainer.run(trainer.epoch + 1)
            left, per = end - time.monotonic(), (time.monotonic() - started) / trainer.epoch
            last = trainer.history[-1]
            print(f"{case}: epoch {last.epoch}, {100 * last.accuracy:.2f} %", flush=True)
            if left < per:
                break
        told = 100 * trainer.history[-1].accuracy, trainer.epoch, per
        found.setdefault((case.algorithm, case.tau), []).append(told)
    lines = [
        "## MNIST, 784-256-128-10 sigmoid, batch 10",
        "",
        (
            f"{images} training images, tested on all 10,000; learning rates"
            f" {cases[0].factor:g} times 0.1 (digital), 0.05, and 0.01 of the fast array;"
            " soft-bounds cells, dw_min 1e-3, spreads of 30 %, noise of 30 % a step, weights"
            " unscaled. The paper trains for 80 epochs of 60,000 images on weights scaled to the"
            " cells by aihwkit, so only what both bring to an end can be compared."
        ),
        "",
        "| algorithm | tau | accuracy, % | epochs | s an epoch | paper, % |",
        "|---|---|---|---|---|---|",
    ]
    for (algorithm, tau), ends in found.items():
        values, counts, seconds = (np.array(part) for part in zip(*ends, strict=True))
        spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
        paper = MNIST.get(("fcn", algorithm, tau), "-")
        lines.append(
            f"| {algorithm} | {f'{tau:g}' if tau else '-'} | {values.mean():.2f}{spread}"
            f" | {counts.min()} | {seconds.mean():.0f} | {paper} |"
        )
    return lines, []
