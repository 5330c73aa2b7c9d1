"""A model of a million weights on split tiles: memory and time a step.

    python -m benchmarks.million [--crossbar 512x512] [--batch 10] [--steps 60]

784-1024-192-10 (1,001,344 weights) on as few twins of one size as hold it, with cells of about a
thousand states: the two large layers are split into blocks, the last shares a crossbar with blocks.
It learns ten noisy patterns by Analog SGD, after its initial weights were written, closed loop. The
same network in torch takes every step in turn with it; one thread each.

Targets: peak memory of the process at most 1.5 GB, torch's own included; accuracy on new samples
above 90 % after the steps. The exit status is 1 where one is missed.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from ohmloop.drivers import Crossbar, open_crossbar
from ohmloop.training import AnalogSGD, SplitTile, analog_layers, convert_to_analog, mlp

SIZES = [784, 1024, 192, 10]
RATE, OMEGA = 0.1, 0.2
SLOPE = 0.002  # a step as a share of what is left of the range: cells of about a thousand states
MEMORY, ACCURACY = 1.5e9, 0.9


def batches(size: int, steps: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Patterns of 784 values, a class each, under noise as large as they are."""
    patterns = np.random.default_rng(0).uniform(0, 1, (10, SIZES[0]))
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        classes = rng.integers(0, 10, size)
        x = np.clip(patterns[classes] + rng.normal(0, 0.5, (size, SIZES[0])), 0, 1)
        yield torch.from_numpy(x).float(), torch.from_numpy(classes)


def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> float:
    """Seconds of a step."""
    started = time.perf_counter()
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return time.perf_counter() - started


@torch.no_grad()
def accuracy(model: nn.Module) -> float:
    """On 500 samples that were not trained on."""
    ((x, y),) = batches(500, 1, 2)
    return float((model.eval()(x).argmax(dim=1) == y).double().mean())


def crossbars(rows: int, columns: int) -> list[Crossbar]:
    """Enough of one size, generously: what is not taken is not counted."""
    needed = sum(-(-o // rows) * -(-i // columns) for i, o in pairwise(SIZES))
    name = f"sim:soft-bounds?shape={rows}x{columns}&slope_up={SLOPE}&slope_down={SLOPE}"
    return [open_crossbar(f"{name}&seed={k}") for k in range(needed)]


def peak() -> float:
    """Most memory that the process has had resident, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def run(rows: int, columns: int, batch: int, steps: int) -> bool:
    """Train both; whether the targets are met."""
    torch.set_num_threads(1)
    digital = mlp(SIZES, seed=0)
    plain = torch.optim.SGD(digital.parameters(), lr=RATE)
    for x, y in batches(batch, 3, 3):
        step(digital, plain, x, y)
    weights = sum(p.numel() for p in digital.parameters() if p.dim() == 2)
    print(f"{weights:,} weights; torch alone: peak memory {peak() / 1e6:.0f} MB")
    pool = crossbars(rows, columns)
    started = time.perf_counter()
    model = convert_to_analog(mlp(SIZES, seed=0), pool, omega=OMEGA)
    written = time.perf_counter() - started
    for name, layer in analog_layers(model).items():
        (tile,) = layer.tiles
        parts = [part.shape for part in tile.parts] if isinstance(tile, SplitTile) else [tile.shape]
        print(f"{name}: {tile.shape[0]} x {tile.shape[1]} as {parts}")
    used = sum(crossbar.pulses_sent > 0 for crossbar in pool)
    print(f"on {used} crossbars of {rows} x {columns}, written in {written:.1f} s")
    optimizer = AnalogSGD(model.parameters(), lr=RATE, rng=np.random.default_rng(0))
    pairs = [
        (step(digital, plain, x, y), step(model, optimizer, x, y))
        for x, y in batches(batch, steps, 1)
    ]
    torch_s, analog_s = (statistics.median(each) for each in zip(*pairs, strict=True))
    found = accuracy(model)
    print(
        f"{1e3 * analog_s:.1f} ms a step of {batch} samples ({1e3 * torch_s:.1f} ms in torch);"
        f" accuracy {found:.3f} after {steps} steps; peak memory {peak() / 1e6:.0f} MB"
    )
    return peak() <= MEMORY and found > ACCURACY


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crossbar", default="512x512", help="rows x columns of every crossbar")
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--steps", type=int, default=60)
    given = parser.parse_args()
    rows, columns = map(int, given.crossbar.split("x"))
    sys.exit(0 if run(rows, columns, given.batch, given.steps) else 1)
