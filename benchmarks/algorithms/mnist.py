"""MNIST by the networks of arXiv:2406.12774, Fig. 5, on soft-bounds cells with their spreads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.presets import preset
from ohmloop.training import (
    AnalogSGD,
    AnalogTile,
    DataSet,
    Split,
    StepSchedule,
    TikiTaka,
    Trainer,
    convert_with,
    idx_images,
    lenet,
    mlp,
)

from .results import Run

ALL = 60_000  # training images of MNIST
EPOCHS = 80  # of the paper
RATES = {"digital": 0.1, "analog-sgd": 0.05, "tiki-taka": 0.05}
FAST_RATE = 0.01
_MIDDLE, _HALF = 50e-6, 10e-6  # S: where a preset's range is kept


@dataclass(frozen=True)
class Network:
    """One of the paper's.

    Attributes:
        title: for a heading.
        batch: samples of a mini-batch.
        taus: bounds of the weights.
    """

    title: str
    batch: int
    taus: tuple[float, ...]

    def make(self, seed: int) -> nn.Module:
        """The network, digital, with the first weights of that seed."""
        if self is NETWORKS["mnist"]:
            return mlp([784, 256, 128, 10], "sigmoid", seed=seed)
        return lenet((1, 28, 28), 10, seed=seed)


NETWORKS = {
    "mnist": Network("784-256-128-10, sigmoid, batch 10", 10, (0.7, 0.78, 0.8)),
    "cnn": Network("LeNet-style network (`lenet`), batch 8", 8, (0.6, 0.7, 0.8)),
}
"""By part of the benchmark."""


def cases(
    part: str, taus: Iterable[float], seeds: Iterable[int], images: int, factor: float
) -> list[Run]:
    """Runs to make, all of the first seed first.

    Args:
        part: ``mnist`` or ``cnn``.
        taus: bounds of the weights.
        seeds: one run each.
        images: to learn from.
        factor: of all learning rates.
    """
    settings = [("digital", 0.0)]
    settings += [(name, tau) for tau in taus for name in ("analog-sgd", "tiki-taka")]
    setting = {"images": images, "rate_factor": factor}
    return [Run(part, name, tau, seed, setting) for seed in seeds for name, tau in settings]


def load(folder: Path, images: int, seed: int) -> DataSet:
    """The IDX files; ``images`` of the training images, drawn by the seed, and all test images."""
    whole = idx_images(folder)
    some = torch.from_numpy(np.random.default_rng(seed).permutation(len(whole.train))[:images])
    return DataSet("mnist", Split(whole.train.x[some], whole.train.y[some]), whole.held_out, 10)


def trainer(case: Run, data: DataSet) -> Trainer:
    """Model, optimizer, schedule and data of a case."""
    network, factor = NETWORKS[case.part], case.setting["rate_factor"]
    model = network.make(case.seed)
    shuffle, trains, cells = (np.random.default_rng([case.seed, k]) for k in range(3))
    lr = factor * RATES[case.algorithm]
    if case.algorithm != "digital":
        arrays = 2 if case.algorithm == "tiki-taka" else 1
        model = convert_with(
            model,
            lambda matrices: {n: _tiles(w, case.at, arrays, cells) for n, w in matrices.items()},
            output_scale="layer",
        )
    optimizer: Any
    if case.algorithm == "digital":
        optimizer = torch.optim.SGD(model.parameters(), lr)
    elif case.algorithm == "analog-sgd":
        optimizer = AnalogSGD(model.parameters(), lr, rng=trains)
    else:
        fast = factor * FAST_RATE
        optimizer = TikiTaka(
            model.parameters(), lr, rng=trains, fast_lr=fast, transfer_lr=1.0 / factor
        )
    return Trainer(
        model,
        optimizer,
        data,
        rng=shuffle,
        batch_size=network.batch,
        schedule=StepSchedule(35, 0.1),
    )


def _tiles(
    weights: np.ndarray[Any, Any], tau: float, arrays: int, rng: np.random.Generator
) -> list[AnalogTile]:
    """Weights as they are; cells by aihwkit's law and default spreads, weight 0 mid-range."""
    shape = (weights.shape[0], weights.shape[1])
    device = preset("reram-sb").changed(
        {
            "w_max": tau, "w_min": -tau, "w_max_dtod": 0.3, "w_min_dtod": 0.3, "dw_min": 1e-3,
            "dw_min_dtod": 0.3, "dw_min_std": 0.3, "up_down_dtod": 0.01, "write_noise_std": 0.0,
        }
    )  # fmt: skip
    scale, tiles = _HALF / tau, []
    for k in range(arrays):
        cells = device.in_siemens(device.draw(shape, rng))
        wanted = _MIDDLE + scale * (weights if k == arrays - 1 else np.zeros(shape))
        # Set, not written by pulses: where a run begins is no part of what is compared.
        inside = np.clip(wanted, cells.response.g_min, cells.response.g_max)
        cells = replace(cells, conductance=inside.astype(np.float32))
        tile = AnalogTile(TwinCrossbar(cells, seed=int(rng.integers(2**31))), w_max=tau)
        tile.rescale(np.full(shape, _MIDDLE), scale)
        tiles.append(tile)
    return tiles
