"""What operations cost at the wire, and what the drivers add to it.

    python -m benchmarks.wire [--families tsp pulse-board ...] [--repeats 9] [--links]

For each family of instruments and each model of a link: messages and bytes of typical operations on
the emulated example bench, and time. Every operation is run by the driver and, in turn, by a
hand-written script that sends the very same bytes over raw sockets and waits for the replies. The
emulated instruments, in processes of their own, take the same time for both, so the ratio, raw over
driver, is the share of the possible throughput that the driver reaches; it is told as the median
over pairs of runs, one right after the other. Where a link is so slow that an operation would take
over 20 s, its time is computed from messages and bytes, and marked ``~``.

Before it, single queries beside a bare socket, PyMeasure and QCoDeS: see ``benchmarks.link``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ohmloop.drivers import CellPulses, CoincidencePulses, Crossbar, PulseProgram, load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments.latency import LINKS

from .apart import BenchApart
from .by_hand import Conversation, Script
from .link import compare

EXAMPLES = Path(__file__).parents[1] / "examples"
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "tsp": ("none", "lan", "gpib"),
    "board": ("none", "serial-921600", "serial-115200"),
    "scpi": ("none", "lan", "usb"),
    "flex": ("none", "gpib"),
    "kxci": ("none", "lan"),
    "arc-two": ("none", "usb"),
}
"""Families by the name of their example bench, with the links that they are found on."""
LONGEST = 20.0  # operation that is waited for, s
LONG = 3.0  # time that pairs of short operations are repeated for, either side, s
ROUNDS = 4  # of pairs, where a share comes out too small
SHARE = 0.8  # of a hand-written script's throughput, to be reached
MESSAGES = {"tsp": 6, "board": 2}
"""Messages of a training step, at most."""


def scattered(shape: tuple[int, int], rng: np.random.Generator) -> PulseProgram:
    """10,000 pulses over 1,000 cells, or over all where there are fewer."""
    cells = shape[0] * shape[1]
    picked = rng.choice(cells, min(1000, cells), replace=False)
    counts = np.zeros(cells, int)
    counts[picked] = 10_000 // picked.size
    return CellPulses(counts.reshape(shape))


def training_update(shape: tuple[int, int], rng: np.random.Generator) -> PulseProgram:
    """A batch of ten samples on a tile of 64 inputs and 10 outputs, about 10 % of slots firing."""

    def trains(lines: int, used: int) -> np.ndarray:
        fire = rng.random((10, lines, 31)) < 0.1
        fire[:, used:] = False
        return (fire * (1 << np.arange(31))).sum(axis=2)

    rows, columns = shape
    signs = [rng.choice([-1, 1], (10, lines)) for lines in shape]
    return CoincidencePulses(trains(rows, 10), trains(columns, 64), *signs, length=31)


def operations(shape: tuple[int, int]) -> dict[str, Callable[[Crossbar], object]]:
    """What a crossbar is asked to do, by name; the names say what fits where 64 x 10 do not."""
    rng = np.random.default_rng(0)
    read = tuple(min(32, lines) for lines in shape)
    tile = (min(10, shape[0]), min(64, shape[1]))
    pulses, update = scattered(shape, rng), training_update(shape, rng)
    volts = np.zeros((10, shape[1]))
    volts[:, : tile[1]] = rng.uniform(-0.1, 0.1, (10, tile[1]))

    def step(crossbar: Crossbar) -> None:
        """One layer's: outputs of a batch, then its update; lines beyond the tile do nothing."""
        if crossbar.capabilities.parallel_forward:
            crossbar.forward(volts)
        else:
            crossbar.read(slice(tile[0]), slice(tile[1]))
        crossbar.pulse(update)

    cells = min(1000, shape[0] * shape[1])
    return {
        f"read {read[0]} x {read[1]}": lambda c: c.read(slice(read[0]), slice(read[1])),
        f"{10_000 // cells * cells:,} pulses, {cells:,} cells": lambda c: c.pulse(pulses),
        f"training step, {tile[1]} x {tile[0]}": step,
    }


