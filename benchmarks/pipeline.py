"""Pipelined training: how much faster, and at what price in samples.

    python -m benchmarks.pipeline speed [--stages 1 2 4 8] [--link serial-115200] [--laps 16]
    python -m benchmarks.pipeline learning [--data FOLDER] [--sets digits mnist] [--seeds 6]
    python -m benchmarks.pipeline depth

``speed``: M emulated pulse boards, each in a process of its own behind a link as slow as a real
one, one layer a board, all layers alike: a digital normalisation with a gain that is trained, so
that the first layer's inputs want a gradient as all others' do, and a square analog layer. The same
samples go through one stage at a time (one thing after the other), and through the pipelines with a
thread a board. Wanted: asynchronous at least 0.9 M times as fast, synchronous at least 0.9 of
M B / (M + B - 1); and the model of time is held against what was measured.

``learning``: a multilayer perceptron of three analog layers on twins, by samples, clocks and time
on chips (reads of 40 ns, slots of 5 ns) to a held-out accuracy: digits, and with ``--data`` (a
folder with the four MNIST files) a subset of MNIST. Wanted: the asynchronous pipeline needs at most
1.1 times the samples of training without a pipeline, in the mean over seeds, and far fewer clocks.

``depth``: eight stages at a large rate, where staleness makes training diverge: the run must say so
with a rate that is safe, and train at that rate.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from ohmloop.drivers import Characteristics, Crossbar, open_crossbar
from ohmloop.drivers.opening import open_on_bench
from ohmloop.training import AnalogSGD, DataSet, Split, convert_to_analog, digits, idx_images, mlp
from ohmloop.training.pipeline.exact import ExactExecutor
from ohmloop.training.pipeline.execution import PipelineError
from ohmloop.training.pipeline.micro_batches import MicroBatches
from ohmloop.training.pipeline.partition import balanced
from ohmloop.training.pipeline.schedules import SCHEDULES, clocks
from ohmloop.training.pipeline.stability import rehearsed_rate
from ohmloop.training.pipeline.stage import Stage
from ohmloop.training.pipeline.threads import ThreadExecutor
from ohmloop.training.pipeline.timeline import StageTimes, predict
from ohmloop.training.pipeline.trainer import PipelineTrainer
from ohmloop.training.pipeline.watch import DivergenceError, Watch

from .apart import BenchApart

SIZE, MICRO, EACH = 16, 8, 4  # lines of a board; micro-batches of a mini-batch; their samples
SHARE, SAMPLES_RATIO = 0.9, 1.1  # wanted
SETS = ["digits", "mnist"]
CHIP = StageTimes(40e-9, 40e-9, 31 * 5e-9)
BENCH = """
name: board {number}
instruments:
  board:
    driver: pulse-board
    resource: socket://127.0.0.1:{port}
    options: {{baud: 115200, watchdog: 30 s}}
crossbars:
  array {number}: {{kind: pulse-board, shape: [{size}, {size}], wiring: {{board: board}}}}
pulses:
  up: {{amplitude: 1.5 V, width: 1 us}}
  down: {{amplitude: -1.5 V, width: 1 us}}
  rest: 1 us
read: {{voltage: 100 mV, settle: 10 us, nplc: 0.001}}
limits:
  voltage: 2 V
  width: 10 us
  read_voltage: 300 mV
  current: 1 mA
  duty_cycle: 0.6
emulation: {{seed: {number}, link: {link}}}
"""


def boards(count: int, link: str, folder: Path, stack: ExitStack) -> list[Crossbar]:
    """So many boards, each served by a process of its own."""
    opened: list[Crossbar] = []
    for number in range(1, count + 1):
        file = folder / f"board-{number}.yaml"
        file.write_text(BENCH.format(number=number, port=5100 + number, size=SIZE, link=link))
        apart = stack.enter_context(BenchApart(file))
        crossbar = stack.enter_context(open_on_bench(apart.bench))
        crossbar.characteristics = nominal(crossbar.shape)
        opened.append(crossbar)
    return opened


def nominal(shape: tuple[int, int]) -> Characteristics:
    """What is known of the emulated cells without calibrating them: the speed does not care."""
    with open_crossbar(f"sim:soft-bounds?shape={shape[0]}x{shape[1]}&seed=1") as twin:
        known = twin.characteristics
    assert known is not None
    return known


def stages_on(chips: Sequence[Crossbar], rate: float) -> list[Stage]:
    """One square layer a board, programmed to nothing: it is timed, not judged."""
    made = []
    for m, (chip, rng) in enumerate(
        zip(chips, np.random.default_rng(1).spawn(len(chips)), strict=True)
    ):
        linear = nn.Linear(SIZE, SIZE)
        part = nn.Sequential(OrderedDict(norm=nn.LayerNorm(SIZE), linear=linear))
        part = convert_to_analog(part, chip, initialise="as is")
        made.append(Stage(part, AnalogSGD(part.parameters(), rate, rng=rng), m, len(chips)))
    return made


def samples_of(count: int, micro_batches: int, whole: bool) -> MicroBatches:
    """Noise with classes: ``count`` micro-batches, ``micro_batches`` a mini-batch."""
    rng = np.random.default_rng(0)
    split = Split(
        torch.from_numpy(rng.normal(size=(EACH * count, SIZE))).float(),
        torch.from_numpy(rng.integers(0, SIZE, EACH * count)),
    )
    order = torch.arange(EACH * count)
    return MicroBatches.of(split, order, EACH * micro_batches, micro_batches, whole)


class Timing(NamedTuple):
    """Seconds a micro-batch: measured, and as the model of time expects from stages' own times."""

    measured: float
    expected: float


