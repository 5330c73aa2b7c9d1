"""What an epoch of training costs on twins, beside aihwkit in one run.

    python -m benchmarks.epoch [--against aihwkit] [--data FOLDER] [--samples N] [--rounds 5]

The MNIST network 784-256-128-10 (sigmoid, biases digital, cross entropy of the mini-batch's mean,
batch 10, pixels from 0 to 1) by Analog SGD and by Tiki-Taka. On both sides the same:

* soft bounds of +-0.6, step 0.001, 30 % spread of steps and of bounds from device to device and
  30 % noise of a step from cycle to cycle, steps up and down 1 % apart;
* BL at most 31, update management and BL management on, perfect input and output (no converters,
  no noise), one array a matrix, the same initial weights, the same samples in the same order;
* ``lr`` 0.05; of Tiki-Taka ``fast_lr`` 0.01, ``gamma`` 0 and one column a mini-batch, transferred
  at ``lr``.

Contestants take turns, slice by slice of the samples; each goes on training where it stopped. By
default the slices are one epoch of 60,000 samples. With fewer, what a whole epoch would take is the
time a sample times 60,000 and marked "projected": later samples of an epoch may ask for more or
fewer pulses than the first.

``--data`` is a folder with MNIST's files; without it images are random, with the same share of dark
pixels. Weights are written, and everything is compiled, before the clock runs.

``--threads 1`` is what suits aihwkit best on few cores: with two threads of torch on two cores it
took three times as long, while ohmloop took the same.

The exit status is 1 where ohmloop is less than 2 times as fast as aihwkit at either algorithm.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.presets.devices import SoftBoundsDevice
from ohmloop.sim_backend.presets.preset import Preset, Range
from ohmloop.training.algorithms.analog_optimizer import AnalogOptimizer
from ohmloop.training.algorithms.analog_sgd import AnalogSGD
from ohmloop.training.algorithms.tiki_taka import TikiTaka
from ohmloop.training.layers.linear import AnalogLinear
from ohmloop.training.models import mlp
from ohmloop.training.tiles.tile import AnalogTile
from ohmloop.training.trainer.pass_choice import passes

from .images import Images, mnist, synthetic

SIZES, BATCH, EPOCH, TARGET = (784, 256, 128, 10), 10, 60_000, 2.0
LR, FAST_LR = 0.05, 0.01
DW_MIN, W_MAX, SPREAD, UP_DOWN = 1e-3, 0.6, 0.3, 0.01
ALGORITHMS = ("Analog SGD", "Tiki-Taka")
WARMING = 60 * BATCH  # samples before the clock runs; pulses are counted after some 40 batches

Contestant = tuple[nn.Module, torch.optim.Optimizer]


def digital() -> nn.Sequential:
    """The network with the initial weights that both sides start from."""
    return mlp(SIZES, "sigmoid", seed=1)


def ours(algorithm: str) -> Contestant:
    """The network on twins."""
    model, arrays = digital(), 1 if algorithm == ALGORITHMS[0] else 2
    for k, (name, linear) in enumerate(list(model.named_children())):
        if isinstance(linear, nn.Linear):
            setattr(model, name, _on_twins(linear, arrays, seed=10 * k))
    rng = np.random.default_rng(2)
    optimizer: AnalogOptimizer
    if algorithm == ALGORITHMS[0]:
        optimizer = AnalogSGD(model.parameters(), LR, rng=rng)
    else:
        optimizer = TikiTaka(model.parameters(), LR, rng=rng, fast_lr=FAST_LR, transfer_lr=1.0)
    return model, optimizer


def _on_twins(linear: nn.Linear, arrays: int, seed: int) -> AnalogLinear:
    """The layer on cells whose weights mean what the peer's do: the bounds' mean is +-0.6."""
    device, between = soft_bounds(), Range()
    siemens_per_weight = (between.g_high - between.g_low) / (2 * W_MAX)
    tiles = []
    for k in range(arrays):
        shape = linear.out_features, linear.in_features
        cells = device.in_siemens(device.draw(shape, np.random.default_rng(seed + k)), between)
        known = device.characteristics(cells, between)
        tile = AnalogTile(TwinCrossbar(cells, seed=seed + k, characteristics=known))
        tile.rescale(tile.mapping.reference, siemens_per_weight)
        tiles.append(tile)
    start = linear.weight.detach().double().numpy()
    for tile in tiles[:-1]:
        tile.program(np.zeros_like(start))
    tiles[-1].program(start)
    return AnalogLinear(tiles, linear.bias)


def soft_bounds() -> Preset:
    """The cells, as aihwkit draws those of its ``SoftBoundsDevice``."""
    device = SoftBoundsDevice(
        model="soft-bounds",
        dw_min=DW_MIN,
        dw_min_dtod=SPREAD,
        dw_min_std=SPREAD,
        up_down_dtod=UP_DOWN,
        w_max=W_MAX,
        w_min=-W_MAX,
        w_max_dtod=SPREAD,
        w_min_dtod=SPREAD,
        mult_noise=True,
    )
    return Preset("soft-bounds", "soft bounds", "", "", device)


def theirs(algorithm: str) -> Contestant:
    """The network on aihwkit's tiles."""
    from aihwkit.nn import AnalogLinear as PeerLinear
    from aihwkit.optim import AnalogSGD as PeerSGD

    model = digital()
    for name, linear in list(model.named_children()):
        if isinstance(linear, nn.Linear):
            layer = PeerLinear(
                linear.in_features, linear.out_features, bias=True, rpu_config=_config(algorithm)
            )
            layer.set_weights(linear.weight.detach(), linear.bias.detach())
            setattr(model, name, layer)
    optimizer = PeerSGD(model.parameters(), lr=LR)
    optimizer.regroup_param_groups(model)
    return model, optimizer


