"""Products through the periphery of a twin, beside a plain product and beside aihwkit.

    python -m benchmarks.mvm [--against aihwkit] [--sizes 128 256 512 1024] [--batches 1 16 64]
                             [--threads 1 2] [--repeats 25]

``periphery`` is a 7-bit input and a 9-bit output converter, output noise, noise management by the
largest absolute value, and iterative bound management: what aihwkit has by default. No output
saturates, as is usual, so nothing is done twice. ``plain`` is torch's product plus drawing and
adding the same output noise. ``+ cells`` is with the read noise of every cell, which takes a second
product, of squares, on both sides. All are float32 and run in turn, call by call; medians, in ms.
With ``--against aihwkit`` its ideal device with its default ``IOParameters`` runs in turn, too,
where this interpreter has it.

The exit status is 1 where ``periphery`` takes more than 1.5 times ``plain`` at 1024 x 1024 and a
batch of 64.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ohmloop.sim_backend.periphery import (
    BoundManagement,
    InputConverter,
    NoiseManagement,
    OutputConverter,
    Periphery,
    SignalPath,
    read_variance,
)

LIMIT = 1.5  # of a plain product with its noise
AT = (1024, 64)  # size and batch where it holds
READ_VOLTAGE, LARGEST = 0.2, 50e-6  # V, S

Call = Callable[[], object]


def periphery() -> Periphery:
    """Defaults of aihwkit in volts and amperes: one full cell stands for its weight of 1."""
    one = READ_VOLTAGE * LARGEST
    return Periphery(
        to_rows=SignalPath(
            input=InputConverter(bits=7, range=f"{READ_VOLTAGE} V"),
            output=OutputConverter(bits=9, range=f"{12 * one} A", noise=f"{0.06 * one} A"),
            noise_management=NoiseManagement(kind="abs-max"),
            bound_management=BoundManagement(kind="iterative"),
        )
    )


def ours(size: int, batch: int, way: str) -> dict[str, Call]:
    """The calls that are compared, by name, on one random map and batch."""
    rng = torch.Generator().manual_seed(1)
    # Signed like weights, so that sums are as large as those of aihwkit's tile.
    g = LARGEST * (2 * torch.rand(size, size, generator=rng) - 1) / 6
    x = READ_VOLTAGE * (2 * torch.rand(batch, size, generator=rng) - 1)
    record, variance = periphery(), read_variance(g, 0.01)
    noise = record.to_rows.output.noise
    turned = g.T if way == "forward" else g

    def plain() -> Tensor:
        drawn = torch.empty(batch, size).normal_(generator=rng)
        return (x @ turned).add_(drawn, alpha=noise)

    def plain_cells() -> Tensor:
        drawn = torch.empty(batch, size).normal_(generator=rng)
        spread = ((x * x) @ (variance.T if way == "forward" else variance)).add_(noise**2).sqrt_()
        return (x @ turned).add_(drawn.mul_(spread))

    product = getattr(record, way)
    return {
        "plain": plain,
        "periphery": lambda: product(g, x, rng),
        "plain + cells": plain_cells,
        "periphery + cells": lambda: product(g, x, rng, variance=variance),
    }


def aihwkit(size: int, batch: int, way: str) -> dict[str, Call]:
    """The same of aihwkit, which draws nothing but output noise by default."""
    from aihwkit.simulator.configs import SingleRPUConfig
    from aihwkit.simulator.configs.devices import IdealDevice
    from aihwkit.simulator.tiles.analog import AnalogTile

    tile = AnalogTile(size, size, SingleRPUConfig(device=IdealDevice()))
    tile.set_weights((2 * torch.rand(size, size) - 1) / 6)
    x = 2 * torch.rand(batch, size) - 1
    inner = tile.tile
    product = inner.forward if way == "forward" else inner.backward
    return {"aihwkit": lambda: product(x, False)}


def medians(calls: Mapping[str, Call], repeats: int) -> dict[str, float]:
    """Median time of each call, s; every round runs each once."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn > 1:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> int:
    """Run, print, and say whether the limit is held."""
    options = _options()
    ratios = {"ratio": ("periphery", "plain"), "with cells": ("periphery + cells", "plain + cells")}
    if options.against:
        ratios["aihwkit/ours"] = ("aihwkit", "periphery")
    missed = False
    print("way       threads  size  batch  calls in ms, ratios last")
    for threads, size, batch, way in itertools.product(
        options.threads, options.sizes, options.batches, ("forward", "backward")
    ):
        torch.set_num_threads(threads)
        calls = ours(size, batch, way)
        if options.against:
            calls |= aihwkit(size, batch, way)
        found = medians(calls, options.repeats)
        late = (size, batch) == AT and found["periphery"] > LIMIT * found["plain"]
        missed |= late
        print(f"{way:<9} {threads:>7} {size:>5} {batch:>6}  ", end="")
        print("  ".join(f"{name} {1e3 * seconds:.4f}" for name, seconds in found.items()), end="")
        for name, (ours_, theirs) in ratios.items():
            print(f"  {name} {found[ours_] / found[theirs]:.2f}", end="")
        print(f"  beyond {LIMIT}" if late else "", flush=True)
    return int(missed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mvm")
    parser.add_argument("--against", choices=["aihwkit"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512, 1024])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=25)
    options = parser.parse_args()
    if options.against:
        try:
            import aihwkit  # noqa: F401
        except ImportError as error:
            parser.error(f"this interpreter has no aihwkit: {error}")
    return options


if __name__ == "__main__":
    sys.exit(main())