def timed(name: str, stages: list[Stage], count: int, micro_batches: int) -> Timing:
    """So many micro-batches by a schedule."""
    work = samples_of(count, micro_batches, whole=name != "asynchronous")
    schedule = SCHEDULES[name](len(stages), work.batches)
    schedule.check()
    executor = (ExactExecutor if name == "sequential" else ThreadExecutor)(stages)
    execution = executor.run(schedule, work)
    assert execution.clocks == clocks(name, len(stages), work.batches)
    timeline = execution.timeline()
    expected = predict(schedule, timeline.times()).duration
    return Timing(timeline.duration / count, expected / count)


def speed(counts: Sequence[int], link: str, laps: int, rounds: int) -> bool:
    """Wall-clock on emulated boards; whether all targets are met."""
    fine = True
    torch.set_num_threads(1)
    print(f"boards of {SIZE} x {SIZE} on {link}, {EACH} samples a micro-batch; ms a micro-batch")
    print("M  schedule      one at a time  pipelined  speed-up  share of the target's formula")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        chips = boards(max(counts), link, Path(folder), stack)
        for count in counts:
            stages = stages_on(chips[:count], 0.05)
            timed("sequential", stages, MICRO, MICRO)  # compiles, and reads maps for the first time
            for name, each, wanted in (
                ("asynchronous", 1, float(count)),
                ("synchronous", MICRO, count * MICRO / (count + MICRO - 1)),
            ):
                fine &= _raced(name, stages, each, wanted, laps, rounds)
    return fine