def _config(algorithm: str) -> object:
    from aihwkit.simulator.configs import (
        IOParameters,
        MappingParameter,
        SingleRPUConfig,
        SoftBoundsDevice,
        TransferCompound,
        UnitCellRPUConfig,
        UpdateParameters,
    )

    def cells() -> object:
        return SoftBoundsDevice(
            dw_min=DW_MIN,
            dw_min_dtod=SPREAD,
            dw_min_std=SPREAD,
            up_down_dtod=UP_DOWN,
            w_max=W_MAX,
            w_min=-W_MAX,
            w_max_dtod=SPREAD,
            w_min_dtod=SPREAD,
        )

    how = UpdateParameters(desired_bl=31, update_management=True, update_bl_management=True)
    common = {
        "forward": IOParameters(is_perfect=True),
        "backward": IOParameters(is_perfect=True),
        "update": how,
        "mapping": MappingParameter(max_input_size=0, max_output_size=0),
    }
    if algorithm == ALGORITHMS[0]:
        return SingleRPUConfig(device=cells(), **common)
    pair = TransferCompound(
        unit_cell_devices=[cells(), cells()],
        fast_lr=FAST_LR,
        scale_fast_lr=False,
        transfer_forward=IOParameters(is_perfect=True),
        transfer_update=how,
    )
    return UnitCellRPUConfig(device=pair, **common)


@dataclass
class Runner:
    """One side's network under one algorithm, and what it took so far.

    Attributes:
        side: whose.
        algorithm: which.
        seconds: of every slice.
        losses: mean loss of every slice.
    """

    side: str
    algorithm: str
    make: Callable[[str], Contestant]
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.model, self.optimizer = self.make(self.algorithm)
        self.model.train()
        self.passes = passes(self.model, nn.functional.cross_entropy, self.optimizer)

    def run(self, images: Images, first: int, last: int) -> None:
        """Train on a slice of the samples, timed."""
        started = time.perf_counter()
        loss = self.train(images, first, last)
        self.seconds.append(time.perf_counter() - started)
        self.losses.append(loss)

    def train(self, images: Images, first: int, last: int) -> float:
        """Train on a slice; returns its mean loss."""
        total = 0.0
        for start in range(first, last, BATCH):
            stop = min(start + BATCH, last)
            loss = self.passes.loss(images.x[start:stop], images.y[start:stop])
            self.passes.backward()
            self.optimizer.step()
            total += loss * (stop - start)
        return total / (last - first)


def take_turns(runners: Sequence[Runner], images: Images, rounds: int) -> None:
    """Every slice of the samples through every runner."""
    for runner in runners:
        runner.train(images, 0, min(WARMING, len(images.y)))
    edges = [len(images.y) * k // rounds for k in range(rounds + 1)]
    for k in range(rounds):
        order = runners if k % 2 == 0 else runners[::-1]
        for runner in order:
            runner.run(images, edges[k], edges[k + 1])


def report(runners: Sequence[Runner], samples: int) -> list[str]:
    """Print what each took; returns the targets that were missed."""
    whole = "an epoch" if samples == EPOCH else "an epoch, projected"
    print(f"{'':22s} us a sample   {whole:>20s}   mean loss of first and last slice")
    for one in runners:
        each = sum(one.seconds) / samples
        print(
            f"{one.algorithm:11s} {one.side:8s} {each * 1e6:13.1f} {each * EPOCH:19.1f} s"
            f"   {one.losses[0]:.3f} {one.losses[-1]:.3f}"
        )
    missed = []
    for algorithm in ALGORITHMS:
        pair = [one for one in runners if one.algorithm == algorithm]
        if len(pair) == 2:
            ratios = [b / a for a, b in zip(pair[0].seconds, pair[1].seconds, strict=True)]
            ratio = sum(pair[1].seconds) / sum(pair[0].seconds)
            print(
                f"{algorithm}: {ratio:.2f} times faster (slices {min(ratios):.2f} to"
                f" {max(ratios):.2f}, median {statistics.median(ratios):.2f})"
            )
            if ratio < TARGET:
                missed.append(f"{algorithm}: {ratio:.2f} times faster, not {TARGET:g}")
    return missed


def main() -> int:
    """Print the table; 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", choices=["aihwkit"])
    parser.add_argument("--data", type=Path, help="folder with MNIST's files")
    parser.add_argument("--samples", type=int, default=EPOCH)
    parser.add_argument("--rounds", type=int, default=5, help="slices of the samples")
    parser.add_argument("--threads", type=int, help="of torch; by default as torch has it")
    given = parser.parse_args()
    if not 1 <= given.rounds <= given.samples <= EPOCH:
        parser.error(f"give 1 to {EPOCH} samples, and no more rounds than samples")
    if given.threads:
        torch.set_num_threads(given.threads)
    try:
        images = mnist(given.data, given.samples) if given.data else synthetic(given.samples)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    sides = {"ohmloop": ours} | ({"aihwkit": theirs} if given.against else {})
    print(f"{given.samples} samples of {images.name}, {torch.get_num_threads()} threads of torch")
    runners = [Runner(side, a, make) for a in ALGORITHMS for side, make in sides.items()]
    take_turns(runners, images, given.rounds)
    missed = report(runners, given.samples)
    for text in missed:
        print(f"MISSED {text}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