class Cost:
    """Of one operation on one family: what goes over the wire, and times by link."""

    def __init__(self, conversation: Conversation) -> None:
        self.messages, self.sent, self.received = conversation.totals()

    def estimate(self, link: str) -> float:
        """Time that the link alone takes, s."""
        model = LINKS[link]
        return self.messages * model.turnaround + (self.sent + self.received) * model.byte


class Times(NamedTuple):
    """Medians: seconds by the driver and by hand, and the share, by hand over driver, of pairs."""

    driver: float
    raw: float
    share: float


def measure(family: str, link: str, name: str, repeats: int) -> tuple[Cost, Times | None]:
    """Cost, and times (None where it would take too long)."""
    path = EXAMPLES / f"bench-{family}.yaml"
    with BenchApart(path) as one, BenchApart(path) as two:
        conversation = Conversation(two)
        operation = operations(open_shape(two.bench))[name]
        spy = open_on_bench(conversation.bench)
        conversation.record(lambda: operation(spy))
        cost = Cost(conversation)
        if cost.estimate(link) > LONGEST:
            spy.close()
            return cost, None
        with open_on_bench(one.bench) as crossbar, Script(conversation) as script:
            for emulated in (one, two):
                emulated.link(link)
            first = timed(lambda: operation(crossbar))
            pairs = 1 if first > 1 else max(repeats, min(301, int(LONG / first)))
            return cost, in_turn(lambda: operation(crossbar), script.run, pairs)


def in_turn(driver: Callable[[], object], raw: Callable[[], object], pairs: int) -> Times:
    """Both sides in pairs, each as often first: who else is busy on the machine is so for both.

    Where a share comes out too small, more pairs are added to those there are, at most thrice.
    """
    times: dict[Callable[[], object], list[float]] = {driver: [], raw: []}
    for _ in range(ROUNDS):
        for number in range(pairs):
            for side in (driver, raw) if number % 2 else (raw, driver):
                times[side].append(timed(side))
        shares = [b / a for a, b in zip(times[driver], times[raw], strict=True)]
        found = Times(*map(statistics.median, (times[driver], times[raw], shares)))
        if found.share >= SHARE:
            break
    return found


def open_shape(bench: object) -> tuple[int, int]:
    """Shape of the first crossbar of a bench."""
    crossbars = bench.config.crossbars  # type: ignore[attr-defined]
    shape: tuple[int, int] = next(iter(crossbars.values())).shape
    return shape


def timed(operation: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    operation()
    return time.perf_counter() - start


def report(family: str, link: str, name: str, repeats: int) -> list[str]:
    """Print one line; returns what was missed."""
    cost, times = measure(family, link, name, repeats)
    line = f"{family:8} {link:14} {name:28}{cost.messages:9}{cost.sent:10}{cost.received:12}"
    missed = []
    if times is None:
        print(f"{line}{'~' + format(1e3 * cost.estimate(link), '.0f'):>13}{'-':>11}{'-':>8}")
    else:
        driver, raw, share = times
        print(f"{line}{1e3 * driver:13.2f}{1e3 * raw:11.2f}{share:8.2f}", flush=True)
        if share < SHARE:
            missed.append(f"{family}, {link}, {name}: share {share:.2f}, below {SHARE}")
    if "step" in name and cost.messages > MESSAGES.get(family, cost.messages):
        missed.append(f"{family}: {cost.messages} messages a training step")
    return missed


def main() -> None:
    """Print the table; exit status 1 where a target was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--links", nargs="+", choices=list(LINKS), help="instead of the family's")
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    missed = compare(rounds=1000)
    print(
        f"{'family':8} {'link':14} {'operation':28}{'messages':>9}{'sent, B':>10}"
        f"{'received, B':>12}{'driver, ms':>13}{'raw, ms':>11}{'share':>8}"
    )
    for family in given.families:
        shape = open_shape(load_bench(EXAMPLES / f"bench-{family}.yaml"))
        for link in given.links or FAMILIES[family]:
            for name in operations(shape):
                missed += report(family, link, name, given.repeats)
    print("\n".join(missed) if missed else "all targets reached")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