def _raced(
    name: str, stages: list[Stage], each: int, wanted: float, laps: int, rounds: int
) -> bool:
    """In turns with one stage at a time; whether 0.9 of what is wanted is reached in the median."""
    count, shares = len(stages), []
    for _ in range(rounds):
        slow = timed("sequential", stages, MICRO, each)
        fast = timed(name, stages, MICRO * max(1, laps * count // MICRO), each)
        gain = slow.measured / fast.measured
        shares.append(gain / wanted)
        print(
            f"{count}  {name:12}  {1e3 * slow.measured:12.1f}  {1e3 * fast.measured:9.1f}"
            f"  {gain:8.2f}  {gain / wanted:5.2f} of {wanted:.2f};"
            f" model of time / measured {fast.expected / fast.measured:.2f}",
            flush=True,
        )
    met = statistics.median(shares) >= SHARE
    if not met:
        print(f"   MISSED: {statistics.median(shares):.2f} in the median, wanted {SHARE}")
    return met


class Reached(NamedTuple):
    """What it took to reach an accuracy: samples, clocks, s on chips; None where it was not."""

    samples: float
    clocks: float
    seconds: float


def learn(
    data: DataSet,
    sizes: Sequence[int],
    name: str,
    rate: float,
    target: float,
    seed: int,
    limit: int,
) -> Reached | None:
    """Train until the mean of three looks at the held-out accuracy reaches a target."""
    batch = 1 if name == "asynchronous" else (1 if name == "sequential" else MICRO)
    stages = []
    parts = balanced(mlp(sizes, seed=seed), len(sizes) - 1)
    rngs = np.random.default_rng(seed).spawn(len(parts))
    for m, (part, rng) in enumerate(zip(parts, rngs, strict=True)):
        shape = part[0].weight.shape
        chip = open_crossbar(f"sim:soft-bounds?shape={shape[0]}x{shape[1]}&seed={10 * seed + m}")
        part = convert_to_analog(part, chip, omega=0.08)
        step = rate * batch  # a mini-batch's gradient is a mean, an update its sum
        stages.append(Stage(part, AnalogSGD(part.parameters(), step, rng=rng), m, len(parts)))
    executor = ExactExecutor(stages)
    looks: list[float] = []
    order = torch.from_numpy(np.random.default_rng(seed).integers(0, len(data.train), limit))
    work = MicroBatches.of(data.train, order, batch, batch, whole=name != "asynchronous")
    schedule = SCHEDULES[name](len(stages), work.batches)

    class Enough(Exception):  # noqa: N818 - it is no error
        pass

    def look(k: int, loss: float) -> None:
        del loss
        if (k + 1) % 100 == 0:
            right = executor.infer(data.held_out.x).argmax(dim=1) == data.held_out.y
            looks.append(float(right.double().mean()))
            if statistics.fmean(looks[-3:]) >= target and len(looks) >= 3:
                raise Enough

    try:
        executor.run(schedule, work, look)
    except PipelineError as end:
        if not isinstance(end.__cause__, Enough):
            raise
    else:
        return None
    samples = 100 * len(looks)
    batches = [batch] * (samples // batch)
    cut = SCHEDULES[name](len(stages), batches)
    times = (
        CHIP
        if name == "asynchronous"
        else StageTimes(CHIP.forward, CHIP.backward, batch * CHIP.update)
    )
    return Reached(samples, cut.clocks, predict(cut, [times] * len(stages)).duration)


def learning(folder: Path | None, seeds: int, rate: float, wanted: Sequence[str]) -> bool:
    """Samples, clocks and time to an accuracy; whether the targets are met."""
    torch.set_num_threads(1)
    sets: list[tuple[DataSet, list[int], float, int]] = []
    if "digits" in wanted:
        sets.append((digits(0), [64, 32, 16, 10], 0.8, 8000))
    if "mnist" in wanted and folder is not None:
        sets.append((mnist(folder, 4000, 500), [784, 32, 16, 10], 0.75, 8000))
    elif "mnist" in wanted:
        print("MNIST: left out; give --data FOLDER")
    fine = True
    for data, sizes, target, limit in sets:
        print(
            f"{data.name}: {sizes}, {len(sizes) - 1} stages, rate {rate:g}, to {100 * target:g} %"
        )
        means: dict[str, np.ndarray] = {}
        for name in ("sequential", "synchronous", "asynchronous"):
            found = [learn(data, sizes, name, rate, target, seed, limit) for seed in range(seeds)]
            reached = [f for f in found if f is not None]
            if len(reached) < seeds:
                print(
                    f"  {name}: not reached in {limit} samples, {seeds - len(reached)} of {seeds}"
                )
                return False
            means[name] = np.mean(reached, axis=0)
            samples, passed, seconds = means[name]
            print(
                f"  {name:12} {samples:8.0f} samples  {passed:9.0f} clocks"
                f"  {1e3 * seconds:7.3f} ms on chips  (samples by seed:"
                f" {', '.join(f'{r.samples:.0f}' for r in reached)})",
                flush=True,
            )
        ratio = means["asynchronous"] / means["sequential"]
        print(
            f"  asynchronous / sequential: samples {ratio[0]:.2f}, clocks {ratio[1]:.2f},"
            f" time {ratio[2]:.2f}"
        )
        fine &= bool(ratio[0] <= SAMPLES_RATIO and ratio[1] < 0.6)
    return fine


def depth(rate: float = 0.2) -> bool:
    """Eight stages at a large rate: said to diverge, and trained at the rate that is safe."""
    torch.set_num_threads(1)
    whole = digits(0)
    data = DataSet("digits", whole.train, whole.held_out, 10)
    stages = 8

    def make(step: float) -> PipelineTrainer:
        model = mlp([64, *[32] * (stages - 1), 10], "relu", seed=1)
        with torch.no_grad():
            for layer in model[:-1:2]:  # so that signals keep their size (He et al., 2015)
                layer.weight.mul_(6**0.5)
        some = [(data.train.x[k : k + 4], data.train.y[k : k + 4]) for k in range(0, 800, 4)]
        parts = balanced(model, stages)
        safe = rehearsed_rate(parts, nn.functional.cross_entropy, some)
        made = [
            Stage(part, torch.optim.SGD(part.parameters(), lr=step), m, stages)
            for m, part in enumerate(parts)
        ]
        watch = Watch(lambda: step, stages - 1, safe)
        rng = np.random.default_rng(0)
        return PipelineTrainer(ExactExecutor(made), data, rng=rng, batch_size=4, heard=[watch])

    try:
        make(rate).run(4)
    except PipelineError as error:
        cause = error.__cause__
        print(f"8 stages, rate {rate:g}: {error}")
    else:
        print(f"8 stages, rate {rate:g}: did not diverge")
        return False
    if not isinstance(cause, DivergenceError):
        return False
    history = make(cause.safe).run(10)
    losses = ", ".join(f"{r.loss:.3f}" for r in history)
    print(
        f"at {cause.safe:.2g}: loss by epoch {losses}; {100 * history[-1].accuracy:.1f} % held out"
    )
    return history[-1].loss < 0.9 * history[0].loss


def mnist(folder: Path, train: int, held_out: int) -> DataSet:
    """The first of the four IDX files, as distributed (LeCun et al.), plain or compressed."""
    whole = idx_images(folder)
    first = (Split(s.x[:n], s.y[:n]) for s, n in ((whole.train, train), (whole.held_out, held_out)))
    return DataSet("MNIST subset", *first, classes=10)


def main() -> int:
    """All three, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["speed", "learning", "depth"])
    parser.add_argument("--stages", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--link", default="serial-115200")
    parser.add_argument("--laps", type=int, default=16, help="micro-batches for each stage")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--rate", type=float, default=0.015)
    options = parser.parse_args()
    runs: dict[str, Callable[[], bool]] = {
        "speed": lambda: speed(options.stages, options.link, options.laps, options.rounds),
        "learning": lambda: learning(options.data, options.seeds, options.rate, options.sets),
        "depth": depth,
    }
    if unknown := [name for name in options.what if name not in runs]:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(runs)}")
    met = [runs[name]() for name in options.what]  # all of them, whatever one comes to
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
